package access

import (
	"context"
	"net/http"
	"strings"
)

// What requests are for, as Options.Tell is told.
const (
	kindPing      = "ping"
	kindToken     = "token"
	kindManifest  = "manifest"
	kindBlob      = "blob"
	kindReferrers = "referrers"
	// kindOther is all else, such as a store that a registry redirects to.
	kindOther = "other"
)

// tokenKey marks requests for a token, whose address a registry chooses.
type tokenKey struct{}

// telling tells of each request that is sent, before it is.
type telling struct {
	next http.RoundTripper
	tell func(kind string)
}

// RoundTrip tells and sends.
func (t *telling) RoundTrip(req *http.Request) (*http.Response, error) {
	t.tell(kindOf(req))
	return t.next.RoundTrip(req)
}

func forToken(ctx context.Context) context.Context { return context.WithValue(ctx, tokenKey{}, true) }

func kindOf(req *http.Request) string {
	if marked, _ := req.Context().Value(tokenKey{}).(bool); marked {
		return kindToken
	}
	path, found := strings.CutPrefix(req.URL.Path, "/v2/")
	if !found {
		return kindOther
	}
	if path == "" {
		return kindPing
	}
	for _, kind := range []string{kindReferrers, kindManifest, kindBlob} {
		if strings.Contains(path, "/"+strings.TrimSuffix(kind, "s")+"s/") {
			return kind
		}
	}
	return kindOther
}
