package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// given is a root whose parts were given one by one.
type given struct {
	root.BaseTrustedMaterial
	authorities           []root.CertificateAuthority
	stamps                []root.TimestampingAuthority
	logs, certificateLogs map[string]*root.TransparencyLog
}

// FulcioCertificateAuthorities issue certificates.
func (g *given) FulcioCertificateAuthorities() []root.CertificateAuthority { return g.authorities }

// TimestampingAuthorities issue timestamps.
func (g *given) TimestampingAuthorities() []root.TimestampingAuthority { return g.stamps }

// RekorLogs record signatures.
func (g *given) RekorLogs() map[string]*root.TransparencyLog { return g.logs }

// CTLogs record certificates.
func (g *given) CTLogs() map[string]*root.TransparencyLog { return g.certificateLogs }

func fromKeys(keys *policy.RootKeys) (root.TrustedMaterial, error) {
	g := &given{logs: map[string]*root.TransparencyLog{}, certificateLogs: map[string]*root.TransparencyLog{}}
	for _, a := range keys.Authorities {
		chain, err := certificates(a.Chain)
		if err != nil {
			return nil, &Unusable{fmt.Errorf("read certificate authority %s: %w", a.URI, err)}
		}
		g.authorities = append(g.authorities, &root.FulcioCertificateAuthority{Root: chain[len(chain)-1], Intermediates: chain[:len(chain)-1], URI: a.URI})
	}
	for _, a := range keys.Stamps {
		chain, err := certificates(a.Chain)
		if err != nil {
			return nil, &Unusable{fmt.Errorf("read timestamp authority %s: %w", a.URI, err)}
		}
		g.stamps = append(g.stamps, stamping(a.URI, chain))
	}
	for _, l := range keys.Logs {
		if err := addLog(g.logs, l); err != nil {
			return nil, &Unusable{fmt.Errorf("read transparency log %s: %w", l.BaseURL, err)}
		}
	}
	for _, l := range keys.CertificateLogs {
		if err := addLog(g.certificateLogs, l); err != nil {
			return nil, &Unusable{fmt.Errorf("read certificate log %s: %w", l.BaseURL, err)}
		}
	}
	return g, nil
}

// stamping tells whether the chain begins with the certificate that signs
// timestamps or with the one that issued it.
func stamping(uri string, chain []*x509.Certificate) root.TimestampingAuthority {
	authority := &root.SigstoreTimestampingAuthority{URI: uri, Root: chain[len(chain)-1], Intermediates: chain[:len(chain)-1]}
	if len(chain) > 1 && !chain[0].IsCA {
		authority.Leaf, authority.Intermediates = chain[0], chain[1:len(chain)-1]
	}
	return authority
}

func certificates(text []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		chain = append(chain, cert)
	}
	if len(chain) == 0 {
		return nil, errors.New("there is no certificate")
	}
	return chain, nil
}

// addLog files a log under the names that its entries may give it: the hash of
// its key, and for the second version of Rekor that of its origin and key.
func addLog(to map[string]*root.TransparencyLog, from policy.RootLog) error {
	keys, err := policy.ParseKeys(from.PublicKey)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(keys[0].Public)
	if err != nil {
		return err
	}
	id := sha256.Sum256(der)
	// A TrustRoot says no beginning, and a log without one counts for nothing.
	log := &root.TransparencyLog{BaseURL: from.BaseURL, ID: id[:], ValidityPeriodStart: time.Unix(0, 0), HashFunc: crypto.SHA256, PublicKey: keys[0].Public, SignatureHashFunc: hashOf(keys[0].Public)}
	to[hex.EncodeToString(id[:])] = log
	origin, err := url.Parse(from.BaseURL)
	if err != nil || origin.Hostname() == "" {
		return nil // a log of the first version needs no origin
	}
	_, tiled, err := note.KeyHash(origin.Hostname(), keys[0].Public)
	if err != nil {
		return err
	}
	second := *log
	second.ID = tiled
	to[hex.EncodeToString(tiled)] = &second
	return nil
}

// hashOf is the hash that goes with a key, as the standards pair them.
func hashOf(public crypto.PublicKey) crypto.Hash {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return crypto.SHA256
	}
	switch key.Curve.Params().BitSize {
	case 384:
		return crypto.SHA384
	case 521:
		return crypto.SHA512
	default:
		return crypto.SHA256
	}
}
