package memory

import (
	"errors"
	"testing"

	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/verifytest"
)

func TestContract(t *testing.T) {
	verifytest.Run(t, func(*testing.T) verifytest.Fixture {
		v := New(map[string]verify.Result{"sha256:good": {Signer: "test"}})
		return verifytest.Fixture{
			Verifier: v,
			Good:     verify.Image{Repository: "registry.example.com/a", Digest: "sha256:good"},
			Bad:      verify.Image{Repository: "registry.example.com/a", Digest: "sha256:bad"},
			Outage: func() func() {
				v.Fail(errors.New("registry gone"))
				return func() { v.Fail(nil) }
			},
		}
	})
}
