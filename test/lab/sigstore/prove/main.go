// Command prove signs a text with the Sigstore of the lab whose env.json it is
// given, and verifies the signature with the lab's trusted root and nothing else.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// env is what is needed here of the lab's facts.
type env struct {
	Sigstore struct{ Fulcio, Rekor, TSA, Issuer, Token, TrustedRoot string }
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := prove(ctx, os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, "prove:", err)
		os.Exit(1)
	}
}

func prove(ctx context.Context, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the lab's facts: %w", err)
	}
	var e env
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	const text, email = "a text", "smoke@example.com"
	signed, err := e.sign(ctx, text, email)
	if err != nil {
		return err
	}
	if err := e.verify(signed, text, email); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if e.verify(signed, "another text", email) == nil {
		return errors.New("the signature is also one of another text")
	}
	if e.verify(signed, text, "another@example.com") == nil {
		return errors.New("the signature is also one of another person")
	}
	return nil
}

func (e env) sign(ctx context.Context, text, email string) (*bundle.Bundle, error) {
	token, err := e.token(ctx, email)
	if err != nil {
		return nil, fmt.Errorf("ask for a token: %w", err)
	}
	key, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	made, err := sign.Bundle(&sign.PlainData{Data: []byte(text)}, key, sign.BundleOptions{
		Context:                    ctx,
		CertificateProvider:        sign.NewFulcio(&sign.FulcioOptions{BaseURL: e.Sigstore.Fulcio}),
		CertificateProviderOptions: &sign.CertificateProviderOptions{IDToken: token},
		TimestampAuthorities:       []*sign.TimestampAuthority{sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: e.Sigstore.TSA})},
		TransparencyLogs:           []sign.Transparency{sign.NewRekor(&sign.RekorOptions{BaseURL: e.Sigstore.Rekor, Version: 2})},
	})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return bundle.NewBundle(made)
}

func (e env) token(ctx context.Context, email string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Sigstore.Token, strings.NewReader(url.Values{"email": {email}}.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	var made struct {
		Token string `json:"id_token"`
	}
	if err := json.Unmarshal(answer, &made); err != nil || made.Token == "" {
		return "", fmt.Errorf("%s answers %s: %s", e.Sigstore.Token, resp.Status, answer)
	}
	return made.Token, nil
}

func (e env) verify(signed *bundle.Bundle, text, email string) error {
	trusted, err := root.NewTrustedRootFromPath(e.Sigstore.TrustedRoot)
	if err != nil {
		return err
	}
	verifier, err := verify.NewVerifier(trusted, verify.WithTransparencyLog(1), verify.WithSignedTimestamps(1))
	if err != nil {
		return err
	}
	identity, err := verify.NewShortCertificateIdentity(e.Sigstore.Issuer, "", email, "")
	if err != nil {
		return err
	}
	_, err = verifier.Verify(signed, verify.NewPolicy(verify.WithArtifact(strings.NewReader(text)), verify.WithCertificateIdentity(identity)))
	return err
}
