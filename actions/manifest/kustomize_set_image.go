package manifest

import (
	"context"
	_ "embed" // the contract file
	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/actions/git"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/gitops/edit/kustomize"
)

//go:embed kustomize_set_image.yaml
var setImageDocument string

// SetImage sets what a kustomization makes of an image.
func SetImage() entry.Built {
	return entry.Built{Document: setImageDocument, Action: setImage{}}
}

type setImage struct{}

// Contract is the embedded document.
func (setImage) Contract() contract.Contract { return contract.Must(setImageDocument) }

// Run edits the file.
func (setImage) Run(_ context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	image := kustomize.Image{Name: in.String("image"), NewName: in.String("newName"), NewTag: in.String("newTag"), Digest: in.String("digest")}
	return git.Rewrite{
		File: in.String("file"), Request: image,
		Edit: func(name string, content []byte, _ git.Reader) (edit.Outcome, error) {
			return kustomize.SetImage(name, content, image)
		},
	}.Do(in, env)
}
