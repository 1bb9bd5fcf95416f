package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"

	kjson "sigs.k8s.io/json"
)

const (
	// maxChain bounds the certificates of one authority: a root and two levels
	// below it are usual.
	maxChain = 8
	// maxRootParts bounds the authorities and logs of one kind: Sigstore's own
	// root has about four of each after years of rotation.
	maxRootParts = 32
)

// roots are all TrustRoots by name. Of one that cannot be used the reason is
// kept, so that who names it is told.
type roots map[string]func() (*Root, error)

func compileRoots(objects [][]byte) (roots, []Problem) {
	all := roots{}
	var problems []Problem
	for _, object := range objects {
		var h header
		name := "(unreadable)"
		root, err := compileRoot(object)
		if e := kjson.UnmarshalCaseSensitivePreserveInts(object, &h); e == nil {
			name = cmp.Or(h.Metadata.Name, "(without name)")
		}
		if err != nil {
			root = nil
			problems = append(problems, Problem{Object: rootKind + "/" + name, Message: oneLine(err)})
			err = fmt.Errorf("TrustRoot %q cannot be used: %s", name, oneLine(err))
		} else {
			root.Name = name
		}
		all[name] = func() (*Root, error) { return root, err }
	}
	return all, problems
}

func compileRoot(object []byte) (*Root, error) {
	var d document[rootSpec]
	strict, err := kjson.UnmarshalStrict(object, &d)
	if bad := base64.CorruptInputError(0); errors.As(err, &bad) {
		return nil, fmt.Errorf("%w: root, mirrorFS, certChain and publicKey are written in base64", err)
	}
	if err := errors.Join(append(strict, err)...); err != nil {
		return nil, err
	}
	if d.Kind != rootKind || d.APIVersion != Group+"/"+v1alpha1 {
		return nil, fmt.Errorf("%s %s is not a %s of %s/%s", d.APIVersion, d.Kind, rootKind, Group, v1alpha1)
	}
	root := &Root{Keys: d.Spec.SigstoreKeys, Repository: d.Spec.Repository, Remote: d.Spec.Remote}
	given := 0
	if root.Keys != nil {
		given, err = given+1, root.Keys.complete()
	}
	if root.Repository != nil {
		given, err = given+1, root.Repository.complete()
	}
	if root.Remote != nil {
		given, err = given+1, root.Remote.complete()
	}
	if given != 1 {
		return nil, fmt.Errorf("spec: exactly one of remote, repository and sigstoreKeys is needed, %d are set", given)
	}
	root.Hash = hash(d.Spec)
	return root, err
}

// hash covers every field of what can be written as JSON.
func hash(spec any) string {
	text, err := json.Marshal(spec)
	if err != nil {
		panic(err) // strings and bytes always can
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// isRootJSON looks at the outside only: signatures are judged where it is used.
func isRootJSON(text []byte) bool {
	var r struct{ Signed, Signatures json.RawMessage }
	return json.Unmarshal(text, &r) == nil && len(r.Signed) > 0 && len(r.Signatures) > 0
}

func (r *RootRemote) complete() error {
	r.Targets, r.Target = cmp.Or(r.Targets, "targets"), cmp.Or(r.Target, "trusted_root.json")
	mirror, err := url.Parse(r.Mirror)
	switch {
	case err != nil || mirror.Host == "" || mirror.Scheme != "https" && mirror.Scheme != "http":
		return fmt.Errorf("spec.remote.mirror: %q is no URL of a server", r.Mirror)
	case mirror.User != nil || mirror.RawQuery != "" || mirror.Fragment != "":
		return errors.New("spec.remote.mirror: a mirror has neither user nor query nor fragment")
	case !isRootJSON(r.Root):
		return errors.New("spec.remote.root: a root.json, with signed and signatures, is needed")
	case r.Targets != "targets":
		return fmt.Errorf("spec.remote.targets: %q is not supported, only targets", r.Targets)
	}
	return nil
}

func (r *RootRepository) complete() error {
	r.Targets, r.Target = cmp.Or(r.Targets, "targets"), cmp.Or(r.Target, "trusted_root.json")
	switch {
	case !isRootJSON(r.Root):
		return errors.New("spec.repository.root: a root.json, with signed and signatures, is needed")
	case !bytes.HasPrefix(r.Mirror, []byte{0x1f, 0x8b}):
		return errors.New("spec.repository.mirrorFS: a gzipped tar file is needed")
	}
	return nil
}

func (k *RootKeys) complete() error {
	parts := []struct {
		field string
		n     int
		part  func(int) error
	}{
		{"certificateAuthorities", len(k.Authorities), func(i int) error { return k.Authorities[i].complete() }},
		{"timestampAuthorities", len(k.Stamps), func(i int) error { return k.Stamps[i].complete() }},
		{"tLogs", len(k.Logs), func(i int) error { return k.Logs[i].complete() }},
		{"ctLogs", len(k.CertificateLogs), func(i int) error { return k.CertificateLogs[i].complete() }},
	}
	for _, p := range parts {
		if p.n > maxRootParts {
			return fmt.Errorf("spec.sigstoreKeys.%s: %d entries, at most %d are read", p.field, p.n, maxRootParts)
		}
		for i := range p.n {
			if err := p.part(i); err != nil {
				return fmt.Errorf("spec.sigstoreKeys.%s[%d].%w", p.field, i, err)
			}
		}
	}
	return nil
}

func (a *RootAuthority) complete() error {
	if err := certificates(a.Chain); err != nil {
		return fmt.Errorf("certChain: %w", err)
	}
	return nil
}

func (l *RootLog) complete() error {
	if l.HashAlgorithm != "sha-256" && l.HashAlgorithm != "sha256" {
		return fmt.Errorf("hashAlgorithm: %q is not supported, only sha-256", l.HashAlgorithm)
	}
	l.HashAlgorithm = "sha-256"
	keys, err := ParseKeys(l.PublicKey)
	if err == nil && len(keys) > 1 {
		err = fmt.Errorf("it holds %d keys; a log has one, make an entry for each", len(keys))
	}
	if err != nil {
		return fmt.Errorf("publicKey: %w", err)
	}
	return nil
}

// certificates checks the form; whether they belong together is judged where
// they are used.
func certificates(text []byte) error {
	n := 0
	return eachBlock(text, func(block *pem.Block) error {
		if n++; n > maxChain {
			return fmt.Errorf("more than %d certificates", maxChain)
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("entry %d: PEM block %q is not a certificate", n, block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("entry %d: %w", n, err)
		}
		return nil
	})
}

// eachBlock wants PEM blocks and nothing around them: what is silently left out
// may be what counts.
func eachBlock(text []byte, do func(*pem.Block) error) error {
	for n, rest := 0, bytes.TrimSpace(text); n == 0 || len(rest) > 0; n++ {
		begin := []byte("-----BEGIN ")
		block, tail := pem.Decode(rest)
		// Decode leaves out what it cannot read and takes the next block.
		if block == nil || !bytes.HasPrefix(rest, begin) || bytes.Count(rest[:len(rest)-len(tail)], begin) > 1 {
			return fmt.Errorf("after %d PEM blocks there is text that is none", n)
		}
		if err := do(block); err != nil {
			return err
		}
		rest = bytes.TrimSpace(tail)
	}
	return nil
}
