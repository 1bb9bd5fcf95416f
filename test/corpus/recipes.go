package corpus

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
)

type signer = func(*maker, name.Digest) (*name.Digest, error)

// recipes lists all cases. Each recipe differs from an honest one in one thing.
func recipes() []recipe {
	all := byKey()
	all = append(all, byPolicy()...)
	all = append(all, byStatement()...)
	all = append(all, byRule()...)
	all = append(all, byPlace()...)
	return append(all, byCertificate()...)
}

func byKey() []recipe {
	return []recipe{
		{name: "signed by the key in the legacy format", sign: legacyBy(ours), policies: one(trusts(ours)), allow: true, peer: true},
		{name: "signed by the key as bundle, which the peer does not look for", sign: bundleBy(ours), policies: one(trusts(ours)), allow: true},
		{name: "signed in both formats", sign: all(legacyBy(ours), bundleBy(ours)), policies: one(trusts(ours)), allow: true, peer: true},
		{name: "not signed", policies: one(trusts(ours))},
		{name: "signed by another key in the legacy format", sign: legacyBy(other), policies: one(trusts(ours))},
		{name: "signed by another key as bundle", sign: bundleBy(other), policies: one(trusts(ours))},
		{name: "signed by another key and then by the key", sign: all(legacyBy(other), legacyBy(ours)), policies: one(trusts(ours)), allow: true, peer: true},
		{name: "signed by the key and then by another", sign: all(legacyBy(ours), legacyBy(other)), policies: one(trusts(ours)), allow: true, peer: true},
		{name: "signed by the second of two keys in rotation", sign: legacyBy(other), policies: one(trusts(ours), trusts(other)), allow: true, peer: true},
		{name: "signature of another image", sign: stolen, policies: one(trusts(ours))},
		{name: "signed by an RSA key", sign: withKey("rsa", legacyBy), policies: one(trusts(made("rsa"))), allow: true, peer: true},
		{name: "signed by an Ed25519 key", sign: withKey("ed25519", legacyBy), policies: one(trusts(made("ed25519"))), allow: true, peer: true},
		{name: "signed over SHA-512 as the policy says", sign: withKey("sha512", legacyBy), policies: one(with(trusts(made("sha512")), "key.hashAlgorithm", "sha512")), allow: true, peer: true},
		{name: "signed over SHA-512 where the policy says nothing", sign: withKey("sha512", legacyBy), policies: one(trusts(made("sha512")))},
		{name: "an index that is signed itself", sign: index(true), policies: one(trusts(ours)), allow: true, peer: true},
		{name: "the child of an index that alone is signed", sign: index(false), policies: one(trusts(ours))},
	}
}

func byPolicy() []recipe {
	pass := func(*maker) map[string]any { return map[string]any{"static": map[string]any{"action": "pass"}} }
	fail := func(*maker) map[string]any { return map[string]any{"static": map[string]any{"action": "fail"}} }
	return []recipe{
		{name: "named by no policy", sign: legacyBy(ours)},
		{name: "named by a policy that lets all pass", policies: one(pass), allow: true, peer: true},
		{name: "named by a policy that lets none pass", sign: legacyBy(ours), policies: one(fail)},
		{name: "named by two policies and signed for one", sign: legacyBy(ours), policies: two(trusts(ours), trusts(other))},
		{name: "named by two policies and signed for both", sign: all(legacyBy(ours), legacyBy(other)), policies: two(trusts(ours), trusts(other)), allow: true, peer: true},
		{name: "not signed under a policy that only warns, which is not enough for us", policies: spec("mode", "warn", one(trusts(ours))), peer: true},
		{name: "signed under a policy that only warns, which vouches for nothing with us", sign: legacyBy(ours), policies: spec("mode", "warn", one(trusts(ours))), peer: true},
		{name: "a glob of one level less", sign: legacyBy(ours), policies: one(trusts(ours)), glob: parent},
		{name: "a glob over all levels", sign: legacyBy(ours), policies: one(trusts(ours)), glob: "%s**", allow: true, peer: true},
		{name: "a glob for a tag", sign: legacyBy(ours), policies: one(trusts(ours)), glob: "%s:v1"},
		{name: "the key is in a Secret", sign: legacyBy(ours), policies: one(secret), allow: true, peer: true},
		{name: "the key's Secret is missing", sign: legacyBy(ours), policies: one(noSecret)},
		{name: "legacy demanded and given", sign: legacyBy(ours), policies: one(with(trusts(ours), "signatureFormat", "legacy")), allow: true, peer: true},
		{name: "legacy demanded and a bundle given", sign: bundleBy(ours), policies: one(with(trusts(ours), "signatureFormat", "legacy"))},
	}
}

