package image

import (
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

// elsewhere is an image that nobody signs.
func elsewhere() verify.Image {
	return verify.Image{Repository: "registry.example.com/a", Digest: "sha256:" + strings.Repeat("1", 64)}
}

// people is a demand for signatures by one person, and every proof of time.
func people(f *testing.F, s *sigstore.Services) *demand {
	f.Helper()
	root := policy.TrustedRoot(s.RootJSON(f))
	d, err := newDemand(f.Context(), New(nil, nil).roots, policy.Authority{
		Keyless: &policy.Keyless{Root: root, IgnoreSCT: true, Identities: []policy.Identity{{Issuer: sigstore.Issuer, Subject: me}}}, Log: root,
	})
	if err != nil {
		f.Fatal(err)
	}
	return d
}

// Whatever is made of genuine bundles, none vouches for another image.
func FuzzBundleByIdentity(f *testing.F) {
	s := sigstore.New(f)
	img := verify.Image{Repository: "registry.example.com/a", Digest: "sha256:" + strings.Repeat("0", 64)}
	for _, services := range ways(s) {
		by, err := sign.Keyless(sigstore.Token(me), services)
		if err != nil {
			f.Fatal(err)
		}
		data, err := sign.Bundle(f.Context(), img, sign.Claim{Type: signPredicate, Predicate: struct{}{}}, by)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	d := people(f, s)
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseBundle(data)
		if err == nil && d.check(t.Context(), e, elsewhere()).outcome == good {
			t.Error("it passed for an image that nobody signed")
		}
	})
}

// Nor do the annotations of a layer, whatever they say of certificate, chain, log
// and time.
func FuzzLegacyByIdentity(f *testing.F) {
	d := people(f, sigstore.New(f))
	f.Add("", "", `{"SignedEntryTimestamp":"AA==","Payload":{"body":"e30=","integratedTime":1,"logIndex":1,"logID":"00"}}`, `{"SignedRFC3161Timestamp":"AA=="}`)
	f.Add("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "x", `{"Payload":{"body":7}}`, `null`)
	f.Fuzz(func(t *testing.T, certificate, chain, entry, stamp string) {
		annotations := map[string]string{certificateAnnotation: certificate, chainAnnotation: chain, logAnnotation: entry, timestampAnnotation: stamp}
		text := []byte(`{"critical":{"image":{"docker-manifest-digest":"` + elsewhere().Digest + `"}}}`)
		e, err := newLayered(annotations, bundle.NewMessageSignature(hashPayload(text), payloadHash, []byte("signed")), text)
		if err == nil && d.check(t.Context(), e, elsewhere()).outcome == good {
			t.Error("bytes that nobody signed passed")
		}
	})
}
