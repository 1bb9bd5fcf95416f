package access

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

const (
	// maxScopes and maxScopeBytes bound one token request: a catalog has some
	// thirty actions, and servers cut request lines off at 8 KiB.
	maxScopes     = 40
	maxScopeBytes = 4 << 10
	// maxWanted bounds what is announced and not yet asked for.
	maxWanted = 256
	// maxShared bounds a token for several repositories: it travels as a header,
	// and servers cut headers off at 8 KiB.
	maxShared = 6 << 10
	// maxGrants bounds the tokens that are kept.
	maxGrants = 128
)

// login is one set of credentials at one registry, what the registry asks of
// them and what they brought.
type login struct {
	network *Network
	host    string
	auth    authn.AuthConfig
	// away is set for hosts that a registry sends us to.
	away bool
	// turn is held by who asks for the challenge or a token; the others wait, and
	// mostly find what they need.
	turn chan struct{}

	mu        sync.Mutex
	challenge *challenge
	rank      rank
	grants    []*grant
	wanted    []string
	// single is set once a token for several repositories did not do.
	single bool
}

// grant is a token and what it was asked for.
type grant struct {
	token  string
	scopes []string
	until  time.Time
}

func newLogin(n *Network, host string, auth authn.AuthConfig) *login {
	return &login{network: n, host: host, auth: auth, turn: make(chan struct{}, 1)}
}

// pass is what a request shows.
type pass struct {
	challenge *challenge
	// grant is what a bearer shows; old if it was there before the request.
	grant *grant
	old   bool
}

// shared reports whether the token was asked for several repositories.
func (p pass) shared() bool { return p.grant != nil && len(p.grant.scopes) > 1 }

// covers reports whether the token was asked for a scope. Who may push may pull.
func (g *grant) covers(scope string) bool {
	return slices.Contains(g.scopes, scope) || slices.Contains(g.scopes, scope+",push")
}

// expect announces scopes, so that the next token is asked for all of them.
func (l *login) expect(scopes ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range scopes {
		if !l.single && len(l.wanted) < maxWanted && l.held(s) == nil && !slices.Contains(l.wanted, s) {
			l.wanted = append(l.wanted, s)
		}
	}
}

// held returns a token for the scope; the caller holds mu.
func (l *login) held(scope string) *grant {
	now := time.Now()
	l.grants = slices.DeleteFunc(l.grants, func(g *grant) bool { return !now.Before(g.until) })
	for _, g := range l.grants {
		if g.covers(scope) {
			return g
		}
	}
	return nil
}

// send sends a request with what the registry asks for. If the registry does
// not take it, once more with what it asks for now.
func (l *login) send(req *http.Request, scope string) (*http.Response, error) {
	p, err := l.pass(req.Context(), scope, false)
	if err != nil {
		return nil, err
	}
	resp, err := l.knock(req, p)
	if err != nil || !l.refused(resp, p) {
		return resp, err
	}
	again, ok := rewound(req)
	if !ok || !l.learn(resp, p, scope) {
		return resp, nil
	}
	drain(resp)
	shared := p.shared()
	if p, err = l.pass(req.Context(), scope, shared); err != nil {
		return nil, err
	}
	if resp, err = l.knock(again, p); err == nil && shared && !l.refused(resp, p) {
		l.alone()
	}
	return resp, err
}

// refused reports whether other credentials might help. With a token for many
// repositories "forbidden" may mean that this one is not among them.
func (l *login) refused(resp *http.Response, p pass) bool {
	return resp.StatusCode == http.StatusUnauthorized ||
		resp.StatusCode == http.StatusForbidden && p.shared()
}

// alone asks for one token for each repository from now on. Of a token for
// several only the first is believed, which is what some servers read.
func (l *login) alone() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.single, l.wanted = true, nil
	for i, g := range l.grants {
		l.grants[i] = &grant{token: g.token, until: g.until, scopes: g.scopes[:1]}
	}
}

// rewound is a second copy of a request, if its body can be had again.
func rewound(req *http.Request) (*http.Request, bool) {
	again := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return again, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	again.Body = body
	return again, err == nil
}

// drain lets the connection be used again.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // what is longer is not worth the connection
	resp.Body.Close()
}

// learn draws the conclusion from a refusal and says whether it is worth
// another try.
func (l *login) learn(resp *http.Response, p pass, scope string) bool {
	asks, fault, err := readChallenge(resp)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && asks != nil && !asks.equal(p.challenge) {
		if !asks.equal(l.challenge) {
			l.challenge, l.grants = asks, nil
		}
		return asks.kind == bearer || basicHeader(l.auth) != ""
	}
	switch {
	case p.grant == nil:
		return false
	case p.shared() && fault != "invalid_token":
		// It may still do for the others.
		l.forget(p.grant, scope)
		return true
	default:
		l.forget(p.grant, p.grant.scopes...)
		return p.old
	}
}

// forget takes scopes from a token. The caller holds mu.
func (l *login) forget(g *grant, scopes ...string) {
	left := &grant{token: g.token, until: g.until}
	for _, s := range g.scopes {
		if !slices.Contains(scopes, s) {
			left.scopes = append(left.scopes, s)
		}
	}
	for i := range l.grants {
		if l.grants[i] == g {
			l.grants[i] = left
		}
	}
	l.grants = slices.DeleteFunc(l.grants, func(g *grant) bool { return len(g.scopes) == 0 })
}

