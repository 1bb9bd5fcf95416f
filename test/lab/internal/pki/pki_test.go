package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

func TestMake(t *testing.T) {
	p := &place.Place{State: t.TempDir()}
	if err := Make(p); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(p.Path("pki/ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for _, who := range identities() {
		t.Run(who.file, func(t *testing.T) { checkIdentity(t, p, roots, who) })
	}
	if err := Make(p); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(p.Path("pki/ca.crt")); err != nil || !bytes.Equal(again, ca) {
		t.Errorf("a second time made another authority: %v", err)
	}
}

// checkIdentity wants a certificate that the authority signed for every name by
// which it is called, and a key that nobody else can read.
func checkIdentity(t *testing.T, p *place.Place, roots *x509.CertPool, who identity) {
	pair, err := tls.LoadX509KeyPair(p.Path("pki/"+who.file+".crt"), p.Path("pki/"+who.file+".key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", place.IP, place.ServiceIP, "kubernetes.default.svc"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s as %s: %v", who.file, name, err)
		}
	}
	if who.group != "" && (len(pair.Leaf.Subject.Organization) != 1 || pair.Leaf.Subject.Organization[0] != who.group) {
		t.Errorf("%s is in %v, want %s", who.file, pair.Leaf.Subject.Organization, who.group)
	}
	if info, err := os.Stat(p.Path("pki/" + who.file + ".key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key of %s can be read: %v, %v", who.file, info.Mode(), err)
	}
}

func TestKubeconfig(t *testing.T) {
	p := &place.Place{State: t.TempDir()}
	if err := Make(p); err != nil {
		t.Fatal(err)
	}
	if err := Kubeconfig(p, "kubeconfig", "admin"); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", p.Path("kubeconfig"))
	if err != nil || config.Host != "https://"+place.IP+":6443" || config.CertFile != p.Path("pki/admin.crt") {
		t.Errorf("got %+v, %v", config, err)
	}
}
