package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
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

// roots are all TrustRoots by name; those that cannot be used are kept with
// the reason, so that who names one of them is told.
type roots map[string]rootOrReason

type rootOrReason struct {
	root *Root
	err  error
}

func compileRoots(objects [][]byte) roots {
	all := roots{}
	for _, object := range objects {
		var h header
		if err := kjson.UnmarshalCaseSensitivePreserveInts(object, &h); err != nil || h.Metadata.Name == "" {
			continue // nobody can name it
		}
		root, err := compileRoot(object)
		if err != nil {
			err = fmt.Errorf("TrustRoot %q cannot be used: %s", h.Metadata.Name, oneLine(err))
		} else {
			root.Name = h.Metadata.Name
		}
		all[h.Metadata.Name] = rootOrReason{root, err}
	}
	return all
}

func (r roots) find(name string) (*Root, error) {
	found, ok := r[name]
	if !ok {
		return nil, fmt.Errorf("there is no TrustRoot %q", name)
	}
	return found.root, found.err
}

func compileRoot(object []byte) (*Root, error) {
	var d trustRoot
	strict, err := kjson.UnmarshalStrict(object, &d)
	if err := errors.Join(append(strict, err)...); err != nil {
		return nil, err
	}
	if d.Kind != rootKind || d.APIVersion != Group+"/"+v1alpha1 {
		return nil, fmt.Errorf("%s %s is not a %s of %s/%s", d.APIVersion, d.Kind, rootKind, Group, v1alpha1)
	}
	root, given := &Root{}, 0
	if d.Spec.Remote != nil {
		given++
		root.Remote, err = d.Spec.Remote.compile()
	}
	if d.Spec.Repository != nil {
		given++
		root.Repository, err = d.Spec.Repository.compile()
	}
	if d.Spec.SigstoreKeys != nil {
		given++
		root.Keys, err = d.Spec.SigstoreKeys.compile()
	}
	if given != 1 {
		return nil, fmt.Errorf("spec: exactly one of remote, repository and sigstoreKeys is needed, %d are set", given)
	}
	if err != nil {
		return nil, err
	}
	root.Hash = hash(d.Spec)
	return root, nil
}

// hash covers every field of what can be written as JSON.
func hash(spec any) string {
	text, err := json.Marshal(spec)
	if err != nil {
		panic(err) // strings and bytes always can
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (r *rootRemote) compile() (*RootRemote, error) {
	mirror, err := url.Parse(r.Mirror)
	switch {
	case err != nil || mirror.Host == "" || mirror.Scheme != "https" && mirror.Scheme != "http":
		return nil, fmt.Errorf("spec.remote.mirror: %q is no URL of a server", r.Mirror)
	case mirror.User != nil || mirror.RawQuery != "":
		return nil, errors.New("spec.remote.mirror: a mirror has neither user nor query")
	case len(r.Root) == 0:
		return nil, errors.New("spec.remote.root: the first root.json is needed")
	case cmp.Or(r.Targets, "targets") != "targets":
		return nil, fmt.Errorf("spec.remote.targets: %q is not supported, only targets", r.Targets)
	}
	return &RootRemote{Root: r.Root, Mirror: r.Mirror, Target: cmp.Or(r.TrustedRootTarget, "trusted_root.json")}, nil
}

func (r *rootRepository) compile() (*RootRepository, error) {
	if len(r.Root) == 0 || len(r.MirrorFS) == 0 {
		return nil, errors.New("spec.repository: root and mirrorFS are needed")
	}
	return &RootRepository{Root: r.Root, Mirror: r.MirrorFS, Targets: cmp.Or(r.Targets, "targets"), Target: cmp.Or(r.TrustedRootTarget, "trusted_root.json")}, nil
}

func (k *rootKeys) compile() (*RootKeys, error) {
	at := "spec.sigstoreKeys."
	out := &RootKeys{}
	var err error
	for _, list := range []struct {
		field string
		from  []rootAuthority
		to    *[]RootAuthority
	}{{"certificateAuthorities", k.CertificateAuthorities, &out.Authorities}, {"timestampAuthorities", k.TimestampAuthorities, &out.Stamps}} {
		if *list.to, err = compileAuthorities(list.from); err != nil {
			return nil, fmt.Errorf("%s%s%w", at, list.field, err)
		}
	}
	for _, list := range []struct {
		field string
		from  []rootLog
		to    *[]RootLog
	}{{"tLogs", k.TLogs, &out.Logs}, {"ctLogs", k.CTLogs, &out.CertificateLogs}} {
		if *list.to, err = compileLogs(list.from); err != nil {
			return nil, fmt.Errorf("%s%s%w", at, list.field, err)
		}
	}
	return out, nil
}

func compileAuthorities(from []rootAuthority) ([]RootAuthority, error) {
	if len(from) > maxRootParts {
		return nil, fmt.Errorf(": %d entries, at most %d are read", len(from), maxRootParts)
	}
	var all []RootAuthority
	for i, a := range from {
		if err := certificates(a.CertChain); err != nil {
			return nil, fmt.Errorf("[%d].certChain: %w", i, err)
		}
		all = append(all, RootAuthority{URI: a.URI, Chain: a.CertChain})
	}
	return all, nil
}

// certificates checks the form only; what is in them is judged with the first
// signature.
func certificates(text []byte) error {
	for n := 1; ; n++ {
		block, rest := pem.Decode(text)
		if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(text)) > 0 && !bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN")) {
			return fmt.Errorf("entry %d is no certificate in PEM form", n)
		}
		if n > maxChain {
			return fmt.Errorf("more than %d certificates", maxChain)
		}
		if text = rest; len(bytes.TrimSpace(text)) == 0 {
			return nil
		}
	}
}

func compileLogs(from []rootLog) ([]RootLog, error) {
	if len(from) > maxRootParts {
		return nil, fmt.Errorf(": %d entries, at most %d are read", len(from), maxRootParts)
	}
	var all []RootLog
	for i, l := range from {
		if l.HashAlgorithm != "sha-256" && l.HashAlgorithm != "sha256" {
			return nil, fmt.Errorf("[%d].hashAlgorithm: %q is not supported, only sha-256", i, l.HashAlgorithm)
		}
		keys, err := ParseKeys(l.PublicKey)
		if err != nil || len(keys) != 1 {
			return nil, fmt.Errorf("[%d].publicKey: one public key in PEM form is needed: %w", i, err)
		}
		all = append(all, RootLog{BaseURL: l.BaseURL, PublicKey: l.PublicKey})
	}
	return all, nil
}
