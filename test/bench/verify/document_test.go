package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/policy-controller/pkg/apis/config"
	"github.com/sigstore/policy-controller/pkg/apis/policy/v1alpha1"
	"github.com/sigstore/policy-controller/pkg/webhook"
	"github.com/sigstore/policy-controller/pkg/webhook/clusterimagepolicy"

	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	verifyimage "github.com/kubernaut/kubernaut/internal/verify/image"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/corpus"
	"github.com/kubernaut/kubernaut/test/registry"
)

// kept is a rule that accepts a document and keeps it.
type kept struct{ document *[]byte }

func (k kept) Evaluate(_ context.Context, document []byte) ([]string, error) {
	*k.document = document
	return nil, nil
}

// TestDocuments holds what a rule over a whole policy sees with us against what
// it sees with Policy Controller.
func TestDocuments(t *testing.T) {
	served := registry.New(t, registry.Options{})
	c, err := corpus.Make(t.Context(), served.Image("corpus"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPeer(t.Context(), c.TrustRoot)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, one := range c.Cases {
		if !one.Allow || len(one.Policies) != 1 || one.Policies[0]["spec"].(map[string]any)["policy"] == nil {
			continue
		}
		compared++
		if diff := cmp.Diff(decoded(t, p.document(t, one)), decoded(t, ourDocument(t, c, one))); diff != "" {
			t.Errorf("%s: %s", one.Name, diff)
		}
	}
	if compared < 3 {
		t.Errorf("%d documents were compared", compared)
	}
}

func text(t *testing.T, object any) []byte {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decoded sorts signatures, whose order says nothing, and leaves out the names of attestations, which Policy Controller computes
// from a signature that its format has not: there they are all the same.
func decoded(t *testing.T, document []byte) (out map[string]map[string]struct {
	Signatures   []map[string]any
	Attestations map[string][]map[string]any
	Static       bool
}) {
	t.Helper()
	if err := json.Unmarshal(document, &out); err != nil {
		t.Fatal(err)
	}
	for _, authority := range out["authorityMatches"] {
		slices.SortFunc(authority.Signatures, func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a["id"]), fmt.Sprint(b["id"])) })
		for _, all := range authority.Attestations {
			for _, one := range all {
				delete(one, "id")
			}
		}
	}
	return out
}

func ourDocument(t *testing.T, c *corpus.Corpus, one corpus.Case) []byte {
	t.Helper()
	var document []byte
	set := policy.Compile(policy.Inputs{
		Policies: [][]byte{text(t, one.Policies[0])}, TrustRoots: [][]byte{text(t, c.TrustRoot)},
		Rules: func(string, string) (policy.Program, error) { return kept{&document}, nil },
	})
	verifier := verifyimage.New(func(context.Context) (*policy.Set, error) { return set, nil }, image.New(image.Options{Insecure: []string{c.Host()}}))
	repository, digest, _ := strings.Cut(one.Image, "@")
	if _, err := verifier.Verify(t.Context(), verify.Image{Repository: repository, Digest: digest}, verify.Subject{}); err != nil {
		t.Fatal(err)
	}
	return document
}

func (p *peer) document(t *testing.T, one corpus.Case) []byte {
	t.Helper()
	object := &v1alpha1.ClusterImagePolicy{}
	if err := json.Unmarshal(text(t, one.Policies[0]), object); err != nil {
		t.Fatal(err)
	}
	object.SetDefaults(t.Context())
	var compiled clusterimagepolicy.ClusterImagePolicy
	if err := json.Unmarshal(text(t, clusterimagepolicy.ConvertClusterImagePolicyV1alpha1ToWebhook(object)), &compiled); err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewDigest(one.Image)
	if err != nil {
		t.Fatal(err)
	}
	settings := config.FromContextOrDefaults(t.Context())
	settings.SigstoreKeysConfig = p.roots
	result, errs := webhook.ValidatePolicy(config.ToContext(t.Context(), settings), "", ref, compiled, authn.DefaultKeychain)
	if result == nil {
		t.Fatalf("%s: %v", one.Name, errs)
	}
	return text(t, result)
}
