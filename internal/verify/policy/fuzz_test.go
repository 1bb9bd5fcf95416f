package policy

import (
	"regexp"
	"strings"
	"testing"
)

// sound holds what must be true of every policy, whatever was written.
func sound(t *testing.T, c Compiled, compat bool) {
	t.Helper()
	if c.Name == "" || strings.Contains(c.Closed, "\n") {
		t.Errorf("name %q, closed with %q", c.Name, c.Closed)
	}
	if (c.Closed == "") != (len(c.Authorities) > 0) || c.Closed != "" && c.Warn {
		t.Errorf("closed with %q, warns %t, %d authorities", c.Closed, c.Warn, len(c.Authorities))
	}
	for _, a := range c.Authorities {
		a.sound(t, compat)
	}
}

func (a Authority) sound(t *testing.T, compat bool) {
	t.Helper()
	if len(a.kinds()) != 1 || a.Name == "" {
		t.Errorf("authority %q asks for %v", a.Name, a.kinds())
	}
	if k := a.Keyless; k != nil && (k.Root == nil || len(k.Identities) == 0) {
		t.Errorf("keyless authority %q trusts anybody", a.Name)
	}
	if a.Keyless != nil && !compat && a.Log == nil && a.Stamp == nil {
		t.Errorf("keyless authority %q trusts certificates for ever", a.Name)
	}
}

func (a Authority) kinds() (all []string) {
	for kind, set := range map[string]bool{"keys": len(a.Keys) > 0, "keyless": a.Keyless != nil, "static": a.Static != nil} {
		if set {
			all = append(all, kind)
		}
	}
	return all
}

func FuzzCompile(f *testing.F) {
	roots, key := trust(f), quoted(publicKey(f))
	for _, authority := range []string{
		"{static: {action: pass}}", "{keyless: {}}", "{key: {data: " + key + "}, ctlog: {}}",
		"{keyless: {trustRootRef: whole, identities: [{issuer: i, subjectRegExp: 's|t'}]}, ctlog: {trustRootRef: mirror}, rfc3161timestamp: {trustRootRef: whole}, signatureFormat: bundle}",
		"{keyless: {ca-cert: {data: " + quoted(chain) + "}, insecureIgnoreSCT: true, identities: [{issuerRegExp: i, subject: s}]}, source: [{oci: registry.example.com/a, tagPrefix: b, signaturePullSecrets: [{name: c}]}]}",
		"{key: {secretRef: {name: a}, hashAlgorithm: sha512}, attestations: [{name: a, predicateType: spdx, policy: {type: cue, data: x}}, {name: b, predicateType: 'https://b', policy: {type: rego, configMapRef: {name: c, key: d}}}]}",
	} {
		f.Add(object(f, "images: [{glob: \"registry.example.com/*\"}]\nmode: warn\nmatch: [{resource: jobs, group: batch, version: v1}]\nauthorities: ["+authority+"]"))
	}
	f.Add([]byte(`{"spec":{"images":[null],"authorities":[null],"match":[null]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, compat := range []bool{false, true} {
			in := Inputs{Policies: [][]byte{data}, TrustRoots: roots, Public: &Root{Public: true}, Compat: compat,
				Secrets: func(string, string) (map[string][]byte, error) {
					return map[string][]byte{"a": []byte(publicKeyOf)}, nil
				},
				ConfigMaps: func(string, string) (map[string]string, error) { return map[string]string{"d": "x"}, nil },
				Rules:      func(_, text string) (Program, error) { return always{text}, nil }}
			set := Compile(in)
			if len(set.policies) != 1 {
				t.Fatalf("%d policies of one", len(set.policies))
			}
			sound(t, set.policies[0], compat)
			if again := Compile(in); again.Hash() != set.Hash() || again.policies[0].Closed != set.policies[0].Closed {
				t.Errorf("twice the same: %q and %q", set.policies[0].Closed, again.policies[0].Closed)
			}
		}
	})
}

const publicKeyOf = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+BBGXmNvscUBOvPeQorEa+yfZj0y
/1XhkgITQaUkcAKLq70mYY/AY3OKB+uE8Bki5fCFFKzFqhMuMRwKkWY27A==
-----END PUBLIC KEY-----
`

func FuzzTrustRoot(f *testing.F) {
	for _, r := range trust(f) {
		f.Add(r)
	}
	f.Add([]byte(`{"spec":{"sigstoreKeys":{"tLogs":[null],"certificateAuthorities":[null]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, problems := compileRoots([][]byte{data})
		if len(all) != 1 {
			t.Fatalf("%d roots of one", len(all))
		}
		for name, find := range all {
			root, err := find()
			if name == "" || (root == nil) == (err == nil) || (err == nil) == (len(problems) > 0) || root != nil && len(root.Hash) != len("sha256:")+64 {
				t.Errorf("%q: root %v, error %v, problems %v", name, root, err, problems)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %v", err)
			}
		}
	})
}

// What an expression is compiled to accepts a text if the expression itself can
// take all of it, and nothing else.
func FuzzExpression(f *testing.F) {
	for _, e := range []string{"a|ab", "https://[^/]+[.]example[.]com/.*", "(?m)^a$", "(?i)A", `\Qa.b\E`, "a*?", "(?U)a+", "^$|b"} {
		f.Add(e, "ab")
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		whole, err := (&compiler{}).expression(expression)
		if err != nil || len(text) > 64 {
			return
		}
		longest := regexp.MustCompile(expression)
		longest.Longest()
		at := longest.FindStringIndex(text)
		want := at != nil && at[0] == 0 && at[1] == len(text)
		if got := regexp.MustCompile(whole).MatchString(text); got != want {
			t.Errorf("%q accepts %q: %t, want %t", expression, text, got, want)
		}
	})
}
