package install

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/internal/image/origin"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

const attested = `resources: [../default]
components: [../../components/image-policy, ../../components/image-policy-attested]
secretGenerator:
  - {name: kubernaut-image-keys, namespace: kubernaut-system, files: [cosign.pub], options: {disableNameSuffixHash: true}}
patches:
  - target: {kind: ClusterImagePolicy, name: kubernaut-actions.*}
    patch: '[{"op": "replace", "path": "/spec/images/0/glob", "value": "ghcr.io/my-team/kubernaut/**"}]'
`

// The policy that ships takes the statements that 'actions attest' makes, and
// none by another builder or from sources at no commit.
func TestAttestedPolicyThatShips(t *testing.T) {
	matched := compiled(t, attested).Match("ghcr.io/my-team/kubernaut/actions/a", digest, policy.Object{Kind: "Job", Group: "batch", Version: "v1"})
	if len(matched) != 2 || matched[0].Closed+matched[1].Closed != "" {
		t.Fatalf("policies %+v, want that of signatures and that of statements", matched)
	}
	rules := map[string]policy.Program{}
	for _, p := range matched {
		for _, a := range p.Authorities[0].Attestations {
			rules[a.PredicateType] = a.Rule
		}
	}
	good := origin.Image{
		Name: "actions/a", Digest: digest, Source: "git+https://github.com/kubernaut/kubernaut", Revision: strings.Repeat("b", 40),
		Builder: "https://kubernaut.ai/builder/cli/v1", Created: time.Unix(0, 0),
	}
	other, changed := good, good
	other.Builder, changed.Revision = "https://example.com/builder", ""
	for name, c := range map[string]struct {
		kind      string
		predicate any
		want      bool
	}{
		"bill":                  {origin.SPDX, good.Bill(), true},
		"empty bill":            {origin.SPDX, struct{}{}, false},
		"provenance":            {origin.SLSA, good.Provenance(), true},
		"another builder":       {origin.SLSA, other.Provenance(), false},
		"sources at no commit":  {origin.SLSA, changed.Provenance(), false},
		"nobody built":          {origin.SLSA, map[string]any{"buildDefinition": good.Provenance().Definition}, false},
		"a bill as provenance":  {origin.SLSA, good.Bill(), false},
		"an empty provenance":   {origin.SLSA, struct{}{}, false},
		"a provenance for bill": {origin.SPDX, good.Provenance(), false},
	} {
		text, err := json.Marshal(map[string]any{"_type": "https://in-toto.io/Statement/v1", "predicateType": c.kind, "predicate": c.predicate})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rules[c.kind].Evaluate(t.Context(), text); (err == nil) != c.want {
			t.Errorf("%s: error %v, want it to pass: %t", name, err, c.want)
		}
	}
}
