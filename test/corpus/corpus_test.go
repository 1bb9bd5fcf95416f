package corpus

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	verifyimage "github.com/kubernaut/kubernaut/internal/verify/image"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/internal/verify/rule"
	"github.com/kubernaut/kubernaut/test/registry"
)

func encode(t *testing.T, object any) []byte {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestVerdicts judges every image in both modes: strictly, and as Policy
// Controller does, whose answers test/bench/verify asks of itself.
func TestVerdicts(t *testing.T) {
	served := registry.New(t, registry.Options{})
	c, err := Make(t.Context(), served.Image("corpus"))
	if err != nil {
		t.Fatal(err)
	}
	in := policy.Inputs{TrustRoots: [][]byte{encode(t, c.TrustRoot)}, Rules: rule.Compile, Secrets: func(_, name string) (map[string][]byte, error) {
		if name != SecretName {
			return nil, errors.New("not found")
		}
		return c.Secret, nil
	}}
	for _, one := range c.Cases {
		for _, p := range one.Policies {
			in.Policies = append(in.Policies, encode(t, p))
		}
	}
	differ := 0
	for _, one := range c.Cases {
		if one.Allow != one.Peer {
			differ++
		}
		t.Run(one.Name, func(t *testing.T) {
			for compat, want := range map[bool]bool{false: one.Allow, true: one.Peer} {
				in.Compat = compat
				verdict(t, served, in, one.Image, want)
			}
		})
	}
	t.Logf("%d images, of which %d are judged otherwise than by Policy Controller", len(c.Cases), differ)
}

func verdict(t *testing.T, served *registry.Registry, in policy.Inputs, img string, allow bool) {
	t.Helper()
	set := policy.Compile(in)
	ref, err := name.NewDigest(img)
	if err != nil {
		t.Fatal(err)
	}
	verifier := verifyimage.New(func(context.Context) (*policy.Set, error) { return set, nil }, image.New(image.Options{Insecure: []string{served.Host()}}))
	got, err := verifier.Verify(t.Context(), verify.Image{Repository: ref.Repository.Name(), Digest: ref.DigestStr()}, verify.Subject{Kind: "Pod", Version: "v1"})
	if _, refused := run.AsRefusal(err); err != nil && !refused {
		t.Errorf("compat %t: no verdict but %v", in.Compat, err)
	} else if (err == nil) != allow {
		t.Errorf("compat %t: result %+v, error %v; want allow %t", in.Compat, got, err, allow)
	}
}
