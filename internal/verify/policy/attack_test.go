package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// A policy that cannot be used still guards what it names, beside one that
// would let everything pass: leaving it out would be a way around it.
func TestAttack18_UnusablePoliciesAreNotDropped(t *testing.T) {
	lax := object(t, "images: [{glob: \"**\"}]\nauthorities: [{static: {action: pass}}]")
	const images = "images: [{glob: \"registry.example.com/**\"}]\n"
	secret := func() ([]byte, error) { return nil, errors.New("not found") }
	for name, spec := range map[string]string{
		"key Secret that is gone":       images + "authorities: [{key: {secretRef: {name: gone}}}]",
		"ConfigMap that is gone":        images + "authorities: [{key: {data: " + quoted(publicKey(t)) + "}, attestations: [{name: a, predicateType: spdx, policy: {type: cue, configMapRef: {name: gone, key: a}}}]}]",
		"TrustRoot that is gone":        images + "authorities: [{keyless: {trustRootRef: gone, identities: [{issuer: i, subject: s}]}}]",
		"TrustRoot that is broken":      images + "authorities: [{keyless: {trustRootRef: broken, identities: [{issuer: i, subject: s}]}}]",
		"key in a cloud":                images + "authorities: [{key: {kms: \"awskms:///alias/a\"}}]",
		"rule on a server":              images + "authorities: [{key: {data: " + quoted(publicKey(t)) + "}, attestations: [{name: a, predicateType: spdx, policy: {type: cue, remote: {}}}]}]",
		"one bad authority beside good": images + "authorities: [{static: {action: pass}}, {key: {secretRef: {name: gone}}}]",
		"no authority":                  images,
		"field of the future":           images + "authorities: [{static: {action: pass}}]\nfuture: {}",
		"mode warn":                     images + "mode: warn\nauthorities: [{key: {secretRef: {name: gone}}}]",
		"for CronJobs only":             images + "match: [{resource: cronjobs, group: batch, version: v1}]\nauthorities: [{key: {secretRef: {name: gone}}}]",
		"for what nobody knows":         images + "match: [{resource: job, group: batch, version: v1}]\nauthorities: [{static: {action: pass}}]",
		"images that cannot be read":    "images: [{glob: \"other/**\"}, {glob: \"a b\"}]\nauthorities: [{static: {action: pass}}]",
	} {
		for _, compat := range []bool{false, true} {
			in := Inputs{Policies: [][]byte{lax, object(t, spec)}, TrustRoots: trust(t), Compat: compat,
				Secrets:    func(string, string) (map[string][]byte, error) { _, err := secret(); return nil, err },
				ConfigMaps: func(string, string) (map[string]string, error) { return nil, errors.New("not found") },
				Rules:      func(_, text string) (Program, error) { return always{text}, nil }}
			matched := Compile(in).Match(repository, digest, Object{Kind: "Job", Group: "batch", Version: "v1"})
			closed := slices.ContainsFunc(matched, func(c Compiled) bool { return c.Closed != "" && !c.Warn && len(c.Authorities) == 0 })
			if len(matched) != 2 || !closed {
				t.Errorf("%s, compat %t: %+v", name, compat, matched)
			}
		}
	}
}

// The text of names is all that policies see, so that a look-alike is another
// name; internal/image refuses second spellings of the same one.
func TestAttack19_LookAlikesDoNotMatch(t *testing.T) {
	for glob, names := range map[string][]string{
		"registry.example.com/actions/**": {
			"registry.example.com:5000/actions/a", "registry.example.com.evil.test/actions/a", "evil.test/registry.example.com/actions/a", "registryxexample.com/actions/a",
			"registry.example.com/actions-evil/a", "registry.example.com/actionsx/a", "Registry.example.com/actions/a", "registry.example.com./actions/a", "registry.exаmple.com/actions/a", "mirror.example.com/registry.example.com/actions/a",
			"registry.example.com/actions\n/a\nregistry.example.com/actions", "registry.example.com/x\nregistry.example.com/actions/a",
		},
		"index.docker.io/library/busybox@*": {"user/busybox", "docker.io/user/busybox", "registry.example.com/library/busybox", "registry-1.docker.io/library/busybox"},
		"registry.example.com/a@sha256:*":   {"registry.example.com/a/b", "registry.example.com/a@sha256:" + strings.Repeat("0", 64) + "/b"},
	} {
		set := Compile(Inputs{Policies: [][]byte{object(t, "images: [{glob: "+quoted(glob)+"}]\nauthorities: [{static: {action: pass}}]")}})
		for _, name := range names {
			if matched := set.Match(name, digest, Object{}); len(matched) > 0 {
				t.Errorf("%q names %q", glob, name)
			}
		}
	}
}

// No field is a way to have a file read, a server asked or an object of another
// path named: what looks like one closes the policy before anything is read.
func TestAttack27_FieldsReachNoLoaders(t *testing.T) {
	const who = "identities: [{issuer: i, subject: s}]"
	var texts []string
	for _, place := range []string{"k8s://kube-system/key", "file:///etc/kubernetes/pki/ca.crt", "/etc/kubernetes/pki/ca.crt", "../key.pub", "http://169.254.169.254/key", "env://KEY", "awskms:///alias/a", "pkcs11:token=a"} {
		texts = append(texts, "{key: {data: "+quoted(place)+"}}", "{key: {kms: "+quoted(place)+"}}", "{key: {secretRef: {name: "+quoted(place)+"}}}",
			"{keyless: {insecureIgnoreSCT: true, ca-cert: {data: "+quoted(place)+"}, "+who+"}}", "{keyless: {trustRootRef: "+quoted(place)+", "+who+"}}", "{keyless: {url: "+quoted(place)+", "+who+"}}",
			"{static: {action: pass}}, {keyless: {trustRootRef: whole, "+who+"}, source: [{oci: "+quoted(place)+"}]}", "{keyless: {trustRootRef: whole, "+who+"}, source: [{signaturePullSecrets: [{name: "+quoted(place)+"}]}]}",
			"{keyless: {trustRootRef: whole, "+who+"}, ctlog: {url: "+quoted(place)+"}}", "{keyless: {trustRootRef: whole, "+who+"}, rfc3161timestamp: {trustRootRef: "+quoted(place)+"}}",
			"{keyless: {trustRootRef: whole, "+who+"}, attestations: [{name: a, predicateType: spdx, policy: {type: cue, configMapRef: {name: "+quoted(place)+", key: a}}}]}")
	}
	for _, text := range texts {
		in := Inputs{Policies: [][]byte{object(t, "images: [{glob: \"**\"}]\nauthorities: ["+text+"]")}, TrustRoots: trust(t), Public: &Root{Public: true},
			Secrets: func(_, name string) (map[string][]byte, error) { t.Errorf("Secret %q was read", name); return nil, nil },
			ConfigMaps: func(_, name string) (map[string]string, error) {
				t.Errorf("ConfigMap %q was read", name)
				return nil, nil
			},
			Rules: func(_, text string) (Program, error) { return always{text}, nil }}
		if c := one(t, Compile(in)); c.Closed == "" {
			t.Errorf("%s is taken: %+v", text, c.Authorities)
		}
	}
}
