package forge

import (
	"io"
	"net/http"
	"time"
)

const (
	// callTimeout bounds one call to a forge.
	callTimeout = 30 * time.Second
	// maxAnswer bounds one answer: a page of 50 pull requests with full bodies
	// of 64 KiB has 3.2 MiB.
	maxAnswer = 8 << 20
)

// Client returns an HTTP client that bounds every call in time and every
// answer in size, on top of the transport of c; nil means the default one.
func Client(c *http.Client) *http.Client {
	next := http.DefaultTransport
	if c != nil && c.Transport != nil {
		next = c.Transport
	}
	return &http.Client{Timeout: callTimeout, Transport: bounded{next}}
}

type bounded struct{ next http.RoundTripper }

// RoundTrip cuts an answer that is too long, so that its reader fails.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}
