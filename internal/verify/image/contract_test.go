package image

import (
	"net/http"
	"testing"

	"github.com/kubernaut/kubernaut/internal/verify/verifytest"
	"github.com/kubernaut/kubernaut/test/registry"
)

func TestContract(t *testing.T) {
	verifytest.Run(t, func(t *testing.T) verifytest.Fixture {
		w := newWorld(t, registry.Options{})
		good, bad := w.push("actions/a", "good"), w.push("actions/a", "bad")
		w.sign(good, w.trusted, formats()[1])
		return verifytest.Fixture{
			Verifier: w.verifier(), Good: good, Bad: bad,
			Outage: func() func() {
				w.served.Down(http.StatusServiceUnavailable)
				return func() { w.served.Down(registry.Up) }
			},
		}
	})
}
