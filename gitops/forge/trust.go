package forge

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// idleTimeout ends connections that nobody uses: a controller makes a client
// for every question.
const idleTimeout = 30 * time.Second

// Trusting returns a client that trusts the given authorities, PEM, besides the
// system's; none given means the system's alone.
func Trusting(ca []byte) (*http.Client, error) {
	if len(ca) == 0 {
		return &http.Client{}, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(ca) {
		return nil, run.Refuse(v1alpha1.ReasonInvalid, "read ca.crt of the credentials: found no certificate")
	}
	return &http.Client{Transport: &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		IdleConnTimeout: idleTimeout,
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}}, nil
}
