package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxAnswer bounds what a token server says. Tokens are a few KiB; what does
	// not fit into a header is of no use.
	maxAnswer = 64 << 10
	// leastLife is how long a token lasts when its server does not say, by the
	// specification of such servers.
	leastLife = time.Minute
	// mostLife ends each token, so that rights that were taken away do not last.
	mostLife = time.Hour
	// agent is how we introduce ourselves to registries.
	agent = "kubernaut"
	// maxTokenHops bounds redirects of a token server to itself.
	maxTokenHops = 3
)

// Denied says that a token server answered and gave no token.
type Denied struct {
	// Status is that of HTTP.
	Status int
	why    string
}

// Error names the server and what was asked for.
func (d *Denied) Error() string { return d.why }

// fetch asks the token server for one token. Credentials go to no other host
// than the one that the registry named.
func (l *login) fetch(ctx context.Context, asks *challenge, from rank, scopes []string) (*grant, error) {
	if err := asks.allows(l.network.scheme(l.host)); err != nil {
		return nil, err
	}
	req, err := l.request(ctx, asks, scopes)
	if err != nil {
		return nil, fmt.Errorf("ask for a token: %w", err)
	}
	client := http.Client{
		Transport:     errand{l, from},
		CheckRedirect: func(next *http.Request, via []*http.Request) error { return staysHome(next.URL, via) },
	}
	sent := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for a token: %w", withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &Denied{Status: resp.StatusCode, why: fmt.Sprintf("token server %s answered %s for %s and %d more", asks.realm.Host, resp.Status, scopes[0], len(scopes)-1)}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer of token server %s: %w", asks.realm.Host, err)
	}
	token, life, err := readToken(data)
	if err != nil {
		return nil, fmt.Errorf("read the answer of token server %s: %w", asks.realm.Host, err)
	}
	return &grant{token: token, scopes: scopes, until: sent.Add(life)}, nil
}

// withoutURL leaves out the address, which lists all scopes.
func withoutURL(err error) error {
	var long *url.Error
	if errors.As(err, &long) {
		return long.Err
	}
	return err
}

// staysHome lets a token server send us to another of its own paths.
func staysHome(next *url.URL, via []*http.Request) error {
	first := via[0].URL
	if next.Scheme != first.Scheme || next.Host != first.Host {
		return fmt.Errorf("token server %s sends us to %s://%s; it is not followed, because it would see the credentials", first.Host, next.Scheme, next.Host)
	}
	if len(via) > maxTokenHops {
		return fmt.Errorf("token server %s redirected more than %d times", first.Host, maxTokenHops)
	}
	return nil
}

// request writes what token servers understand: GET with a name and a password,
// or POST with a refresh token where the credentials are one.
func (l *login) request(ctx context.Context, asks *challenge, scopes []string) (*http.Request, error) {
	if l.auth.IdentityToken != "" {
		form := url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {l.auth.IdentityToken}, "client_id": {agent},
			"service": {asks.service}, "scope": {strings.Join(scopes, " ")},
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, asks.realm.String(), strings.NewReader(form.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("User-Agent", agent)
		}
		return req, err
	}
	at := *asks.realm
	query := at.Query()
	if asks.service != "" {
		query.Set("service", asks.service)
	}
	query["scope"] = scopes
	at.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", agent)
	if header := basicHeader(l.auth); header != "" {
		req.Header.Set("Authorization", header)
	}
	return req, nil
}

// errand is the way to the token server that a registry named.
type errand struct {
	login *login
	from  rank
}

// RoundTrip sends one request, to the registry's own host as to any registry.
func (e errand) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.WithContext(forToken(req.Context()))
	if n := e.login.network; !e.login.away && req.URL.Host == e.login.host && req.URL.Scheme == n.scheme(e.login.host) {
		resp, _, err := n.visit(req)
		return resp, err
	}
	return e.login.network.detour(req, e.from)
}

// readToken accepts both names under which servers put the token.
func readToken(data []byte) (token string, life time.Duration, err error) {
	if len(data) > maxAnswer {
		return "", 0, fmt.Errorf("it is longer than %d bytes", maxAnswer)
	}
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return "", 0, fmt.Errorf("it is not JSON of a token: %w", err)
	}
	token = answer.Token
	if token == "" {
		token = answer.AccessToken
	}
	if token == "" || strings.ContainsAny(token, " \r\n\t") {
		return "", 0, errors.New("it holds no token")
	}
	life = leastLife
	if answer.ExpiresIn > 0 {
		life = time.Duration(min(answer.ExpiresIn, int64(mostLife/time.Second))) * time.Second
	}
	// A token that ends on its way costs two requests more than a new one.
	return token, life * 9 / 10, nil
}
