package forge

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/internal/run"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]struct {
		location  Location
		kind, api string
	}{
		"https://github.com/octo/app.git":         {Location{"https", "github.com", "octo", "app"}, GitHub, "https://api.github.com/"},
		"ssh://git@github.com/octo/app":           {Location{"https", "github.com", "octo", "app"}, GitHub, "https://api.github.com/"},
		"https://github.example.com/octo/app/":    {Location{"https", "github.example.com", "octo", "app"}, GitHub, "https://github.example.com/api/v3/"},
		"http://10.1.2.3:3000/team/app.git":       {Location{"http", "10.1.2.3:3000", "team", "app"}, Gitea, "http://10.1.2.3:3000"},
		"ssh://git@git.example.com:2222/team/app": {Location{"https", "git.example.com", "team", "app"}, Gitea, "https://git.example.com"},
	} {
		got, err := ParseURL(text)
		if err != nil || got != want.location || got.Kind() != want.kind || got.APIURL(got.Kind()) != want.api {
			t.Errorf("%s: %+v %s %s, %v", text, got, got.Kind(), got.APIURL(got.Kind()), err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, text := range []string{"", "https://u:secret@h/o/n", "git@h:o/n", "file:///o/n", "https://h/o", "https://h/o/n/x", "https:///o/n", "ssh://:22/o/n", "https://h/%2e%2e/n", "https://h/o/..", "%"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseURL(text)
		if err != nil {
			if _, ok := run.AsRefusal(err); !ok || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		for _, part := range []string{l.Owner, l.Name} {
			if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "/?#\\ \n") {
				t.Errorf("%q gives %+v", text, l)
			}
		}
	})
}

func TestAnswersAreBounded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for range 2 * maxAnswer / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	resp, err := Client(nil).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	n := 0
	for buffer := make([]byte, 1<<16); ; {
		m, err := resp.Body.Read(buffer)
		if n += m; err != nil {
			break
		}
	}
	if n > maxAnswer {
		t.Errorf("%d bytes were read", n)
	}
}
