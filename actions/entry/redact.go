package entry

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	// redacted stands in place of a secret.
	redacted = "[redacted]"
	// minSecret is the shortest text that is taken for a secret, in bytes; replacing
	// shorter ones would make logs unreadable and hide nothing: of three letters
	// or digits all can be tried, and most stand in any log.
	minSecret = 4
	// maxLine is how much of a line without an end is kept back.
	maxLine = 64 << 10
)

// Redactor replaces secrets, and the usual encodings of them, in text.
type Redactor struct {
	replacer *strings.Replacer
	longest  int
}

// NewRedactor returns a Redactor for the given secrets.
func NewRedactor(secrets []string) *Redactor {
	var forms []string
	for _, secret := range secrets {
		for _, part := range parts(secret) {
			forms = append(forms, encodings(part)...)
		}
	}
	// The longest first, so that a form is not cut by a shorter one inside it.
	slices.SortFunc(forms, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	r := &Redactor{}
	var pairs []string
	for _, form := range slices.Compact(forms) {
		r.longest = max(r.longest, len(form))
		pairs = append(pairs, form, redacted)
	}
	r.replacer = strings.NewReplacer(pairs...)
	return r
}

// parts are the whole secret, and its lines, since a log may show a key line by line.
func parts(secret string) []string {
	out := []string{strings.TrimSpace(secret)}
	for line := range strings.Lines(secret) {
		out = append(out, strings.TrimSpace(line))
	}
	return slices.DeleteFunc(out, func(s string) bool {
		return len(s) < minSecret || strings.HasPrefix(s, "-----") && !strings.Contains(s, "\n")
	})
}

func encodings(secret string) []string {
	out := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("", secret).String()[1:]}
	// A log line may quote a text that has been quoted before.
	once := quote(secret)
	out = append(out, once, quote(once))
	if web, err := json.Marshal(secret); err == nil {
		out = append(out, string(web[1:len(web)-1]))
	}
	out = append(out, base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte(secret)))
	// Inside a longer text, such as "user:password", a secret has three base64
	// forms, by its distance from the start.
	for shift := range 3 {
		padded := append(bytes.Repeat([]byte{0}, shift), secret...)
		whole := len(padded) / 3 * 4
		first := []int{0, 2, 3}[shift]
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			if text := enc.EncodeToString(padded); whole-first >= 2*minSecret {
				out = append(out, text[first:whole])
			}
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return len(s) < minSecret })
}

// quote writes the text as it stands between the quotes of JSON, Go and slog.
func quote(s string) string {
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// Text replaces the secrets in one text.
func (r *Redactor) Text(s string) string { return r.replacer.Replace(s) }

// Value replaces the secrets in every string of a decoded JSON value. A number
// that shows one becomes text.
func (r *Redactor) Value(v any) any {
	switch v := v.(type) {
	case string:
		return r.Text(v)
	case json.Number:
		if text := r.Text(v.String()); text != v.String() {
			return text
		}
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, r.Value(e))
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[r.Text(k)] = r.Value(e)
		}
		return out
	}
	return v
}

// Writer returns a writer that passes on whole lines without secrets. Close
// writes what is left of the last line.
func (r *Redactor) Writer(w io.Writer) io.WriteCloser { return &lineWriter{r: r, w: w} }

type lineWriter struct {
	r    *Redactor
	w    io.Writer
	kept []byte
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.kept = append(l.kept, p...)
	end := bytes.LastIndexByte(l.kept, '\n') + 1
	if end == 0 && len(l.kept) > maxLine+l.r.longest {
		// A secret may have begun at the end, so as much as one is kept back.
		l.kept = []byte(l.r.Text(string(l.kept)))
		end = max(0, len(l.kept)-l.r.longest)
	}
	return len(p), l.pass(end)
}

func (l *lineWriter) pass(end int) error {
	if end == 0 {
		return nil
	}
	_, err := io.WriteString(l.w, l.r.Text(string(l.kept[:end])))
	l.kept = append(l.kept[:0], l.kept[end:]...)
	return err
}

// Close writes what is left.
func (l *lineWriter) Close() error { return l.pass(len(l.kept)) }