func byStatement() []recipe {
	levels := map[string]any{"level": 3}
	cue := func(text string) map[string]any { return map[string]any{"type": "cue", "data": text} }
	rego := func(text string) map[string]any { return map[string]any{"type": "rego", "data": text} }
	return []recipe{
		{name: "a bill of materials as bundle is no signature", sign: stated(spdx, levels), policies: one(trusts(ours))},
		{name: "an attestation in the legacy format is no signature", sign: attested(spdx, levels), policies: one(trusts(ours))},
		{name: "attested as demanded in the legacy format", sign: attested(provenance, levels), policies: one(attests(nil)), allow: true, peer: true},
		{name: "attested as demanded as bundle, which the peer does not look for", sign: stated(provenance, levels), policies: one(attests(nil)), allow: true},
		{name: "attested with another type", sign: attested(spdx, levels), policies: one(attests(nil))},
		{name: "a signature is no attestation", sign: legacyBy(ours), policies: one(attests(nil))},
		{name: "attested and the rule in CUE holds", sign: attested(provenance, levels), policies: one(attests(cue("predicate: level: >=3"))), allow: true, peer: true},
		{name: "attested and the rule in CUE does not hold", sign: attested(provenance, levels), policies: one(attests(cue("predicate: level: >=4")))},
		{name: "attested and the rule in Rego holds", sign: attested(provenance, levels), policies: one(attests(rego("package sigstore\nisCompliant { input.predicate.level >= 3 }"))), allow: true, peer: true},
		{name: "attested and the rule in Rego does not hold", sign: attested(provenance, levels), policies: one(attests(rego("package sigstore\nisCompliant { input.predicate.level >= 4 }")))},
	}
}

// byRule are policies with a rule over all their authorities.
func byRule() []recipe {
	rule := func(language, text string, authorities ...authority) func(*maker) []map[string]any {
		return spec("policy", map[string]any{"type": language, "data": text}, one(authorities...))
	}
	us, them := with(trusts(ours), "name", "us"), with(trusts(other), "name", "them")
	both := "package sigstore\nisCompliant { count(input.authorityMatches) == 2 }"
	twice := "package sigstore\nisCompliant { count(input.authorityMatches.us.signatures) == 2 }"
	open := func(*maker) map[string]any {
		return map[string]any{"name": "open", "static": map[string]any{"action": "pass"}}
	}
	release := with(people(map[string]any{"issuer": issuer, "subject": email}), "name", "person")
	whole := func(who string) string {
		return `authorityMatches: {
			open: static: true
			person: signatures: [{subject!: "` + who + `", issuer!: "` + issuer + `", ...}]
			built: attestations: provenance: [{predicateType!: "` + provenance + `", digest!: =~"^sha256:", ...}]
		}`
	}
	ways := all(person(false), attested(provenance, map[string]any{"level": 3}))
	return []recipe{
		{name: "signed by both keys as a rule over all authorities demands", sign: all(legacyBy(ours), legacyBy(other)), policies: rule("rego", both, us, them), allow: true, peer: true},
		{name: "signed by one of the keys that a rule over all authorities demands", sign: legacyBy(ours), policies: rule("rego", both, us, them)},
		{name: "signed twice by the key as a rule over all authorities demands", sign: all(legacyBy(ours), legacyBy(ours)), policies: rule("rego", twice, us), allow: true, peer: true},
		{name: "signed once where a rule over all authorities demands it twice", sign: legacyBy(ours), policies: rule("rego", twice, us)},
		{name: "not signed under a rule over all authorities that holds of nothing", policies: rule("rego", "package sigstore\nisCompliant { true }", us)},
		{name: "signed by a person and attested as a rule in CUE over all authorities says", sign: ways, policies: rule("cue", whole(email), open, release, attests(nil)), allow: true, peer: true},
		{name: "signed by another person than a rule in CUE over all authorities says", sign: ways, policies: rule("cue", whole("eve@example.com"), open, release, attests(nil))},
	}
}

func byPlace() []recipe {
	return []recipe{
		{name: "signed in the repository that the policy names", sign: elsewhere, policies: one(source("oci")), allow: true, peer: true},
		{name: "signed beside the image where the policy names another repository", sign: legacyBy(ours), policies: one(source("oci"))},
		{name: "signed under the prefix that the policy names", sign: prefixed, policies: one(source("tagPrefix")), allow: true, peer: true},
		{name: "signed without the prefix that the policy names", sign: legacyBy(ours), policies: one(source("tagPrefix"))},
	}
}

