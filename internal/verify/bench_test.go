package verify

import (
	"strings"
	"testing"
)

// A remembered answer costs no request, and microseconds: what is measured here
// plus reading the policies.
func BenchmarkRemembered(b *testing.B) {
	v := Cached(&counted{set: "sha256:" + strings.Repeat("1", 64), scope: strings.Repeat("2", 64)}, CacheOptions{})
	img, who := Image{Repository: "registry.example.com/actions/git-clone", Digest: "sha256:" + strings.Repeat("3", 64)}, Subject{Namespace: "ops"}
	for b.Loop() {
		if _, err := v.Verify(b.Context(), img, who); err != nil {
			b.Fatal(err)
		}
	}
}
