package policy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
)

const (
	// maxKeys bounds the keys of one authority; each is tried on each signature.
	maxKeys = 32
	// minRSA is the smallest modulus, in bits, that is still held to be safe.
	minRSA = 2048
	// cosignPublic is the entry that cosign writes into a Secret, beside the
	// private key and its password.
	cosignPublic = "cosign.pub"
)

// objects have DNS names; anything else would be asked for at another path.
var objects = regexp.MustCompile(`\A[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?\z`)

// Secrets returns the data of a Secret. A policy names it without knowing where
// the controller runs: an empty namespace means the controller's own, and any
// other one should be refused.
type Secrets func(namespace, name string) (map[string][]byte, error)

// text reads what a reference names: keys or certificates in PEM form.
func (c *compiler) text(k *keyRef) (string, error) {
	switch {
	case k.KMS != "":
		return "", fmt.Errorf("kms is not supported, because it would need a cloud's SDK and its credentials: export the public key of %s and put it into data", k.KMS)
	case (k.SecretRef != nil) == (k.Data != ""):
		return "", errors.New("exactly one of data and secretRef is needed")
	case k.SecretRef == nil:
		return k.Data, nil
	case !objects.MatchString(k.SecretRef.Name):
		return "", fmt.Errorf("secretRef.name: %q is no name of an object", k.SecretRef.Name)
	case c.in.Secrets == nil:
		return "", errors.New("secretRef: no Secret can be read here")
	}
	data, err := c.in.Secrets(k.SecretRef.Namespace, k.SecretRef.Name)
	if err != nil {
		return "", fmt.Errorf("secretRef: read Secret %q: %w", k.SecretRef.Name, err)
	}
	text, err := publicEntry(data)
	if err != nil {
		return "", fmt.Errorf("secretRef: Secret %q: %w", k.SecretRef.Name, err)
	}
	c.read = append(c.read, string(text))
	return string(text), nil
}

func publicEntry(data map[string][]byte) ([]byte, error) {
	if key, ok := data[cosignPublic]; ok {
		return key, nil
	}
	if len(data) != 1 {
		return nil, fmt.Errorf("it has %d entries; keep one with the public key, or name it %s", len(data), cosignPublic)
	}
	for _, key := range data {
		return key, nil
	}
	return nil, nil
}

// ParseKeys reads one or more public keys in PEM form and nothing else.
func ParseKeys(text []byte) ([]Key, error) {
	var keys []Key
	err := eachBlock(text, func(block *pem.Block) error {
		key, err := parseKey(block)
		if err != nil {
			return fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		if keys = append(keys, key); len(keys) > maxKeys {
			return fmt.Errorf("more than %d keys", maxKeys)
		}
		return nil
	})
	return keys, err
}

func parseKey(block *pem.Block) (Key, error) {
	var public crypto.PublicKey
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return Key{}, fmt.Errorf("PEM block %q is not a public key", block.Type)
	}
	if err != nil {
		return Key{}, fmt.Errorf("parse public key: %w", err)
	}
	if err := strong(public); err != nil {
		return Key{}, err
	}
	fingerprint, err := Fingerprint(public)
	return Key{Public: public, Hash: crypto.SHA256, Fingerprint: fingerprint}, err
}

func strong(public crypto.PublicKey) error {
	switch key := public.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return nil
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return fmt.Errorf("RSA key of %d bits is too short, at least %d are needed", key.N.BitLen(), minRSA)
		}
		return nil
	default:
		return fmt.Errorf("key type %T is not supported", public)
	}
}

// Fingerprint names a key for people: "sha256:" and 16 hexadecimal digits.
func Fingerprint(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("encode public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:8]), nil
}
