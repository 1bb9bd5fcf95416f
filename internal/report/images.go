package report

import (
	"encoding/json"
	"slices"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// maxImages is what the images of a run may take of its snapshot, in bytes:
// enough for the 25 different ones of a large run with long identities.
const maxImages = 12 << 10

// Images keeps each image once, and as many as fit.
func Images(all []v1alpha1.VerifiedImage) []v1alpha1.VerifiedImage {
	var out []v1alpha1.VerifiedImage
	left := maxImages
	for _, img := range all {
		if slices.ContainsFunc(out, func(o v1alpha1.VerifiedImage) bool { return o.Image == img.Image }) {
			continue
		}
		// What cannot be encoded would not be stored either.
		if raw, err := json.Marshal(img); err != nil || len(raw)+1 > left {
			continue
		} else {
			left -= len(raw) + 1
		}
		out = append(out, img)
	}
	return out
}
