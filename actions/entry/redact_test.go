package entry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/actions/contract"
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

const numbers = `
apiVersion: kubernaut.ai/v1alpha1
kind: ActionContract
metadata: {name: numbers, version: v1.0.0}
spec:
  description: Takes numbers that are secret.
  actionType: test/numbers
  inputs:
    - {name: pin, type: integer, sensitive: true}
    - {name: rate, type: number, sensitive: true}
    - {name: list, type: array, sensitive: true}
    - {name: short, type: integer, sensitive: true}
  outputs:
    - {name: changed, type: boolean}
    - {name: pin, type: integer}
    - {name: size, type: integer}
  resources: {limits: {cpu: 100m, memory: 32Mi}}
`

type taker func(in contract.Values, env entry.Env) contract.Values

func (taker) Contract() contract.Contract { return contract.Must(numbers) }

func (f taker) Run(_ context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	return f(in, env), nil
}

// A number is a secret as a text is, but for one of less than four digits.
func TestNumbersAreHidden(t *testing.T) {
	w := newWorld(t)
	w.stdin = `{"pin":86420,"rate":1234567.25,"list":["first",{"second":97531}],"short":123}`
	code := w.run(taker(func(in contract.Values, env entry.Env) contract.Values {
		env.Log.Info("inputs", "in", fmt.Sprint(in), "rate", in["rate"], "plain", fmt.Sprintf("%.2f", in["rate"]), "size", 2048)
		return contract.Values{"changed": true, "pin": in.Int("pin"), "size": 2048}
	}))
	all := w.stdout.String() + w.stderr.String() + w.read(t, "outputs")
	for _, secret := range []string{"86420", "1234567.25", "1.23456725e+06", "97531", "first"} {
		if strings.Contains(all, secret) {
			t.Errorf("%s left the action:\n%s", secret, all)
		}
	}
	if code != 0 || !strings.Contains(all, "short:123") || w.read(t, "outputs") != `{"changed":true,"pin":"[redacted]","size":2048}` {
		t.Errorf("exit %d:\n%s", code, all)
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
