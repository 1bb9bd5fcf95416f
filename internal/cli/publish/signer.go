package publish

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
)

const (
	// tokenVariable is the one that cosign reads too.
	tokenVariable = "SIGSTORE_ID_TOKEN"
	// maxToken bounds an identity token: real ones have 1 to 4 KiB.
	maxToken = 64 << 10
)

// signer is who signs, as flags say.
type signer struct {
	key, token string
	services   sign.Services
}

func (s *signer) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.key, "key", "", "file of the private key, as 'actions keys' or cosign writes it, or plain PEM")
	f.StringVar(&s.token, "identity-token", "", "file of an identity token to sign with instead of a key; - is the standard input, and "+tokenVariable+" is read without this flag")
	f.StringVar(&s.services.Fulcio, "fulcio", "", "address of Fulcio, which issues a certificate for the identity")
	f.StringVar(&s.services.Rekor, "rekor", "", "address of a transparency log that each signature is entered in")
	f.Uint32Var(&s.services.RekorVersion, "rekor-version", 2, "version of that log: 2 or 1")
	f.StringVar(&s.services.Timestamp, "timestamp-authority", "", "full address of an authority that says when (RFC 3161)")
	c.MarkFlagsMutuallyExclusive("key", "identity-token")
}

// load reads the key or the token.
func (s *signer) load(e *env.Env) (*sign.Signer, error) {
	if err := s.addresses(); err != nil {
		return nil, err
	}
	if s.key != "" {
		return s.byKey(e)
	}
	token, err := s.identity(e)
	if err != nil {
		return nil, err
	}
	return sign.Keyless(token, s.services)
}

func (s *signer) addresses() error {
	if v := s.services.RekorVersion; v != 1 && v != 2 {
		return fmt.Errorf("there is no Rekor of version %d: want 1 or 2", v)
	}
	for flag, text := range map[string]string{"fulcio": s.services.Fulcio, "rekor": s.services.Rekor, "timestamp-authority": s.services.Timestamp} {
		u, err := url.Parse(text)
		if text != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
			return fmt.Errorf("--%s %q is no address: want https://host or http://host", flag, text)
		}
	}
	return nil
}

func (s *signer) byKey(e *env.Env) (*sign.Signer, error) {
	if s.services.Fulcio != "" {
		return nil, errors.New("--fulcio issues certificates for identities: give --identity-token instead of --key, or leave it out")
	}
	private, err := os.ReadFile(s.key)
	if err != nil {
		return nil, fmt.Errorf("read --key: %w", err)
	}
	password := e.Getenv(passwordVariable)
	by, err := sign.LoadSigner(private, []byte(password))
	if err != nil {
		return nil, fmt.Errorf("read key %s with the passphrase in %s%s: %w", s.key, passwordVariable, unset(password), err)
	}
	return by.With(s.services), nil
}

func (s *signer) identity(e *env.Env) (string, error) {
	text, from := e.Getenv(tokenVariable), io.Reader(nil)
	switch {
	case s.token == "-":
		from = e.In
	case s.token != "":
		file, err := os.Open(s.token)
		if err != nil {
			return "", fmt.Errorf("read --identity-token: %w", err)
		}
		defer file.Close()
		from = file
	case text == "":
		return "", fmt.Errorf("say who signs: --key, or --identity-token, or %s", tokenVariable)
	}
	if from != nil {
		data, err := io.ReadAll(io.LimitReader(from, maxToken))
		if err != nil {
			return "", fmt.Errorf("read --identity-token: %w", err)
		}
		text = string(data)
	}
	return strings.TrimSpace(text), nil
}
