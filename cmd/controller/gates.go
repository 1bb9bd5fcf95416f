package main

import (
	"cmp"
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/verify"
	verifyimage "github.com/kubernaut/kubernaut/internal/verify/image"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// account is whose pull secrets are read.
type account struct{ namespace, name string }

// images returns the policies, as they are when they are asked for, and the way
// to the registries. Many ask at once when a run is admitted, and share what is
// read from the cluster.
func (o options) images(live client.Reader, m *record.Metrics) (verifyimage.Policies, *image.Registry, error) {
	if _, err := trusted(o.trustedRoot); err != nil {
		return nil, nil, err
	}
	inside := cluster{live: live, namespace: o.namespace, trustedRoot: o.trustedRoot, compat: o.compat, memo: &policy.Memo{}}
	secrets := share(func(ctx context.Context, a account) ([][]byte, error) { return inside.pullSecrets(ctx, a) })
	reach, err := o.registries(func(ctx context.Context, who verify.Subject) ([][]byte, error) {
		return secrets.get(ctx, account{who.Namespace, cmp.Or(who.ServiceAccount, "default")})
	})
	reach.Tell = m.Requested
	named := share(inside.logins)
	reach.Secret = func(ctx context.Context, namespace, name string) ([]byte, error) {
		return named.get(ctx, types.NamespacedName{Namespace: namespace, Name: name})
	}
	policies := share(func(ctx context.Context, _ struct{}) (*policy.Set, error) { return inside.policies(ctx) })
	return func(ctx context.Context) (*policy.Set, error) { return policies.get(ctx, struct{}{}) }, image.New(reach), err
}

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
