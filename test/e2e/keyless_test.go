package e2e

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// What the lab's Fulcio, Rekor and timestamp authority make together is read
// back from the registry and verified with its trusted root and nothing else.
func TestKeylessSignatureIsVerifiedOffline(t *testing.T) {
	const email = "release@example.com"
	pushed, err := shared.Publish(t.Context(), "keyless", image(t, "keyless"), nil, policy.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.SignKeyless(t.Context(), pushed, email, policy.Bundle); err != nil {
		t.Fatal(err)
	}
	digest, err := name.NewDigest(pushed.String())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := ociremote.Referrers(digest, "")
	if err != nil || len(stored.Manifests) == 0 {
		t.Fatalf("the image has no bundles: %v", err)
	}
	// Of an earlier run there may be others.
	last := stored.Manifests[len(stored.Manifests)-1]
	signed, err := ociremote.Bundle(digest.Repository.Digest(last.Digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		claim
		good bool
	}{
		"right":          {claim{shared.Sigstore.Issuer, email, pushed.Digest}, true},
		"another issuer": {claim{"http://issuer.example.com", email, pushed.Digest}, false},
		"another person": {claim{shared.Sigstore.Issuer, "somebody@example.com", pushed.Digest}, false},
		"another image":  {claim{shared.Sigstore.Issuer, email, "sha256:" + strings.Repeat("0", 64)}, false},
	} {
		result, err := offline(t, signed, c.claim)
		if (err == nil) != c.good {
			t.Errorf("%s: %v, want good %t", name, err, c.good)
		}
		if err == nil && (result.Statement.GetPredicateType() != harness.SignPredicate || len(result.VerifiedTimestamps) == 0) {
			t.Errorf("%s: a %s with times %v", name, result.Statement.GetPredicateType(), result.VerifiedTimestamps)
		}
	}
}

// claim is who is said to have signed what.
type claim struct{ issuer, email, digest string }

// offline verifies a bundle as strictly as the lab allows.
func offline(t *testing.T, signed sgverify.SignedEntity, c claim) (*sgverify.VerificationResult, error) {
	t.Helper()
	data, err := shared.Sigstore.TrustedRootJSON()
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := root.NewTrustedRootFromJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := sgverify.NewVerifier(trusted, sgverify.WithTransparencyLog(1), sgverify.WithSignedTimestamps(1))
	if err != nil {
		t.Fatal(err)
	}
	identity, err := sgverify.NewShortCertificateIdentity(c.issuer, "", c.email, "")
	if err != nil {
		t.Fatal(err)
	}
	sum, err := hex.DecodeString(strings.TrimPrefix(c.digest, "sha256:"))
	if err != nil {
		t.Fatal(err)
	}
	return verifier.Verify(signed, sgverify.NewPolicy(sgverify.WithArtifactDigest("sha256", sum), sgverify.WithCertificateIdentity(identity)))
}

// An image runs that the right person signed without a key, in either format
// where a timestamp is enough, and as a bundle where Rekor has to know it.
func TestKeylessSignedImageRuns(t *testing.T) {
	const release = "release@example.com"
	ns := namespace(t)
	if err := shared.TrustRoot(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	for name, root := range map[string]string{"stamped": ns, "logged": ""} {
		policy := ns + "-" + name
		if err := shared.KeylessPolicy(t.Context(), policy, shared.Registry+"/keyless/"+name+"**", root, release); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { forget(t, policy) })
	}
	t.Cleanup(func() { forget(t, ns) })
	for name, c := range map[string]struct {
		email  string
		format policy.Format
		// refused is the reason why it does not run; empty if it runs.
		refused string
	}{
		"stamped-legacy": {release, policy.Legacy, ""},
		"stamped-bundle": {release, policy.Bundle, ""},
		"logged-bundle":  {release, policy.Bundle, ""},
		"logged-legacy":  {release, policy.Legacy, v1alpha1.ReasonSignatureInvalid},
		"stamped-other":  {"somebody@example.com", policy.Bundle, v1alpha1.ReasonSignatureInvalid},
		"logged-other":   {"somebody@example.com", policy.Bundle, v1alpha1.ReasonSignatureInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pushed, err := shared.Images.Push(t.Context(), shared.Registry+"/keyless/"+name+":v1", image(t, "keyless-"+name))
			if err == nil {
				err = shared.SignKeyless(t.Context(), pushed, c.email, c.format)
			}
			if err != nil {
				t.Fatal(err)
			}
			we := start(t, ns, name, v1alpha1.WorkflowStep{Name: "probe", Image: pushed.String(), Inputs: raw(map[string]string{"mode": "well"})})
			finish(t, we, time.Minute)
			stalled := condition(we, v1alpha1.ConditionStalled)
			if (we.Status.Phase == v1alpha1.ExecutionCompleted) != (c.refused == "") || c.refused != "" && stalled.Reason != c.refused {
				t.Errorf("phase %s, %s: %s; want %q", we.Status.Phase, stalled.Reason, stalled.Message, c.refused)
			}
		})
	}
}
