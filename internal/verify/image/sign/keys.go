package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// PEM types of private keys that cosign encrypts, today and formerly.
const (
	encryptedSigstore = "ENCRYPTED SIGSTORE PRIVATE KEY"
	encryptedCosign   = "ENCRYPTED COSIGN PRIVATE KEY"
)

// GenerateKeyPair makes an ECDSA P-256 key pair in PEM form, the private key
// encrypted with the passphrase; cosign reads both.
func GenerateKeyPair(passphrase []byte) (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generate key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode private key: %w", err)
	}
	sealed, err := encrypted.Encrypt(der, passphrase)
	if err != nil {
		return nil, nil, fmt.Errorf("encrypt private key: %w", err)
	}
	public, err = cryptoutils.MarshalPublicKeyToPEM(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: encryptedSigstore, Bytes: sealed}), public, nil
}

// Signer signs images with one private key. It is a sign.Keypair of sigstore.
type Signer struct {
	key         signature.SignerVerifier
	public      crypto.PublicKey
	fingerprint string
	services    Services
	// token and seen are those of Keyless.
	token string
	seen  *witness
}

// LoadSigner reads a private key in PEM form: encrypted by cosign, or plain as
// PKCS#8, EC or RSA key, for which the passphrase plays no role.
func LoadSigner(private, passphrase []byte) (*Signer, error) {
	key, err := parsePrivate(private, passphrase)
	if err != nil {
		return nil, err
	}
	return newSigner(key)
}

func newSigner(key crypto.PrivateKey) (*Signer, error) {
	signer, err := signature.LoadSignerVerifier(key, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("load private key: %w", err)
	}
	public, err := signer.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	fingerprint, err := policy.Fingerprint(public)
	if err != nil {
		return nil, err
	}
	return &Signer{key: signer, public: public, fingerprint: fingerprint}, nil
}

func parsePrivate(text, passphrase []byte) (crypto.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("private key is not in PEM form")
	}
	der := block.Bytes
	switch block.Type {
	case "EC PRIVATE KEY":
		key, err := x509.ParseECPrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("parse private key: %w", err)
		}
		return key, nil
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("parse private key: %w", err)
		}
		return key, nil
	case encryptedSigstore, encryptedCosign:
		var err error
		if der, err = encrypted.Decrypt(block.Bytes, passphrase); err != nil {
			return nil, fmt.Errorf("decrypt private key, check the passphrase: %w", err)
		}
	case "PRIVATE KEY":
	default:
		return nil, fmt.Errorf("PEM block %q is no private key that can sign images", block.Type)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	return key, nil
}

// Fingerprint names the key as verify.Result.Signer does.
func (s *Signer) Fingerprint() string { return s.fingerprint }

// SignData signs data, as sign.Keypair asks.
func (s *Signer) SignData(_ context.Context, data []byte) (signed, digest []byte, err error) {
	if signed, err = s.key.SignMessage(bytes.NewReader(data)); err != nil {
		return nil, nil, fmt.Errorf("sign with key %s: %w", s.fingerprint, err)
	}
	sum := sha256.Sum256(data)
	return signed, sum[:], nil
}

// GetHashAlgorithm is SHA-256, the one that policies accept.
func (s *Signer) GetHashAlgorithm() protocommon.HashAlgorithm {
	return protocommon.HashAlgorithm_SHA2_256
}

// GetSigningAlgorithm is not written into a bundle that was made with a key.
func (s *Signer) GetSigningAlgorithm() protocommon.PublicKeyDetails {
	return protocommon.PublicKeyDetails_PUBLIC_KEY_DETAILS_UNSPECIFIED
}

// GetHint helps people to find the key; verifiers ignore it.
func (s *Signer) GetHint() []byte { return []byte(s.fingerprint) }

// GetKeyAlgorithm names the kind of key for a certificate, which only Keyless asks for.
func (s *Signer) GetKeyAlgorithm() string { return "ECDSA" }

// GetPublicKey returns the public half.
func (s *Signer) GetPublicKey() crypto.PublicKey { return s.public }

// GetPublicKeyPem returns the public half in PEM form.
func (s *Signer) GetPublicKeyPem() (string, error) {
	text, err := cryptoutils.MarshalPublicKeyToPEM(s.public)
	return string(text), err
}
