package main

import (
	"crypto"
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
)

// identity is who a certificate is for.
type identity struct {
	file, name, group string
}

func identities() []identity {
	return []identity{
		{"apiserver", "kube-apiserver", ""},
		{"kubelet", "system:node:" + node, "system:nodes"},
		{"admin", "lab-admin", "system:masters"},
		{"controller-manager", "system:kube-controller-manager", ""},
		{"scheduler", "system:kube-scheduler", ""},
		{"proxy", "system:kube-proxy", ""},
		{"apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters"},
		{"front-proxy", "front-proxy", ""},
	}
}

// pki writes one authority, a certificate for each identity and the key that
// signs service account tokens; what exists is kept.
func (l *lab) pki() error {
	if _, err := os.Stat(l.path("pki", "complete")); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := template("kubernaut-lab", "")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	if err := l.sign("ca", ca, ca, key, key); err != nil {
		return err
	}
	for _, who := range identities() {
		leaf, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		if err := l.sign(who.file, template(who.name, who.group), ca, leaf, key); err != nil {
			return err
		}
	}
	account, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := l.writeKey("sa", account); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(account.Public())
	if err != nil {
		return err
	}
	if err := l.write("pki/sa.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644); err != nil {
		return err
	}
	return l.write("pki/complete", nil, 0o644)
}

func template(name, group string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails since Go 1.24
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost", node, "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP(bridgeIP), net.ParseIP(serviceIP)},
	}
	if group != "" {
		c.Subject.Organization = []string{group}
	}
	return c
}

func (l *lab) sign(file string, c, parent *x509.Certificate, key *ecdsa.PrivateKey, by crypto.Signer) error {
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		return fmt.Errorf("sign certificate %s: %w", file, err)
	}
	if err := l.write("pki/"+file+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return err
	}
	return l.writeKey(file, key)
}

func (l *lab) writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return l.write("pki/"+file+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// kubeconfig writes the configuration of one identity.
func (l *lab) kubeconfig(file, who string) error {
	return l.write(file, []byte(fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "https://%s:6443", certificate-authority: %s}}]
users: [{name: %s, user: {client-certificate: %s, client-key: %s}}]
contexts: [{name: lab, context: {cluster: lab, user: %s}}]
current-context: lab
`, bridgeIP, l.path("pki/ca.crt"), who, l.path("pki/"+who+".crt"), l.path("pki/"+who+".key"), who)), 0o600)
}
