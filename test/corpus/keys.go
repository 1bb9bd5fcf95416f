package corpus

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// key signs; it is a sign.Keypair of sigstore-go.
type key struct {
	signer  signature.SignerVerifier
	private crypto.PrivateKey
	hash    crypto.Hash
	pem     string
}

func newKey(hash crypto.Hash) (*key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return loadKey(private, hash)
}

func loadKey(private crypto.PrivateKey, hash crypto.Hash) (*key, error) {
	signer, err := signature.LoadSignerVerifier(private, hash)
	if err != nil {
		return nil, fmt.Errorf("load key: %w", err)
	}
	public, err := signer.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	text, err := cryptoutils.MarshalPublicKeyToPEM(public)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return &key{signer: signer, private: private, hash: hash, pem: string(text)}, nil
}

func (k *key) sign(data []byte) ([]byte, error) { return k.signer.SignMessage(bytes.NewReader(data)) }

// SignData signs data.
func (k *key) SignData(_ context.Context, data []byte) ([]byte, []byte, error) {
	signed, err := k.sign(data)
	h := k.hash.New()
	h.Write(data)
	return signed, h.Sum(nil), err
}

// GetHashAlgorithm is SHA-256: no other is used for bundles here.
func (k *key) GetHashAlgorithm() protocommon.HashAlgorithm {
	return protocommon.HashAlgorithm_SHA2_256
}

// GetSigningAlgorithm is not written into a bundle that was made with a key.
func (k *key) GetSigningAlgorithm() protocommon.PublicKeyDetails {
	return protocommon.PublicKeyDetails_PUBLIC_KEY_DETAILS_UNSPECIFIED
}

// GetHint is free text.
func (k *key) GetHint() []byte { return []byte("corpus") }

// GetKeyAlgorithm is asked for certificates only.
func (k *key) GetKeyAlgorithm() string { return "ECDSA" }

// GetPublicKey returns the public half.
func (k *key) GetPublicKey() crypto.PublicKey { return k.private.(crypto.Signer).Public() }

// GetPublicKeyPem returns the public half in PEM form.
func (k *key) GetPublicKeyPem() (string, error) { return k.pem, nil }

// trustRoot writes the virtual authorities as Policy Controller's TrustRoot.
func (m *maker) trustRoot() map[string]any {
	fulcio := m.virtual.FulcioCertificateAuthorities()[0].(*root.FulcioCertificateAuthority)
	stamps := m.virtual.TimestampingAuthorities()[0].(*root.SigstoreTimestampingAuthority)
	issuing, _ := cryptoutils.MarshalCertificatesToPEM(append(fulcio.Intermediates, fulcio.Root))
	stamping, _ := cryptoutils.MarshalCertificatesToPEM(append(append([]*certificate{stamps.Leaf}, stamps.Intermediates...), stamps.Root))
	authority := func(name string, chain []byte) any {
		return map[string]any{
			"subject": map[string]any{"organization": "corpus", "commonName": name}, "uri": "https://" + name + ".example.com",
			"certChain": base64.StdEncoding.EncodeToString(chain),
		}
	}
	return map[string]any{
		"apiVersion": "policy.sigstore.dev/v1alpha1", "kind": "TrustRoot", "metadata": map[string]any{"name": RootName},
		"spec": map[string]any{"sigstoreKeys": map[string]any{
			"certificateAuthorities": []any{authority("fulcio", issuing)},
			"timestampAuthorities":   []any{authority("tsa", stamping)},
		}},
	}
}

// leaf is a key with a certificate that lives for minutes.
func (m *maker) leaf(email string) (*key, *certificate, error) {
	// The certificate begins now and timestamps count whole seconds.
	cert, private, err := m.virtual.GenerateLeafCert(email, issuer)
	if err != nil {
		return nil, nil, fmt.Errorf("issue certificate: %w", err)
	}
	if cert.NotBefore.After(time.Now()) {
		return nil, nil, fmt.Errorf("certificate begins at %s", cert.NotBefore)
	}
	k, err := loadKey(private, crypto.SHA256)
	return k, cert, err
}
