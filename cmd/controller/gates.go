package main

import (
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/verify"
	verifyimage "github.com/kubernaut/kubernaut/internal/verify/image"
)

// doors are what the gates ask. One memory serves all of them: what a run was
// admitted with is at hand when its steps start.
type doors struct {
	images   gate.Images
	files    gate.Files
	verifier verify.Verifier
}

func newDoors(policies verifyimage.Policies, registry *image.Registry, m *record.Metrics) doors {
	remembered := verify.Cached(verifyimage.New(policies, registry), verify.CacheOptions{Count: m.Cached})
	return doors{images: registry, files: image.Cached(registry, 0), verifier: verify.Measured(remembered, m.Verified)}
}

// ofRun are the checks of a run before anything is created.
func (d doors) ofRun() gate.Gate {
	return gate.Gate{
		gate.Digest{Images: d.images}, gate.Signature{Verifier: d.verifier}, gate.Contract{Files: d.files},
		gate.Inputs{}, gate.Approval{}, gate.Repositories{}, gate.Rights{},
	}
}

// ofStep are the checks of one step before its Job is created. Its image is
// pinned already, and who approves does so for the whole run.
func (d doors) ofStep() gate.Gate {
	return gate.Gate{
		gate.Signature{Verifier: d.verifier}, gate.Contract{Files: d.files},
		gate.Inputs{}, gate.Repositories{}, gate.Rights{},
	}
}
