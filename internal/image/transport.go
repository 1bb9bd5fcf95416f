package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// maxManifest bounds manifests and pages of referrers. The distribution
	// specification asks registries to accept 4 MiB and few accept more.
	maxManifest = 4 << 20
	// maxPages bounds the pages of referrers that are followed: with the usual
	// 100 and more entries a page that is far beyond any honest image.
	maxPages = 20
)

// bounded limits what a registry can make us read and follows the pages of the
// referrers list, which the registry library does not.
type bounded struct{ next http.RoundTripper }

// RoundTrip sends one request; for a list of referrers up to maxPages.
func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	referrers := req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/referrers/")
	if referrers || strings.Contains(req.URL.Path, "/manifests/") {
		resp.Body = &limited{ReadCloser: resp.Body, left: maxManifest}
	}
	if !referrers || resp.StatusCode != http.StatusOK || !isIndex(resp) {
		return resp, nil
	}
	return b.follow(req, resp)
}

func isIndex(resp *http.Response) bool {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && kind == string(types.OCIImageIndex)
}

// follow joins all pages into one answer.
func (b *bounded) follow(req *http.Request, first *http.Response) (*http.Response, error) {
	all, err := readPage(first)
	if err != nil {
		return nil, err
	}
	page := first
	for n := 1; ; n++ {
		next, err := nextPage(req.URL, page)
		if err != nil {
			return nil, err
		}
		if next == nil {
			break
		}
		if n == maxPages {
			return nil, fmt.Errorf("more than %d pages of referrers: %w", maxPages, ErrTooLarge)
		}
		if page, err = b.fetch(req, next); err != nil {
			return nil, err
		}
		more, err := readPage(page)
		if err != nil {
			return nil, err
		}
		all.Manifests = append(all.Manifests, more.Manifests...)
	}
	return join(first, all)
}

func (b *bounded) fetch(req *http.Request, at *url.URL) (*http.Response, error) {
	again := req.Clone(req.Context())
	again.URL = at
	resp, err := b.next.RoundTrip(again)
	if err != nil {
		return nil, err
	}
	resp.Body = &limited{ReadCloser: resp.Body, left: maxManifest}
	if resp.StatusCode != http.StatusOK || !isIndex(resp) {
		resp.Body.Close()
		return nil, fmt.Errorf("next page of referrers answered %s", resp.Status)
	}
	return resp, nil
}

func readPage(resp *http.Response) (*v1.IndexManifest, error) {
	defer resp.Body.Close()
	index := &v1.IndexManifest{}
	if err := json.NewDecoder(resp.Body).Decode(index); err != nil {
		return nil, fmt.Errorf("parse list of referrers: %w", err)
	}
	return index, nil
}

// nextPage reads the Link header. The request carries credentials, so the next
// page must be the same list on the same host.
func nextPage(at *url.URL, resp *http.Response) (*url.URL, error) {
	link := resp.Header.Get("Link")
	target, params, found := strings.Cut(link, ">")
	if !found || !strings.HasPrefix(target, "<") || !strings.Contains(strings.ReplaceAll(params, `"`, ""), "rel=next") {
		return nil, nil
	}
	next, err := at.Parse(strings.TrimPrefix(target, "<"))
	if err != nil {
		return nil, fmt.Errorf("parse link to the next page of referrers: %w", err)
	}
	if next.Scheme != at.Scheme || next.Host != at.Host || next.Path != at.Path {
		return nil, fmt.Errorf("next page of referrers is elsewhere, at %s%s", next.Host, next.Path)
	}
	return next, nil
}

func join(first *http.Response, all *v1.IndexManifest) (*http.Response, error) {
	body, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("join pages of referrers: %w", err)
	}
	first.Body = io.NopCloser(bytes.NewReader(body))
	first.ContentLength = int64(len(body))
	first.Header.Del("Link")
	first.Header.Del("Content-Length")
	// The library compares the header as text, with no room for parameters.
	first.Header.Set("Content-Type", string(types.OCIImageIndex))
	return first, nil
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
