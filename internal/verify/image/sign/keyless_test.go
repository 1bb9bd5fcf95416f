package sign

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"

	images "github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

const me = "builder@example.com"

// pushed is an image in a registry.
func pushed(t *testing.T) (*images.Registry, verify.Image) {
	t.Helper()
	served := registry.New(t, registry.Options{})
	door := images.New(images.Options{Insecure: []string{served.Host()}})
	img, err := images.Build(images.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	at, err := door.Push(t.Context(), served.Image("a")+":v1", img)
	if err != nil {
		t.Fatal(err)
	}
	return door, at
}

func anybody(t *testing.T, services Services) *Signer {
	t.Helper()
	s, err := Keyless(sigstore.Token(me), services)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// choices are the two ways to prove a time.
func choices(s *sigstore.Services) map[string]Services {
	return map[string]Services{
		"timestamp": {Fulcio: s.Fulcio, Timestamp: s.Timestamp},
		"log":       {Fulcio: s.Fulcio, Rekor: s.Rekor, RekorVersion: 1},
		"both":      {Fulcio: s.Fulcio, Rekor: s.Rekor, RekorVersion: 1, Timestamp: s.Timestamp},
	}
}

func TestKeylessBundle(t *testing.T) {
	served := sigstore.New(t)
	all := choices(served)
	all["log of version 2"] = Services{Fulcio: served.Fulcio, Rekor: served.Rekor, RekorVersion: 2, Timestamp: served.Timestamp}
	for how, services := range all {
		t.Run(how, func(t *testing.T) {
			_, img := pushed(t)
			data, err := Bundle(t.Context(), img, Claim{Predicate, struct{}{}}, anybody(t, services))
			if err != nil {
				t.Fatal(err)
			}
			b := &bundle.Bundle{}
			if err := b.UnmarshalJSON(data); err != nil {
				t.Fatal(err)
			}
			options := []sgverify.VerifierOption{sgverify.WithObserverTimestamps(1)}
			if services.Rekor != "" {
				options = append(options, sgverify.WithTransparencyLog(1))
			}
			verifier, err := sgverify.NewVerifier(served.Root, options...)
			if err != nil {
				t.Fatal(err)
			}
			identity, err := sgverify.NewShortCertificateIdentity(sigstore.Issuer, "", me, "")
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := hex.DecodeString(hexOf(img.Digest))
			got, err := verifier.Verify(b, sgverify.NewPolicy(sgverify.WithArtifactDigest("sha256", raw), sgverify.WithCertificateIdentity(identity)))
			if err != nil || got.Statement.GetPredicateType() != Predicate {
				t.Errorf("result %v, error %v", got, err)
			}
		})
	}
}

// What cosign of version 2 reads is what users have who ask for the old format.
func TestKeylessLegacy(t *testing.T) {
	served := sigstore.New(t)
	for how, services := range choices(served) {
		t.Run(how, func(t *testing.T) {
			door, img := pushed(t)
			by := anybody(t, services)
			if err := Sign(t.Context(), door, img, by, policy.Legacy); err != nil {
				t.Fatal(err)
			}
			ref, err := name.NewDigest(img.String())
			if err != nil {
				t.Fatal(err)
			}
			options := &cosign.CheckOpts{
				ClaimVerifier: cosign.SimpleClaimVerifier, TrustedMaterial: served.Root, IgnoreSCT: true, Offline: true,
				Identities: []cosign.Identity{{Issuer: sigstore.Issuer, Subject: me}},
				IgnoreTlog: services.Rekor == "", UseSignedTimestamps: services.Timestamp != "",
			}
			got, logged, err := cosign.VerifyImageSignatures(context.Background(), ref, options)
			if err != nil || len(got) != 1 || logged != (services.Rekor != "") {
				t.Fatalf("%d signatures, logged %t, error %v", len(got), logged, err)
			}
			if chain, err := got[0].Chain(); err != nil || len(chain) != 2 {
				t.Errorf("%d certificates above the leaf, error %v", len(chain), err)
			}
			if by.String() != me {
				t.Errorf("the signer is %s", by)
			}
		})
	}
}

func TestOneCertificateForAllImages(t *testing.T) {
	served := sigstore.New(t)
	door, img := pushed(t)
	by := anybody(t, choices(served)["timestamp"])
	for _, f := range []policy.Format{policy.Bundle, policy.Legacy, policy.Bundle} {
		if err := Sign(t.Context(), door, img, by, f); err != nil {
			t.Fatal(err)
		}
	}
	if n := served.Certificates.Load(); n != 1 {
		t.Errorf("%d certificates were issued", n)
	}
}

func TestKeylessRefusals(t *testing.T) {
	token := sigstore.Token(me)
	for name, c := range map[string]struct {
		token string
		Services
		want string
	}{
		"no token":  {"secret", Services{Fulcio: "http://f", Timestamp: "http://t"}, "no JSON web token"},
		"no Fulcio": {token, Services{Timestamp: "http://t"}, "Fulcio"},
		"no time":   {token, Services{Fulcio: "http://f", Rekor: "http://r", RekorVersion: 2}, "needs a time"},
	} {
		if _, err := Keyless(c.token, c.Services); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), c.token) {
			t.Errorf("%s: error %v, want %q and never the token", name, err, c.want)
		}
	}
	s, err := Keyless(token, Services{Fulcio: "http://f", Rekor: "http://r", RekorVersion: 2, Timestamp: "http://t"})
	if err != nil || s.Can(policy.Bundle) != nil || s.Can(policy.Legacy) == nil {
		t.Errorf("a log of version 2: error %v, bundle %v, legacy %v", err, s.Can(policy.Bundle), s.Can(policy.Legacy))
	}
}

// A service that is away, or that answers nonsense, is an error that names it,
// and nothing is written.
func TestServicesThatFail(t *testing.T) {
	served := sigstore.New(t)
	door, img := pushed(t)
	for _, services := range []Services{
		{Fulcio: served.Fulcio + "/none", Timestamp: served.Timestamp},
		{Fulcio: served.Fulcio, Timestamp: served.Timestamp + "/none"},
		{Fulcio: served.Fulcio, Timestamp: served.Timestamp, Rekor: served.Rekor + "/none", RekorVersion: 1},
	} {
		err := Sign(t.Context(), door, img, anybody(t, services), policy.Bundle)
		if err == nil || !strings.Contains(err.Error(), "/none") || !strings.Contains(err.Error(), img.Digest) {
			t.Errorf("error %v, want the image and the service", err)
		}
	}
	ref, _ := name.NewDigest(img.String())
	if index, err := remote.Referrers(ref); err != nil {
		t.Error(err)
	} else if list, err := index.IndexManifest(); err != nil || len(list.Manifests) > 0 {
		t.Errorf("%d referrers were written, error %v", len(list.Manifests), err)
	}
}

// A signature that is there already is known by what it says, and never by where
// it lies.
func TestWhatAKeyHasSigned(t *testing.T) {
	private, _, err := GenerateKeyPair(nil)
	if err != nil {
		t.Fatal(err)
	}
	by, err := LoadSigner(private, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, img := pushed(t)
	text, _ := statement(img, Claim{Predicate, struct{}{}})
	data, err := seal(t.Context(), text, by)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := statement(img, Claim{"https://example.com/other", struct{}{}})
	broken := []byte(strings.Replace(string(data), base64.StdEncoding.EncodeToString(text)[:8], "AAAAAAAA", 1))
	if !by.signed(data, text) || by.signed(data, other) || by.signed(broken, text) || by.signed(nil, text) {
		t.Error("the key does not know its own signature")
	}
}
