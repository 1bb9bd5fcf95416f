package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Sigstore is where the lab's Sigstore is, as its env.json tells. There is no
// log of certificates, and the log of signatures is a Rekor of version 2.
type Sigstore struct {
	// Fulcio and Rekor are base addresses, TSA the whole address for requests.
	Fulcio string `json:"fulcio"`
	Rekor  string `json:"rekor"`
	TSA    string `json:"tsa"`
	// Issuer is the issuer in certificates, Token where it gives tokens.
	Issuer string `json:"issuer"`
	Token  string `json:"token"`
	// TrustedRoot is the path of a trusted_root.json.
	TrustedRoot string `json:"trustedRoot"`
}

// IdentityToken asks the lab's issuer for a token of anybody; it is good for
// ten minutes.
func (s Sigstore) IdentityToken(ctx context.Context, email string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Token, strings.NewReader(url.Values{"email": {email}}.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return "", fmt.Errorf("ask for a token of %s: %w", email, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("ask for a token of %s: %w", email, err)
	}
	var made struct {
		Token string `json:"id_token"`
	}
	if err := json.Unmarshal(answer, &made); err != nil || made.Token == "" {
		return "", fmt.Errorf("ask for a token of %s: %s: %s", email, resp.Status, answer)
	}
	return made.Token, nil
}

// TrustedRootJSON reads the document that says whom to trust.
func (s Sigstore) TrustedRootJSON() ([]byte, error) {
	data, err := os.ReadFile(s.TrustedRoot)
	if err != nil {
		return nil, fmt.Errorf("read the lab's trusted root: %w", err)
	}
	return data, nil
}
