package entry_test

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/actions/entry"
)

func TestRedactorEncodings(t *testing.T) {
	const secret = "p@ss/w0rd+with spaces?"
	r := entry.NewRedactor([]string{secret, "abc"})
	for name, text := range map[string]string{
		"plain": secret, "query": url.QueryEscape(secret), "path": url.PathEscape(secret), "userinfo": url.UserPassword("u", secret).String(),
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "base64url": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"basic 1": base64.StdEncoding.EncodeToString([]byte("a:" + secret)), "basic 2": base64.StdEncoding.EncodeToString([]byte("ab:" + secret)),
		"basic 3": base64.StdEncoding.EncodeToString([]byte("abc:" + secret)),
	} {
		got := r.Text("<" + text + ">")
		if !strings.Contains(got, "[redacted]") || len(got) > 24 {
			t.Errorf("%s: %q became %q", name, text, got)
		}
	}
	if got := r.Text("abc"); got != "abc" {
		t.Errorf("a text of three bytes became %q", got)
	}
}

func TestRedactorWriterJoinsPieces(t *testing.T) {
	var out bytes.Buffer
	w := entry.NewRedactor([]string{"canary-value"}).Writer(&out)
	for _, piece := range []string{"a can", "ary-va", "lue b\nnext canary-", "value"} {
		if _, err := w.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "a [redacted] b\nnext [redacted]" {
		t.Error(got)
	}
}

func FuzzRedactorWriter(f *testing.F) {
	f.Add("canary-value", 5, 70_000)
	f.Add("aaaaaaaa", 1, 3)
	f.Fuzz(func(t *testing.T, secret string, step, pad int) {
		secret = strings.TrimSpace(secret)
		if len(secret) < 4 || len(secret) > 100 || strings.ContainsAny(secret, "\r\n\v\f\u0085[]#redacted") || step < 1 || pad < 0 || pad > 200_000 {
			return
		}
		text := strings.Repeat("#", pad) + secret + strings.Repeat("#", pad) + secret
		var out bytes.Buffer
		w := entry.NewRedactor([]string{secret}).Writer(&out)
		for len(text) > 0 {
			n := min(step%5000+1, len(text))
			if _, err := w.Write([]byte(text[:n])); err != nil {
				t.Fatal(err)
			}
			text = text[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), secret) {
			t.Fatalf("%q is in the output", secret)
		}
	})
}
