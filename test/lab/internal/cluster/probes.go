package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

// Web asks a URL and wants an answer that is neither an error nor another URL.
func Web(url string) func(context.Context) error {
	return ask(&http.Client{Timeout: 2 * time.Second}, url)
}

func ask(c *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode >= 300 {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	}
}

// api asks a URL of the control plane as the administrator.
func (c Cluster) api(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		pair, err := tls.LoadX509KeyPair(c.Place.Path("pki/admin.crt"), c.Place.Path("pki/admin.key"))
		if err != nil {
			return err
		}
		ca, err := os.ReadFile(c.Place.Path("pki/ca.crt"))
		if err != nil {
			return err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(ca)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}, DisableKeepAlives: true}
		return ask(&http.Client{Timeout: 2 * time.Second, Transport: transport}, url)(ctx)
	}
}

func socket(path string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// resolves asks the lab's own name server.
func resolves(name, want string) func(context.Context) error {
	dialer := &net.Dialer{Timeout: time.Second}
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, place.IP+":53")
	}}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		got, err := resolver.LookupHost(ctx, name)
		if err != nil {
			return err
		}
		if !slices.Contains(got, want) {
			return fmt.Errorf("%s is %v, not %s", name, got, want)
		}
		return nil
	}
}
