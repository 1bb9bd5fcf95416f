// Package sigstore configures the lab's Sigstore: an issuer of identities,
// Fulcio, Rekor and a timestamp authority.
package sigstore

import (
	"context"
	"fmt"
	"os"

	"github.com/kubernaut/kubernaut/test/lab/internal/cluster"
	"github.com/kubernaut/kubernaut/test/lab/internal/place"
	"github.com/kubernaut/kubernaut/test/lab/internal/proc"
)

// Sigstore is the lab's.
type Sigstore struct {
	Place *place.Place
	// Lab, Fulcio, Rekor and TSA are the paths of programs; the lab's own serves
	// identities.
	Lab, Fulcio, Rekor, TSA string
}

// Configure makes the services' keys and certificates, once, and with them the
// trusted root, so that all of them outlive the services' processes.
func (s Sigstore) Configure() error {
	if _, err := os.Stat(s.Place.Path("sigstore", "trusted_root.json")); err == nil {
		return nil
	}
	t, err := s.keys()
	if err != nil {
		return err
	}
	if err := s.Place.Write("sigstore/fulcio.yaml", []byte(fulcioConfig()), 0o644); err != nil {
		return err
	}
	data, err := t.json()
	if err != nil {
		return err
	}
	// Last: it says that the rest is there.
	return s.Place.Write("sigstore/trusted_root.json", data, 0o644)
}

func fulcioConfig() string {
	return fmt.Sprintf("oidc-issuers:\n  %[1]s:\n    issuer-url: %[1]s\n    client-id: %[2]s\n    type: email\n", place.IssuerURL, audience)
}

// Components lists the services in the order in which they start: Fulcio asks
// the issuer for its keys.
func (s Sigstore) Components() []proc.Component {
	file := func(name string) string { return s.Place.Path("sigstore", name) }
	return []proc.Component{
		{Name: "issuer", Path: s.Lab, Args: []string{"serve-issuer"}, Ports: []string{place.IP + ":5550"}, Ready: cluster.Web(place.IssuerURL + discovery)},
		{Name: "fulcio", Path: s.Fulcio, Args: []string{"serve", "--host=" + place.IP, "--port=5551", "--grpc-host=127.0.0.1", "--grpc-port=5561", "--metrics-port=5571",
			"--legacy-unix-domain-socket", file("fulcio.sock"), "--config-path", file("fulcio.yaml"), "--ct-log-url=",
			// The key is not encrypted, and yet the program insists on a password.
			"--ca=fileca", "--fileca-cert", file("fulcio.pem"), "--fileca-key", file("fulcio.key"), "--fileca-key-passwd=none", "--fileca-watch=false"},
			Ports: []string{place.IP + ":5551", "127.0.0.1:5561", ":5571"},
			// One that was left by a process that was killed keeps the next from starting.
			Prepare: func(context.Context) error { return os.RemoveAll(file("fulcio.sock")) }, Ready: cluster.Web(place.FulcioURL + "/api/v2/trustBundle")},
		{Name: "rekor", Path: s.Rekor, Args: []string{"serve", "--hostname=" + place.IP, "--http-address=" + place.IP, "--http-port=5552", "--grpc-address=127.0.0.1",
			"--grpc-port=5562", "--http-metrics-port=5572", "--storage-dir", file("rekor"), "--signer-filepath", file("rekor.key"),
			// An entry is answered once a checkpoint covers it: by default that takes up to 10 seconds.
			"--checkpoint-interval=100ms", "--batch-max-age=20ms"},
			Ports:   []string{place.IP + ":5552", "127.0.0.1:5562", place.IP + ":5572"},
			Prepare: func(context.Context) error { return os.MkdirAll(file("rekor"), 0o755) }, Ready: cluster.Web(place.RekorURL + "/healthz")},
		{Name: "tsa", Path: s.TSA, Args: []string{"serve", "--host=" + place.IP, "--port=5553", "--disable-ntp-monitoring", "--timestamp-signer=file",
			"--file-signer-key-path", file("tsa.key"), "--file-signer-passwd=none", "--certificate-chain-path", file("tsa.pem")},
			// Where it serves metrics cannot be chosen.
			Ports: []string{place.IP + ":5553", ":2112"}, Ready: cluster.Web(place.TSAURL + "/ping")},
	}
}
