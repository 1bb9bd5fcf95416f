// Package pki makes the lab's certificate authority, certificates and kubeconfigs.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

// identity is who a certificate is for.
type identity struct {
	file, name, group string
}

func identities() []identity {
	return []identity{
		{"apiserver", "kube-apiserver", ""},
		{"kubelet", "system:node:" + place.Node, "system:nodes"},
		{"admin", "lab-admin", "system:masters"},
		{"controller-manager", "system:kube-controller-manager", ""},
		{"scheduler", "system:kube-scheduler", ""},
		{"proxy", "system:kube-proxy", ""},
		{"apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters"},
		{"front-proxy", "front-proxy", ""},
		{"policy-controller", "system:serviceaccount:cosign-system:webhook", ""},
	}
}

// Make writes one authority, a certificate for each identity and the key that
// signs service account tokens; what exists is kept.
func Make(p *place.Place) error {
	if _, err := os.Stat(p.Path("pki", "complete")); err == nil {
		return nil
	}
	m := maker{place: p}
	if err := m.authority(); err != nil {
		return err
	}
	for _, who := range identities() {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return fmt.Errorf("make key of %s: %w", who.file, err)
		}
		if err := m.sign(who.file, template(who.name, who.group), key); err != nil {
			return err
		}
	}
	if err := m.accounts(); err != nil {
		return err
	}
	return p.Write("pki/complete", nil, 0o644)
}

// maker signs with one authority.
type maker struct {
	place *place.Place
	ca    *x509.Certificate
	key   *ecdsa.PrivateKey
}

func (m *maker) authority() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make key of the authority: %w", err)
	}
	m.key, m.ca = key, template("kubernaut-lab", "")
	m.ca.IsCA, m.ca.BasicConstraintsValid, m.ca.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	return m.sign("ca", m.ca, key)
}

// accounts makes the key that signs service account tokens.
func (m *maker) accounts() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make key of service accounts: %w", err)
	}
	if err := m.writeKey("sa", key); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode key of service accounts: %w", err)
	}
	return m.place.Write("pki/sa.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644)
}

func template(name, group string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails since Go 1.24
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost", place.Node, "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP(place.IP), net.ParseIP(place.ServiceIP)},
	}
	if group != "" {
		c.Subject.Organization = []string{group}
	}
	return c
}

func (m *maker) sign(file string, c *x509.Certificate, key *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, c, m.ca, key.Public(), m.key)
	if err != nil {
		return fmt.Errorf("sign certificate %s: %w", file, err)
	}
	if err := m.place.Write("pki/"+file+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return err
	}
	return m.writeKey(file, key)
}

func (m *maker) writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key %s: %w", file, err)
	}
	return m.place.Write("pki/"+file+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// Kubeconfig writes the configuration of one identity.
func Kubeconfig(p *place.Place, file, who string) error {
	return p.Write(file, []byte(fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "https://%s:6443", certificate-authority: %s}}]
users: [{name: %s, user: {client-certificate: %s, client-key: %s}}]
contexts: [{name: lab, context: {cluster: lab, user: %s}}]
current-context: lab
`, place.IP, p.Path("pki/ca.crt"), who, p.Path("pki/"+who+".crt"), p.Path("pki/"+who+".key"), who)), 0o600)
}
