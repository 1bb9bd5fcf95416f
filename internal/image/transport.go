package image

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
)

// maxManifest bounds manifests, lists of referrers and each of their pages. The
// distribution specification asks registries to accept 4 MiB and few accept more.
const maxManifest = 4 << 20

// maxParts bounds the commas in a manifest or a page. Parsed, the shortest entry
// of a list takes some hundred times its text, so that a manifest of the largest
// size could take gigabytes. An honest entry has about eight.
const maxParts = 1 << 15

// sparse fails when what is read has more parts than are left.
type sparse struct {
	io.ReadCloser
	left int
}

// Read reads up to the part after the last one.
func (s *sparse) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if s.left -= bytes.Count(p[:n], []byte(",")); s.left < 0 {
		return 0, fmt.Errorf("a document with more than %d parts: %w", maxParts, ErrTooLarge)
	}
	return n, err
}

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
		resp.Body = &sparse{&limited{ReadCloser: resp.Body, left: maxManifest}, maxParts}
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