func byCertificate() []recipe {
	exact := map[string]any{"issuer": issuer, "subject": email}
	regExp := func(subject string) map[string]any {
		return map[string]any{"issuer": issuer, "subjectRegExp": subject}
	}
	return []recipe{
		{name: "signed by the person in the legacy format", sign: person(false), policies: one(people(exact)), allow: true, peer: true},
		{name: "signed by the person as bundle, which the peer does not look for", sign: person(true), policies: one(people(exact)), allow: true},
		{name: "signed by another person", sign: person(false), policies: one(people(map[string]any{"issuer": issuer, "subject": "eve@example.com"}))},
		{name: "signed by the person of another issuer", sign: person(false), policies: one(people(map[string]any{"issuer": "https://other.example.com", "subject": email}))},
		{name: "signed by one of two people", sign: person(false), policies: one(people(map[string]any{"issuer": issuer, "subject": "eve@example.com"}, exact)), allow: true, peer: true},
		{name: "signed by a person whose whole name fits the expression", sign: person(false), policies: one(people(regExp(".*@example[.]com"))), allow: true, peer: true},
		{name: "signed by a person of whose name a part fits, which is not enough for us", sign: person(false), policies: one(people(regExp("lease@example"))), peer: true},
		{name: "signed by a person where a key is demanded", sign: person(false), policies: one(trusts(ours))},
		{name: "signed by a key where a person is demanded", sign: legacyBy(ours), policies: one(people(exact))},
	}
}

// parent is replaced by a glob that ends a level above the image.
const parent = "parent of %s"

func ours(m *maker) *key  { return m.ours }
func other(m *maker) *key { return m.other }

// made is a key of another kind, kept in the maker.
func made(kind string) func(*maker) *key { return func(m *maker) *key { return m.keys[kind] } }

func newKinds() (map[string]*key, error) {
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	keys := map[string]*key{}
	if keys["rsa"], err = loadKey(long, crypto.SHA256); err != nil {
		return nil, err
	}
	if keys["ed25519"], err = loadKey(edwards, crypto.SHA256); err != nil {
		return nil, err
	}
	keys["sha512"], err = newKey(crypto.SHA512)
	return keys, err
}

func all(signers ...signer) signer {
	return func(m *maker, at name.Digest) (*name.Digest, error) {
		for _, s := range signers {
			if instead, err := s(m, at); err != nil {
				return instead, err
			}
		}
		return nil, nil
	}
}

func legacyBy(by func(*maker) *key) signer {
	return func(m *maker, at name.Digest) (*name.Digest, error) { return nil, m.legacy(at, at, by(m), nil) }
}

func bundleBy(by func(*maker) *key) signer {
	return func(m *maker, at name.Digest) (*name.Digest, error) {
		return nil, m.bundle(at, by(m), nil, signPredicate, map[string]any{})
	}
}

func withKey(kind string, format func(func(*maker) *key) signer) signer { return format(made(kind)) }

// stolen puts the signature of one image beside another.
func stolen(m *maker, at name.Digest) (*name.Digest, error) {
	victim, err := m.push("victim/image", "signed for itself")
	if err != nil {
		return nil, err
	}
	return nil, m.legacy(at, victim, m.ours, nil)
}

// index makes an index that is signed, and asks for it or for its only child.
func index(itself bool) signer {
	return func(m *maker, at name.Digest) (*name.Digest, error) {
		img, err := mutate.AppendLayers(empty.Image, static.NewLayer([]byte("child"), types.OCIUncompressedLayer))
		if err != nil {
			return nil, err
		}
		repository := strings.TrimPrefix(at.Repository.Name(), m.prefix+"/")
		child, err := m.write(repository, img)
		if err != nil {
			return nil, err
		}
		list, err := m.write(repository, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img}))
		if err != nil {
			return nil, err
		}
		if err := m.legacy(list, list, m.ours, nil); err != nil {
			return nil, err
		}
		if itself {
			return &list, nil
		}
		return &child, nil
	}
}

func stated(predicateType string, predicate any) signer {
	return func(m *maker, at name.Digest) (*name.Digest, error) {
		return nil, m.bundle(at, m.ours, nil, predicateType, predicate)
	}
}

func attested(predicateType string, predicate any) signer {
	return func(m *maker, at name.Digest) (*name.Digest, error) {
		return nil, m.attest(at, m.ours, predicateType, predicate)
	}
}

func elsewhere(m *maker, at name.Digest) (*name.Digest, error) {
	repo, err := name.NewRepository(m.prefix + "/signatures")
	if err != nil {
		return nil, err
	}
	return nil, m.legacy(at, at, m.ours, nil, ociremote.WithTargetRepository(repo))
}

func prefixed(m *maker, at name.Digest) (*name.Digest, error) {
	return nil, m.legacy(at, at, m.ours, nil, ociremote.WithPrefix("release-"))
}

func person(asBundle bool) signer {
	return func(m *maker, at name.Digest) (*name.Digest, error) {
		k, cert, err := m.leaf(email)
		if err != nil {
			return nil, err
		}
		if asBundle {
			return nil, m.bundle(at, k, cert, signPredicate, map[string]any{})
		}
		return nil, m.legacy(at, at, k, cert)
	}
}
