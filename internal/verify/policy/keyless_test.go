package policy

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// chain is one certificate that signed itself.
const chain = `-----BEGIN CERTIFICATE-----
MIIBdDCCARugAwIBAgIUeIFmoBO7RNVnIyrxKmMMhLOiSUIwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjQwMDU3MDhaGA8yMTI2MTAzMTAwNTcw
OFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPgQ
Rl5jb7HFATrz3kKKxGvsn2Y9Mv9V4ZICE0GlJHACi6u9JmGPwGNzigfrhPAZIuXw
hRSsxaoTLjEcCpFmNuyjUzBRMB0GA1UdDgQWBBRtr9ve2z2iIVMsuAwkuuE6LFqo
ITAfBgNVHSMEGDAWgBRtr9ve2z2iIVMsuAwkuuE6LFqoITAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0cAMEQCIGyCmcteyVCP9oJAF0bAgCh4CkT15Hb6IyaS
bfAVZzG0AiAtSItCcfchwJmVyddyxr3WfBP1BSF/oBwBcRYBCuchJQ==
-----END CERTIFICATE-----
`

// rootJSON and mirror look from the outside like what they should be.
const (
	rootJSON = `{"signed": {}, "signatures": []}`
	mirror   = "\x1f\x8b\x08"
)

func root(t testing.TB, name, spec string) []byte {
	t.Helper()
	object := strings.Replace(string(object(t, spec)), "v1beta1", "v1alpha1", 1)
	object = strings.Replace(object, "ClusterImagePolicy", "TrustRoot", 1)
	var m map[string]any
	if err := json.Unmarshal([]byte(object), &m); err != nil {
		t.Fatal(err)
	}
	m["metadata"] = map[string]any{"name": name}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// trust is three roots: whole has everything, ca certificates only, broken is
// unusable.
func trust(t testing.TB) [][]byte {
	log := fmt.Sprintf(`{baseURL: "https://log.example.com", hashAlgorithm: sha-256, publicKey: %s}`, b64(publicKey(t)))
	authority := fmt.Sprintf(`{subject: {organization: o, commonName: c}, uri: "https://ca.example.com", certChain: %s}`, b64(chain+chain))
	return [][]byte{
		root(t, "whole", fmt.Sprintf(`sigstoreKeys: {certificateAuthorities: [%[1]s], timestampAuthorities: [%[1]s], tLogs: [%[2]s], ctLogs: [%[2]s]}`, authority, log)),
		root(t, "ca", fmt.Sprintf(`sigstoreKeys: {certificateAuthorities: [%s]}`, authority)),
		root(t, "broken", "sigstoreKeys: {certificateAuthorities: [{certChain: AAAA}]}"),
		root(t, "mirror", `remote: {mirror: "https://tuf.example.com", root: `+b64(rootJSON)+`}`),
		root(t, "copy", "repository: {root: "+b64(rootJSON)+", mirrorFS: "+b64(mirror)+"}"),
	}
}

// trusting describes what an authority came to.
func trusting(a Authority) string {
	name := func(r *Root) string {
		if r == nil {
			return "-"
		}
		return r.Name
	}
	if a.Static != nil && !a.Static.Pass && a.Static.Message != "" {
		return "never passes"
	}
	text := fmt.Sprintf("format %q log %s stamp %s", a.Format, name(a.Log), name(a.Stamp))
	if a.Keyless != nil {
		text += fmt.Sprintf(" root %s sct %t", name(a.Keyless.Root), !a.Keyless.IgnoreSCT)
	}
	return text
}

func TestWhatAnAuthorityTrusts(t *testing.T) {
	const closed, never = "closed", "never passes"
	who, att := `identities: [{issuer: i, subject: s}]`, `attestations: [{name: a, predicateType: link}]`
	key := `key: {data: ` + quoted(publicKey(t)) + `}`
	roots := trust(t)
	for text, want := range map[string][2]string{
		`{` + key + `}`:            {`format "" log - stamp -`, `format "legacy" log - stamp -`},
		`{` + key + `, ctlog: {}}`: {`format "" log public stamp -`, `format "legacy" log - stamp -`},
		`{` + key + `, ctlog: {url: "https://rekor.example.com"}, signatureFormat: legacy}`:                                                                          {closed, `format "legacy" log public stamp -`},
		`{` + key + `, signatureFormat: bundle}`:                                                                                                                     {`format "bundle" log - stamp -`, never},
		`{` + key + `, rfc3161timestamp: {}}`:                                                                                                                        {closed, `format "legacy" log - stamp -`},
		`{` + key + `, ctlog: {trustRootRef: whole}, rfc3161timestamp: {trustRootRef: whole}}`:                                                                       {`format "" log whole stamp whole`, `format "legacy" log - stamp whole`},
		`{keyless: {url: "https://ca.example.com", ` + who + `}}`:                                                                                                    {closed, `format "legacy" log public stamp - root public sct true`},
		`{keyless: {insecureIgnoreSCT: true, ca-cert: {data: ` + quoted(chain) + `}, ` + who + `}}`:                                                                  {`format "" log public stamp - root  sct false`, never},
		`{keyless: {trustRootRef: whole, ` + who + `}, signatureFormat: bundle}`:                                                                                     {`format "bundle" log whole stamp - root whole sct true`, never},
		`{keyless: {trustRootRef: whole, ` + who + `}, signatureFormat: bundle, ` + att + `}`:                                                                        {`format "bundle" log whole stamp - root whole sct true`, `format "bundle" log whole stamp - root whole sct true`},
		`{keyless: {trustRootRef: whole, ` + who + `}, signatureFormat: bundle, rfc3161timestamp: {trustRootRef: whole}, ctlog: {trustRootRef: whole}, ` + att + `}`: {`format "bundle" log whole stamp whole root whole sct true`, `format "bundle" log - stamp whole root whole sct true`},
		`{keyless: {trustRootRef: whole, ` + who + `}, signatureFormat: bundle, ctlog: {}, ` + att + `}`:                                                             {`format "bundle" log whole stamp - root whole sct true`, never},
		`{keyless: {trustRootRef: whole, identities: [{issuer: i, subject: s}, {issuer: i, subject: t}]}, signatureFormat: bundle, ` + att + `}`:                     {`format "bundle" log whole stamp - root whole sct true`, never},
		`{` + key + `, ctlog: {trustRootRef: whole}}`:                                                                                                                {`format "" log whole stamp -`, `format "legacy" log whole stamp -`},
		`{` + key + `, rfc3161timestamp: {trustRootRef: whole}}`:                                                                                                     {`format "" log - stamp whole`, `format "legacy" log - stamp whole`},
		`{keyless: {` + who + `}}`: {`format "" log public stamp - root public sct true`, `format "legacy" log public stamp - root public sct true`},
		`{keyless: {url: "https://fulcio.sigstore.dev", ` + who + `}, ctlog: {url: "https://rekor.sigstore.dev"}}`:             {`format "" log public stamp - root public sct true`, `format "legacy" log public stamp - root public sct true`},
		`{keyless: {trustRootRef: whole, ` + who + `}}`:                                                                        {`format "" log whole stamp - root whole sct true`, `format "legacy" log - stamp - root whole sct true`},
		`{keyless: {trustRootRef: whole, ` + who + `}, ctlog: {}}`:                                                             {`format "" log whole stamp - root whole sct true`, `format "legacy" log - stamp - root whole sct true`},
		`{keyless: {trustRootRef: mirror, ` + who + `}}`:                                                                       {`format "" log mirror stamp - root mirror sct true`, `format "legacy" log - stamp - root mirror sct true`},
		`{keyless: {trustRootRef: copy, ` + who + `}, ctlog: {trustRootRef: mirror}}`:                                          {`format "" log mirror stamp - root copy sct true`, `format "legacy" log mirror stamp - root copy sct true`},
		`{keyless: {trustRootRef: ca, insecureIgnoreSCT: true, ` + who + `}, rfc3161timestamp: {trustRootRef: whole}}`:         {`format "" log - stamp whole root ca sct false`, `format "legacy" log - stamp whole root ca sct false`},
		`{keyless: {trustRootRef: whole, ` + who + `}, rfc3161timestamp: {trustRootRef: whole}, ctlog: {trustRootRef: whole}}`: {`format "" log whole stamp whole root whole sct true`, `format "legacy" log - stamp whole root whole sct true`},
	} {
		for i, compat := range []bool{false, true} {
			in := Inputs{Policies: [][]byte{object(t, "images: [{glob: \"**\"}]\nauthorities: ["+text+"]")}, TrustRoots: roots, Public: &Root{Name: "public", Public: true}, Compat: compat}
			c := one(t, Compile(in))
			got := closed
			if c.Closed == "" {
				got = trusting(c.Authorities[0])
			}
			if got != want[i] {
				t.Errorf("%s, compat %t: %s, want %s; %s", text, compat, got, want[i], c.Closed)
			}
		}
	}
}

func TestKeylessClosed(t *testing.T) {
	who := `identities: [{issuer: i, subject: s}]`
	many := strings.Repeat(`{issuer: i, subject: s},`, maxIdentities+1)
	roots := trust(t)
	for want, text := range map[string]string{
		"keyless.identities is missing: each entry has an issuer": `{keyless: {}}`,
		"lacks issuer (or issuerRegExp)":                          `{keyless: {identities: [{subject: s}]}}`,
		"identities[0]: subject and subjectRegExp are both set":   `{keyless: {identities: [{issuer: i, subject: s, subjectRegExp: s}]}}`,
		"65 entries, at most 64":                                  `{keyless: {identities: [` + many + `]}}`,
		"the controller was given none":                           `{keyless: {` + who + `}}`,
		"ca-cert excludes url and trustRootRef":                   `{keyless: {ca-cert: {data: x}, trustRootRef: whole, ` + who + `}}`,
		"ca-cert: after 0 PEM blocks there is text that is none":  `{keyless: {ca-cert: {data: x}, ` + who + `}}`,
		"names no certificate log":                                `{keyless: {ca-cert: {data: ` + quoted(chain) + `}, ` + who + `}}`,
		"TrustRoot with spec.sigstoreKeys.ctLogs, or set":         `{keyless: {trustRootRef: ca, ` + who + `}}`,
		`its root of trust names no transparency log`:             `{keyless: {trustRootRef: ca, insecureIgnoreSCT: true, ` + who + `}}`,
		`its root of trust names no timestamp authority`:          `{keyless: {trustRootRef: whole, ` + who + `}, rfc3161timestamp: {trustRootRef: ca}}`,
		`there is no TrustRoot "gone"`:                            `{keyless: {trustRootRef: gone, ` + who + `}}`,
		`TrustRoot "broken" cannot be used: spec.sigstoreKeys.certificateAuthorities[0].certChain: after 0 PEM blocks`: `{keyless: {trustRootRef: broken, ` + who + `}}`,
		"source[0].oci: \"http://registry.example.com/x\" is no repository":                                            `{static: {action: pass}}, {keyless: {trustRootRef: whole, ` + who + `}, source: [{oci: "http://registry.example.com/x"}]}`,
		`oci: "signatures"`:                               `{keyless: {trustRootRef: whole, ` + who + `}, source: [{oci: signatures}]}`,
		`oci: "registry.example.com/../x"`:                `{keyless: {trustRootRef: whole, ` + who + `}, source: [{oci: registry.example.com/../x}]}`,
		`oci: "registry.example.com/a:tag"`:               `{keyless: {trustRootRef: whole, ` + who + `}, source: [{oci: "registry.example.com/a:tag"}]}`,
		`tagPrefix: "../../"`:                             `{keyless: {trustRootRef: whole, ` + who + `}, source: [{tagPrefix: ../../}]}`,
		`signaturePullSecrets[1].name: "../a" is no name`: `{keyless: {trustRootRef: whole, ` + who + `}, source: [{signaturePullSecrets: [{name: a}, {name: ../a}]}]}`,
		"signaturePullSecrets: 9 entries, at most 8":      `{keyless: {trustRootRef: whole, ` + who + `}, source: [{signaturePullSecrets: [` + strings.Repeat("{name: a},", 9) + `]}]}`,
		"source: 2 entries, one is read":                  `{keyless: {trustRootRef: whole, ` + who + `}, source: [{}, {}]}`,
	} {
		c := one(t, Compile(Inputs{Policies: [][]byte{object(t, "images: [{glob: \"**\"}]\nauthorities: ["+text+"]")}, TrustRoots: roots}))
		if !strings.Contains(c.Closed, want) {
			t.Errorf("%s is closed with %q, want %q", text, c.Closed, want)
		}
	}
}

func TestTrustRootsThatCannotBeUsed(t *testing.T) {
	for want, spec := range map[string]string{
		"0 are set":                                     "{}",
		"2 are set":                                     `{remote: {mirror: "https://a.example.com", root: e30=}, repository: {root: e30=, mirrorFS: AAAA}}`,
		"unknown field":                                 "{sigstoreKeys: {tlogs: []}}",
		"is no URL of a server":                         `{remote: {mirror: "file:///etc", root: e30=}}`,
		"neither user nor query":                        `{remote: {mirror: "https://a:b@c.example.com", root: e30=}}`,
		"root.json, with signed and":                    `{remote: {mirror: "https://a.example.com"}}`,
		"mirrorFS: a gzipped tar":                       "{repository: {mirrorFS: AAAA, root: " + b64(rootJSON) + "}}",
		"repository.root: a root.json":                  "{repository: {root: e30=}}",
		"tLogs: 33 entries":                             "{sigstoreKeys: {tLogs: [" + strings.Repeat("{},", 33) + "]}}",
		`hashAlgorithm: "" is not`:                      "{sigstoreKeys: {tLogs: [{}]}}",
		"tLogs[0].publicKey":                            "{sigstoreKeys: {tLogs: [{hashAlgorithm: sha-256}]}}",
		"more than 8 certificates":                      "{sigstoreKeys: {certificateAuthorities: [{certChain: " + b64(strings.Repeat(chain, 9)) + "}]}}",
		"certChain and publicKey are written in base64": "{sigstoreKeys: {certificateAuthorities: [{certChain: '%'}]}}",
		"timestampAuthorities[0].cer":                   "{sigstoreKeys: {timestampAuthorities: [{}]}}",
	} {
		all, problems := compileRoots([][]byte{root(t, "r", spec)})
		_, err := all["r"]()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || len(problems) != 1 || problems[0].Object != "TrustRoot/r" {
			t.Errorf("%s: error %v, problems %v, want %q", spec, err, problems, want)
		}
	}
}

// Policy Controller looks for an expression anywhere in an identity.
func TestAttack14_ExpressionsMatchWholeIdentities(t *testing.T) {
	text := "images: [{glob: \"**\"}]\nauthorities: [{keyless: {trustRootRef: whole, identities: [{issuerRegExp: 'https://a[.]example|b', subjectRegExp: '.*'}]}}]"
	in := Inputs{Policies: [][]byte{object(t, text)}, TrustRoots: trust(t)}
	got := one(t, Compile(in)).Authorities[0].Keyless.Identities
	want := []Identity{{IssuerRegExp: `\A(?:https://a[.]example|b)\z`, SubjectRegExp: `\A(?:.*)\z`}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	in.Compat = true
	if got := one(t, Compile(in)).Authorities[0].Keyless.Identities[0].IssuerRegExp; got != "https://a[.]example|b" {
		t.Errorf("compat: %s", got)
	}
}

func TestAttack26_ExpressionsAreBounded(t *testing.T) {
	for want, expression := range map[string]string{
		"1025 characters, at most 1024": strings.Repeat("a", maxExpression+1), "missing closing": "(", "unexpected )": "a)|(b", "subjectRegExp: error parsing regexp: missing closing ): ": `\Qa`, "invalid repeat count": "a{2000}", "invalid or unsupported Perl syntax": "(?=a)",
	} {
		text := "images: [{glob: \"**\"}]\nauthorities: [{keyless: {trustRootRef: whole, identities: [{issuer: i, subjectRegExp: " + quoted(expression) + "}]}}]"
		if c := one(t, Compile(Inputs{Policies: [][]byte{object(t, text)}, TrustRoots: trust(t)})); !strings.Contains(c.Closed, "subjectRegExp: ") || !strings.Contains(c.Closed, want) {
			t.Errorf("closed with %q, want %q", c.Closed, want)
		}
	}
}

type always struct{ text string }

func (always) Evaluate(context.Context, []byte) ([]string, error) { return nil, nil }

func TestAttestations(t *testing.T) {
	rules := func(language, text string) (Program, error) {
		if language != "cue" {
			return nil, errors.New("language unknown")
		}
		return always{text}, nil
	}
	maps := func(namespace, name string) (map[string]string, error) {
		if name != "rules" {
			return nil, errors.New("not found")
		}
		return map[string]string{"a": "level: 3"}, nil
	}
	key := quoted(publicKey(t))
	compile := func(attestations string) Compiled {
		text := "images: [{glob: \"**\"}]\nauthorities: [{key: {data: " + key + "}, attestations: [" + attestations + "]}]"
		return one(t, Compile(Inputs{Policies: [][]byte{object(t, text)}, Rules: rules, ConfigMaps: maps}))
	}
	c := compile(`{name: a, predicateType: slsaprovenance1, policy: {type: cue, configMapRef: {name: rules, key: a}}}, {name: b, predicateType: "https://example.com/x"}`)
	want := []Attestation{{Name: "a", PredicateType: "https://slsa.dev/provenance/v1", Written: "slsaprovenance1", Rule: always{"level: 3"}}, {Name: "b", PredicateType: "https://example.com/x", Written: "https://example.com/x"}}
	if c.Closed != "" {
		t.Fatal(c.Closed)
	}
	if diff := cmp.Diff(want, c.Authorities[0].Attestations, cmp.AllowUnexported(always{})); diff != "" {
		t.Error(diff)
	}
	for want, text := range map[string]string{
		"is not a name of its own":             `{name: a, predicateType: spdx}, {name: a, predicateType: link}`,
		"language unknown":                     `{name: a, predicateType: spdx, policy: {type: rego, data: x}}`,
		"exactly one of data and configMapRef": `{name: a, predicateType: spdx, policy: {type: cue}}`,
		`read ConfigMap "gone": not found`:     `{name: a, predicateType: spdx, policy: {type: cue, configMapRef: {name: gone, key: a}}}`,
		`has no entry "b"`:                     `{name: a, predicateType: spdx, policy: {type: cue, configMapRef: {name: rules, key: b}}}`,
		"includeSpec":                          `{name: a, predicateType: spdx, policy: {type: cue, data: x, includeSpec: true}}`,
		"17 entries":                           strings.TrimSuffix(strings.Repeat("{name: a, predicateType: spdx},", 17), ","),
	} {
		if c := compile(text); !strings.Contains(c.Closed, want) {
			t.Errorf("%s: closed with %q, want %q", text, c.Closed, want)
		}
	}
}

// A rule on a server is whatever the server says, and asking for it reaches out.
func TestAttack17_RulesOnServersAreRefused(t *testing.T) {
	text := "images: [{glob: \"**\"}]\nauthorities: [{key: {data: " + quoted(publicKey(t)) + "}, attestations: [{name: a, predicateType: spdx, policy: {type: cue, remote: {url: 'http://169.254.169.254/'}}}]}]"
	if c := one(t, Compile(Inputs{Policies: [][]byte{object(t, text)}})); !strings.Contains(c.Closed, "remote is not supported") {
		t.Errorf("closed with %q", c.Closed)
	}
}

// What an answer depends on has to change the hash of the set.
func TestAttack23_RootsAndRulesBelongToTheHash(t *testing.T) {
	text := "images: [{glob: \"**\"}]\nauthorities: [{keyless: {trustRootRef: whole, identities: [{issuer: i, subject: s}]}, attestations: [{name: a, predicateType: spdx, policy: {type: cue, configMapRef: {name: rules, key: a}}}]}]"
	rule := "level: 3"
	in := Inputs{Policies: [][]byte{object(t, text)}, TrustRoots: trust(t),
		Rules:      func(_, text string) (Program, error) { return always{text}, nil },
		ConfigMaps: func(string, string) (map[string]string, error) { return map[string]string{"a": rule}, nil }}
	seen := map[string]string{}
	note := func(what string) {
		set := Compile(in)
		if before, dup := seen[set.Hash()]; dup {
			t.Errorf("%s: same hash as %s", what, before)
		}
		seen[set.Hash()] = what
	}
	note("at first")
	in.TrustRoots = trust(t)
	note("other keys in the root")
	rule = "level: 4"
	note("another rule")
	in.Compat = true
	note("compat")
	in.TrustRoots = nil
	note("no root")
}

func TestWarnAndModes(t *testing.T) {
	for mode, want := range map[string]bool{"": false, "mode: enforce": false, "mode: warn": true} {
		if c := one(t, Compile(Inputs{Policies: [][]byte{object(t, "images: [{glob: \"**\"}]\nauthorities: [{static: {action: pass}}]\n"+mode)}})); c.Warn != want || c.Closed != "" {
			t.Errorf("%s: %+v", mode, c)
		}
	}
	// Nothing is known of what it would only have warned of.
	if c := one(t, Compile(Inputs{Policies: [][]byte{object(t, "images: [{glob: \"**\"}]\nauthorities: [{keyless: {}}]\nmode: warn\nmatch: [{resource: cronjobs, version: v1}]")}})); c.Warn || c.Closed == "" {
		t.Errorf("closed: %+v", c)
	}
}

func TestSource(t *testing.T) {
	text := "images: [{glob: \"**\"}]\nauthorities: [{key: {data: " + quoted(publicKey(t)) + "}, source: [{oci: \"localhost:5000/a/b_c\", tagPrefix: v1., signaturePullSecrets: [{name: b}, {name: a}]}]}]"
	c := one(t, Compile(Inputs{Policies: [][]byte{object(t, text)}}))
	if c.Closed != "" {
		t.Fatal(c.Closed)
	}
	want := Source{Repository: "localhost:5000/a/b_c", TagPrefix: "v1.", PullSecrets: []string{"b", "a"}}
	if diff := cmp.Diff(want, c.Authorities[0].Source); diff != "" {
		t.Error(diff)
	}
}

func TestMemo(t *testing.T) {
	text := "images: [{glob: \"**\"}]\nauthorities: [{key: {secretRef: {name: signer}}, attestations: [{name: a, predicateType: spdx, policy: {type: cue, configMapRef: {name: rules, key: a}}}]}]"
	key, rule, compiled, readings := publicKey(t), "level: 3", 0, 0
	var unread error
	in := Inputs{Policies: [][]byte{object(t, text)}, TrustRoots: trust(t),
		Rules: func(_, text string) (Program, error) { compiled++; return always{text}, nil },
		Secrets: func(string, string) (map[string][]byte, error) {
			readings++
			return map[string][]byte{"key": []byte(key)}, unread
		},
		ConfigMaps: func(string, string) (map[string]string, error) { return map[string]string{"a": rule}, nil }}
	memo := &Memo{}
	hashes := map[string]bool{}
	for _, c := range []struct {
		what   string
		change func()
		again  bool
	}{
		{"at first", func() {}, true},
		{"nothing", func() {}, false},
		{"key", func() { key = publicKey(t) }, true},
		{"Secret gone", func() { unread = errors.New("not found") }, false},
		{"Secret back", func() { unread = nil }, true},
		{"rule", func() { rule = "level: 4" }, true},
		{"root", func() { in.TrustRoots = trust(t) }, true},
		{"public root", func() { in.Public = &Root{Public: true} }, true},
		{"public root, equal", func() { in.Public = &Root{Public: true} }, false},
		{"public root, new", func() { in.Public = TrustedRoot([]byte("{}")) }, true},
		{"mode", func() { in.Compat = true }, true},
		{"policy", func() { in.Policies = append(in.Policies, object(t, "images: [{glob: a}]")) }, true},
		{"nothing more", func() {}, false},
	} {
		c.change()
		compiled, readings = 0, 0
		set := memo.Compile(in)
		if compiled > 0 != c.again || readings == 0 {
			t.Errorf("%s: compiled %d times, read %d times", c.what, compiled, readings)
		}
		if want := Compile(in).Hash(); set.Hash() != want {
			t.Errorf("%s: hash %s, afresh %s", c.what, set.Hash(), want)
		}
		hashes[set.Hash()] = true
	}
	if len(hashes) != 6 {
		t.Errorf("%d different hashes", len(hashes))
	}
	if set := (*Memo)(nil).Compile(in); len(set.Problems()) != 2 { // and a broken root
		t.Errorf("without a memory: %v", set.Problems())
	}
}
