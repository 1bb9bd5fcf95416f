package access

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

const (
	open   = "open"
	basic  = "basic"
	bearer = "bearer"
)

// challenge is what a registry asks of who wants to read.
type challenge struct {
	// kind is open, basic or bearer.
	kind string
	// realm is where tokens are fetched, and service the name of the registry there.
	realm   *url.URL
	service string
}

// readChallenge finds the first challenge that can be met in an answer with
// status 401; nil if there is none. It is of no use to an attacker to send
// several: each would be judged alike.
func readChallenge(resp *http.Response) (*challenge, string, error) {
	for _, header := range resp.Header.Values("WWW-Authenticate") {
		kind, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
		switch strings.ToLower(kind) {
		case basic:
			return &challenge{kind: basic}, "", nil
		case bearer:
			params := parameters(rest)
			realm, err := url.Parse(params["realm"])
			if err != nil || realm.Host == "" || realm.User != nil {
				return nil, "", fmt.Errorf("registry %s names no token server: realm %q is no address", resp.Request.URL.Host, params["realm"])
			}
			realm.Fragment = ""
			return &challenge{kind: bearer, realm: realm, service: params["service"]}, params["error"], nil
		}
	}
	return nil, "", nil
}

// parameters reads name="value" pairs. Names that come twice keep the first value.
func parameters(text string) map[string]string {
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))`).FindAllStringSubmatch(text, 16) {
		if name := strings.ToLower(m[1]); out[name] == "" {
			out[name] = regexp.MustCompile(`\\(.)`).ReplaceAllString(m[2], "$1") + m[3]
		}
	}
	return out
}

// equal reports whether answering both would send the same.
func (c *challenge) equal(d *challenge) bool {
	if c == nil || d == nil || c.kind != d.kind {
		return c == d
	}
	return c.kind != bearer || c.realm.String() == d.realm.String() && c.service == d.service
}

// allows checks where a token would be fetched. The host of the realm needs no
// kinship with the registry's: a name under the same domain may belong to
// somebody else, and honest registries use other domains. What protects is that
// HTTPS is never left, and that detour checks the address.
func (c *challenge) allows(scheme string) error {
	if c.realm.Scheme == "https" || c.realm.Scheme == "http" && scheme == "http" {
		return nil
	}
	return fmt.Errorf("the token server %s://%s is not asked, because only HTTPS will do for a registry on HTTPS", c.realm.Scheme, c.realm.Host)
}
