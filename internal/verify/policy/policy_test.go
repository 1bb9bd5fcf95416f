package policy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	repository = "registry.example.com/actions/git-clone"
	digest     = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

func publicKey(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return encode(t, key.Public())
}

func encode(t testing.TB, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// object turns the YAML of a spec into a policy named "p".
func object(t testing.TB, spec string) []byte {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte("apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: p, uid: u}\nspec:\n  " +
		strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ") + "\nstatus: {observedGeneration: 1}\n"))
	if err != nil {
		t.Fatalf("%v in\n%s", err, spec)
	}
	return data
}

func quoted(text string) string {
	data, _ := json.Marshal(text)
	return string(data)
}

func one(t testing.TB, s *Set) Compiled {
	t.Helper()
	matched := s.Match(repository, digest, Object{Kind: "Job", Group: "batch", Version: "v1"})
	if len(matched) != 1 {
		t.Fatalf("%d policies match, want 1", len(matched))
	}
	return matched[0]
}

func TestKeyAuthority(t *testing.T) {
	first, second := publicKey(t), publicKey(t)
	in := Inputs{Policies: [][]byte{object(t, `
images: [{glob: "registry.example.com/**"}]
mode: enforce
authorities:
- name: ours
  key: {data: `+quoted(first+"\n"+second)+`, hashAlgorithm: sha384}
- key: {data: `+quoted(second)+`}
  signatureFormat: bundle
`)}}
	c := one(t, Compile(in))
	if c.Closed != "" || len(c.Authorities) != 2 {
		t.Fatalf("compiled to %+v", c)
	}
	ours, next := c.Authorities[0], c.Authorities[1]
	if ours.Name != "ours" || len(ours.Keys) != 2 || ours.Format != AnyFormat {
		t.Errorf("first authority is %+v", ours)
	}
	if next.Name != "authority-1" || next.Format != Bundle || next.Keys[0].Fingerprint != ours.Keys[1].Fingerprint {
		t.Errorf("second authority is %+v", next)
	}
	if fp := ours.Keys[0].Fingerprint; len(fp) != len("sha256:")+16 || fp == ours.Keys[1].Fingerprint {
		t.Errorf("fingerprint is %q", fp)
	}
}

func TestKeysAndTheirHash(t *testing.T) {
	first, second := publicKey(t), publicKey(t)
	in := Inputs{Policies: [][]byte{object(t, "images: [{glob: \"**\"}]\nauthorities: [{key: {data: "+quoted(first+second)+", hashAlgorithm: SHA384}}]")}}
	keys := one(t, Compile(in)).Authorities[0].Keys
	if len(keys) != 2 || keys[1].Hash != crypto.SHA384 {
		t.Errorf("keys are %v", keys)
	}
	in.Compat = true
	if got := one(t, Compile(in)).Authorities[0].Keys; len(got) != 1 || got[0].Fingerprint != keys[0].Fingerprint {
		t.Errorf("compat: keys are %v, Policy Controller reads the first", got)
	}
}

func TestSecretRef(t *testing.T) {
	key := publicKey(t)
	data := map[string][]byte{"key": []byte(key)}
	var err error
	compile := func() (*Set, Compiled) {
		set := Compile(Inputs{Policies: [][]byte{object(t, `
images: [{glob: "**"}]
authorities: [{key: {secretRef: {name: signer}}}]`)}, Secrets: func(namespace, name string) (map[string][]byte, error) {
			if namespace != "" || name != "signer" {
				t.Errorf("asked for Secret %s/%s", namespace, name)
			}
			return data, err
		}})
		return set, one(t, set)
	}
	set, c := compile()
	if c.Closed != "" || len(c.Authorities[0].Keys) != 1 {
		t.Errorf("compiled to %+v", c)
	}
	data = map[string][]byte{"cosign.key": []byte("private"), "cosign.password": nil, "cosign.pub": []byte(publicKey(t))}
	rotated, c := compile()
	if c.Closed != "" || rotated.Hash() == set.Hash() {
		t.Errorf("a rotated key: hash %s, before %s; %s", rotated.Hash(), set.Hash(), c.Closed)
	}
	data = map[string][]byte{"a": []byte(key), "b": []byte(key)}
	if _, c = compile(); !strings.Contains(c.Closed, `Secret "signer": it has 2 entries`) {
		t.Errorf("closed with %q", c.Closed)
	}
	err = errors.New("forbidden")
	gone, c := compile()
	if !strings.Contains(c.Closed, `authorities[0].key: secretRef: read Secret "signer": forbidden`) || gone.Hash() == set.Hash() {
		t.Errorf("closed with %q", c.Closed)
	}
}

// TestClosed lists what must never be skipped: each policy still names the image
// and says which field is in the way.
func TestClosed(t *testing.T) {
	key := quoted(publicKey(t))
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak := quoted(encode(t, small.Public()))
	glob, good := `images: [{glob: "**"}]`, `authorities: [{key: {data: `+key+`}}]`
	authority := func(text string) string { return glob + "\nauthorities: [" + text + "]" }
	for name, c := range map[string]struct{ spec, says string }{
		"unknown mode":          {glob + "\nmode: Enforce\n" + good, `spec.mode: "Enforce" is neither enforce nor warn`},
		"no authorities":        {glob, "spec.authorities: 0 entries"},
		"unknown field":         {glob + "\nfuture: 1\n" + good, `unknown field "spec.future"`},
		"wrong case":            {glob + "\nMode: enforce\n" + good, `unknown field "spec.Mode"`},
		"wrong type":            {glob + "\nmode: 7\n" + good, "mode"},
		"no kind of authority":  {authority(`{name: a}`), "exactly one of key, keyless, static is needed, 0 are set"},
		"two kinds":             {authority(`{key: {data: ` + key + `}, static: {action: pass}}`), "2 are set"},
		"second unusable":       {authority(`{key: {data: ` + key + `}}, {key: {kms: "awskms://x"}}`), "spec.authorities[1].key: kms is not supported, because it would need a cloud's SDK"},
		"attestations":          {authority(`{key: {data: ` + key + `}, attestations: [{name: a, predicateType: b}]}`), `spec.authorities[0].attestations[0].predicateType: "b" is neither a URI`},
		"source":                {authority(`{key: {data: ` + key + `}, source: [{oci: x}]}`), `source[0].oci: "x" is no repository`},
		"timestamps":            {authority(`{key: {data: ` + key + `}, rfc3161timestamp: {trustRootRef: x}}`), `rfc3161timestamp.trustRootRef: there is no TrustRoot "x"`},
		"log online":            {authority(`{key: {data: ` + key + `}, ctlog: {url: "https://x"}}`), "ctlog: trustRootRef is missing: nothing is known of the key of the log https://x"},
		"log of a trust root":   {authority(`{key: {data: ` + key + `}, ctlog: {trustRootRef: x}}`), `ctlog.trustRootRef: there is no TrustRoot "x"`},
		"format":                {authority(`{key: {data: ` + key + `}, signatureFormat: paper}`), `signatureFormat: "paper"`},
		"hash":                  {authority(`{key: {data: ` + key + `, hashAlgorithm: md5}}`), `hashAlgorithm: "md5" is none of`},
		"key without source":    {authority(`{key: {}}`), "exactly one of data and secretRef"},
		"key with two sources":  {authority(`{key: {data: ` + key + `, secretRef: {name: x}}}`), "exactly one of data and secretRef"},
		"no reader of Secrets":  {authority(`{key: {secretRef: {name: x}}}`), "no Secret can be read here"},
		"key no PEM":            {authority(`{key: {data: AAAA}}`), "after 0 PEM blocks there is text that is none"},
		"first key unreadable":  {authority(`{key: {data: "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n` + key[1:] + `}}`), "after 0 PEM blocks"},
		"text between keys":     {authority(`{key: {data: ` + strings.TrimSuffix(key, `"`) + `junk\n` + key[1:] + `}}`), "after 1 PEM blocks"},
		"second key no PEM":     {authority(`{key: {data: ` + strings.TrimSuffix(key, `"`) + `junk"}}`), "after 1 PEM blocks"},
		"private key":           {authority(`{key: {data: "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"}}`), `"PRIVATE KEY" is not a public key`},
		"weak key":              {authority(`{key: {data: ` + weak + `}}`), "1024 bits is too short"},
		"static maybe":          {authority(`{static: {action: maybe}}`), `"maybe" is neither pass nor fail`},
		"static with log":       {authority(`{static: {action: pass}, ctlog: {}}`), "excludes ctlog"},
		"keyless":               {authority(`{keyless: {url: "https://x", identities: [{issuer: i, subject: s}]}}`), "keyless.url: nothing is known of the certificates of https://x: name the TrustRoot"},
		"keyless and log":       {authority(`{keyless: {url: "https://x"}, ctlog: {url: "https://y"}}`), "identities is missing"},
		"keyless half identity": {authority(`{keyless: {identities: [{issuer: i}]}}`), "identities[0] lacks subject (or subjectRegExp)"},
		"bad glob":              {`images: [{glob: "a b"}]` + "\n" + good, "spec.images[0]"},
		"no images":             {good, "spec.images: 0 entries"},
		"match without version": {glob + "\nmatch: [{resource: jobs}]\n" + good, "spec.match[0]"},
		"bad selector":          {glob + "\nmatch: [{resource: jobs, version: v1, selector: {matchLabels: {\"a b\": c}}}]\n" + good, "selector"},
	} {
		t.Run(name, func(t *testing.T) {
			set := Compile(Inputs{Policies: [][]byte{object(t, c.spec)}})
			compiled := one(t, set)
			if !strings.Contains(compiled.Closed, c.says) || len(compiled.Authorities) > 0 {
				t.Errorf("closed with %q and %d authorities, want %q", compiled.Closed, len(compiled.Authorities), c.says)
			}
			if strings.Contains(compiled.Closed, "\n") {
				t.Errorf("message has several lines: %q", compiled.Closed)
			}
			if p := set.Problems(); len(p) != 1 || p[0].Message != compiled.Closed {
				t.Errorf("problems are %v", p)
			}
		})
	}
}

func TestRuleOverAllAuthorities(t *testing.T) {
	rules := func(_, text string) (Program, error) { return always{text}, nil }
	for want, c := range map[string]struct {
		name, more string
		rules      func(string, string) (Program, error)
	}{
		"spec.policy: rules are not understood here":     {"a", "", nil},
		"includeTypeMeta are not supported":              {"a", ", includeSpec: true", rules},
		`authorities[1].name: "authority-1" is the name`: {"authority-1", "", rules},
		"": {"authority-0", "", rules},
	} {
		text := fmt.Sprintf("images: [{glob: \"**\"}]\nauthorities: [{name: %s, static: {action: pass}}, {static: {action: pass}}]\npolicy: {type: cue, data: x%s}", c.name, c.more)
		got := one(t, Compile(Inputs{Policies: [][]byte{object(t, text)}, Rules: c.rules}))
		if !strings.Contains(got.Closed, want) || (want == "") != (got.Rule == Program(always{"x"})) {
			t.Errorf("closed with %q, want %q; the rule is %v", got.Closed, want, got.Rule)
		}
	}
}

func TestUnreadableObjectsNameEveryImage(t *testing.T) {
	for _, text := range []string{"", "null", "[]", "{", `{"spec":{"images":[{"glob":7}]}}`, `{"metadata":{"name":"p"}}`, `{"spec":null}`} {
		if c := one(t, Compile(Inputs{Policies: [][]byte{[]byte(text)}})); c.Closed == "" || c.Name == "" {
			t.Errorf("%s compiled to %+v", text, c)
		}
	}
	foreign := strings.Replace(string(object(t, `images: [{glob: "**"}]`)), "policy.sigstore.dev/v1beta1", "policy.sigstore.dev/v2", 1)
	if c := one(t, Compile(Inputs{Policies: [][]byte{[]byte(foreign)}})); !strings.Contains(c.Closed, "v2 ClusterImagePolicy is not") {
		t.Errorf("closed with %q", c.Closed)
	}
}

func TestStatic(t *testing.T) {
	c := one(t, Compile(Inputs{Policies: [][]byte{object(t, `
images: [{glob: "**"}]
authorities: [{static: {action: pass}}, {static: {action: fail, message: never}}]`)}}))
	if c.Closed != "" || !c.Authorities[0].Static.Pass || c.Authorities[1].Static.Pass || c.Authorities[1].Static.Message != "never" {
		t.Errorf("compiled to %+v", c)
	}
}

func TestMatchField(t *testing.T) {
	job := Object{Kind: "Job", Group: "batch", Version: "v1", Labels: map[string]string{"team": "a"}}
	for match, want := range map[string]bool{
		``: true,
		`{resource: jobs, group: batch, version: v1}`:                                                                true,
		`{resource: jobs, group: batch, version: "*"}`:                                                               true,
		`{resource: jobs, group: batch, version: v2}`:                                                                false,
		`{resource: jobs, version: v1}`:                                                                              false,
		`{resource: cronjobs, group: batch, version: v1}`:                                                            false,
		`{resource: pods, version: v1}`:                                                                              true,
		`{resource: pods, group: other, version: v1}`:                                                                false,
		`{resource: cronjobs, group: batch, version: v1}, {resource: jobs, group: batch, version: v1}`:               true,
		`{resource: jobs, group: batch, version: v1, selector: {matchLabels: {team: a}}}`:                            true,
		`{resource: jobs, group: batch, version: v1, selector: {matchLabels: {team: b}}}`:                            false,
		`{resource: jobs, group: batch, version: v1, selector: {matchExpressions: [{key: team, operator: Exists}]}}`: true,
		`{resource: pods, version: v1, selector: {matchLabels: {team: b}}}`:                                          true,
	} {
		set := Compile(Inputs{Policies: [][]byte{object(t, fmt.Sprintf("images: [{glob: \"**\"}]\nauthorities: [{static: {action: pass}}]\nmatch: [%s]", match))}})
		if p := set.Problems(); len(p) > 0 {
			t.Errorf("%s: %v", match, p)
		}
		if got := len(set.Match(repository, digest, job)) == 1; got != want {
			t.Errorf("match [%s] concerns the job: %v, want %v", match, got, want)
		}
	}
}

func TestHash(t *testing.T) {
	a := object(t, `images: [{glob: "**"}]`+"\nauthorities: [{static: {action: pass}}]")
	b := object(t, `images: [{glob: "**"}]`+"\nauthorities: [{static: {action: fail}}]")
	if Compile(Inputs{Policies: [][]byte{a, b}}).Hash() != Compile(Inputs{Policies: [][]byte{b, a}}).Hash() {
		t.Error("the hash depends on the order")
	}
	status := []byte(strings.Replace(string(a), `"observedGeneration":1`, `"observedGeneration":2`, 1))
	if Compile(Inputs{Policies: [][]byte{a}}).Hash() != Compile(Inputs{Policies: [][]byte{status}}).Hash() {
		t.Error("the hash depends on the status")
	}
	seen := map[string]bool{}
	for _, objects := range [][][]byte{nil, {a}, {b}, {a, b}, {a, a}} {
		seen[Compile(Inputs{Policies: objects}).Hash()] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d different hashes of 5 sets", len(seen))
	}
}