// knock sends one request to the registry.
func (l *login) knock(req *http.Request, p pass) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Del("Authorization")
	if header := l.header(p); header != "" {
		req.Header.Set("Authorization", header)
	}
	if l.away {
		return l.network.detour(req, l.from())
	}
	resp, from, err := l.network.visit(req)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.rank = from
	l.mu.Unlock()
	return resp, nil
}

// from is where the registry lies, as far as it is known.
func (l *login) from() rank {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rank
}

func (l *login) header(p pass) string {
	switch {
	case p.grant != nil:
		return "Bearer " + p.grant.token
	case p.challenge == nil || p.challenge.kind != basic:
		return ""
	default:
		return basicHeader(l.auth)
	}
}

// basicHeader is empty without a name and a password.
func basicHeader(auth authn.AuthConfig) string {
	switch {
	case auth.Username != "" && auth.Password != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(auth.Username+":"+auth.Password))
	case auth.Auth != "":
		return "Basic " + auth.Auth
	default:
		return ""
	}
}

func (l *login) anonymous() bool { return l.auth == authn.AuthConfig{} }

// ready returns what to show if nobody has to be asked for it.
func (l *login) ready(scope string) (pass, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.challenge == nil:
		// Without credentials the first request asks as well as any.
		return pass{}, l.anonymous()
	case l.challenge.kind != bearer:
		return pass{challenge: l.challenge}, true
	case l.auth.RegistryToken != "":
		return pass{challenge: l.challenge, grant: &grant{token: l.auth.RegistryToken, scopes: []string{scope}}}, true
	}
	g := l.held(scope)
	return pass{challenge: l.challenge, grant: g, old: true}, g != nil
}

// pass returns what to show for a scope, and asks for it if need be. All who
// wait here at once get one token together, but who wants one for itself alone.
func (l *login) pass(ctx context.Context, scope string, alone bool) (pass, error) {
	if p, ok := l.ready(scope); ok {
		return p, nil
	}
	if !alone {
		l.expect(scope)
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return pass{}, fmt.Errorf("wait for a token of registry %s: %w", l.host, ctx.Err())
	}
	if err := l.ask(ctx); err != nil {
		return pass{}, err
	}
	if p, ok := l.ready(scope); ok {
		return p, nil
	}
	return l.obtain(ctx, scope, alone)
}

// ask finds out what the registry wants to see, with the one request that the
// distribution specification has for it. Where the answer says nothing, the
// requests that follow will.
func (l *login) ask(ctx context.Context) error {
	l.mu.Lock()
	known := l.challenge != nil
	l.mu.Unlock()
	if known {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.network.scheme(l.host)+"://"+l.host+"/v2/", nil)
	if err != nil {
		return fmt.Errorf("ask registry %s how to log in: %w", l.host, err)
	}
	req.Header.Set("User-Agent", agent)
	resp, err := l.knock(req, pass{})
	if err != nil {
		return fmt.Errorf("ask registry %s how to log in: %w", l.host, err)
	}
	defer drain(resp)
	asks := &challenge{kind: open}
	switch {
	case resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("ask registry %s how to log in: it answered %s", l.host, resp.Status)
	case resp.StatusCode == http.StatusUnauthorized:
		if asks, _, err = readChallenge(resp); err != nil {
			return err
		}
		if asks == nil {
			return fmt.Errorf("registry %s asks for a login of no kind that is known: want Basic or Bearer", l.host)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.challenge = asks
	return nil
}

// obtain fetches a token, for all announced scopes at once if the server gives
// such tokens. The caller holds the turn.
func (l *login) obtain(ctx context.Context, scope string, alone bool) (pass, error) {
	l.mu.Lock()
	scopes := []string{scope}
	if !alone {
		scopes = l.take(scope)
	}
	asks, from := l.challenge, l.rank
	l.mu.Unlock()
	g, err := l.fetch(ctx, asks, from, scopes)
	var no *Denied
	refused := errors.As(err, &no) && no.Status < http.StatusInternalServerError && no.Status != http.StatusTooManyRequests
	if len(scopes) > 1 && (refused || err == nil && len(g.token) > maxShared) {
		l.alone()
		g, err = l.fetch(ctx, asks, from, []string{scope})
	}
	if err != nil {
		return pass{}, fmt.Errorf("log in to registry %s: %w", l.host, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grants = append(l.grants, g)
	l.grants = l.grants[max(0, len(l.grants)-maxGrants):]
	return pass{challenge: asks, grant: g}, nil
}

// take returns the scope and what else was announced, up to the bounds of one
// request. The caller holds mu.
func (l *login) take(scope string) []string {
	scopes, length := []string{scope}, len(scope)
	var later []string
	for _, s := range l.wanted {
		switch {
		case s == scope:
		case len(scopes) < maxScopes && length+len(s) <= maxScopeBytes:
			scopes, length = append(scopes, s), length+len(s)
		default:
			later = append(later, s)
		}
	}
	l.wanted = later
	return scopes
}
