package image

import (
	"io"
	"net/http"
	"path"
	"strings"
)

// maxManifest bounds manifests, lists of referrers and each of their pages. The
// distribution specification asks registries to accept 4 MiB and few accept more.
const maxManifest = 4 << 20

// bounded limits what a registry can make the library read as a manifest.
type bounded struct{ next http.RoundTripper }

// RoundTrip sends one request. Where a registry redirects, what was asked for
// first counts.
func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	first := req
	for first.Response != nil && first.Response.Request != nil {
		first = first.Response.Request
	}
	if !strings.HasSuffix(path.Dir(first.URL.Path), "/blobs") {
		resp.Body = &limited{ReadCloser: resp.Body, left: maxManifest}
	}
	return resp, nil
}

// limited fails instead of ending silently, since a cut manifest could parse.
type limited struct {
	io.ReadCloser
	left int64
}

// Read reads up to the limit.
func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return n, ErrTooLarge
	}
	return n, err
}
