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
