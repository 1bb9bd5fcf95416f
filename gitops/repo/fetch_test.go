package repo

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/test/gitserver"
)

const canary = "canary-token-do-not-leak"

func secret(t *testing.T, pairs ...string) Auth {
	t.Helper()
	data := map[string][]byte{}
	for i := 0; i < len(pairs); i += 2 {
		data[pairs[i]] = []byte(pairs[i+1])
	}
	a, err := AuthFromSecret(data)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func wantRefusal(t *testing.T, err error, reason run.Reason) {
	t.Helper()
	r, ok := run.AsRefusal(err)
	if !ok || r.Reason != reason {
		t.Fatalf("want refusal %s, got %v (%T)", reason, err, err)
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("error leaks the credential: %v", err)
	}
}

func TestFetchResolvesEveryKindOfReference(t *testing.T) {
	s := gitserver.New(t, "bot", canary)
	r := s.Repository("team/catalog")
	first := r.Commit("main", "first", map[string]string{"a/b.yaml": "one\n", "l@": "a/b.yaml"})
	r.Git("-c", "user.name=A", "-c", "user.email=a@example.com", "tag", "-a", "-m", "one", "v1.2.0", first)
	r.Git("tag", "v1.10.0-rc.1", first)
	second := r.Commit("main", "second\n\nwith a body", map[string]string{"a/b.yaml": "two\n", "c": "new"})
	r.Git("tag", "v1.3.0", second)
	remote := Remote{URL: r.URL, Auth: secret(t, "username", "bot", "password", canary+"\n")}
	cases := []struct {
		name     string
		ref      Ref
		revision string
		content  string
	}{
		{"default", Ref{}, "main@sha1:" + second, "two\n"},
		{"branch", Ref{Branch: "main"}, "main@sha1:" + second, "two\n"},
		{"annotated tag", Ref{Tag: "v1.2.0"}, "v1.2.0@sha1:" + first, "one\n"},
		{"semver takes no prerelease", Ref{Semver: ">=1.0.0"}, "v1.3.0@sha1:" + second, "two\n"},
		{"name", Ref{Name: "refs/tags/v1.3.0"}, "refs/tags/v1.3.0@sha1:" + second, "two\n"},
		{"commit", Ref{Commit: first}, "sha1:" + first, "one\n"},
		{"commit on branch", Ref{Commit: first, Branch: "main"}, "main@sha1:" + first, "one\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Fetch(context.Background(), remote, c.ref, t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			if got.Revision != c.revision || !strings.HasSuffix(c.revision, got.Commit.Hash) {
				t.Errorf("revision %s with commit %s, want %s", got.Revision, got.Commit.Hash, c.revision)
			}
			checkTree(t, got.Dir, c.content)
			s.Requests()
			again, err := Fetch(context.Background(), remote, c.ref, t.TempDir(), got.Revision)
			if err != nil || again.Dir != "" || again.Revision != got.Revision {
				t.Errorf("second fetch: %+v, %v", again, err)
			}
			if n := len(s.Requests()); n != 1 {
				t.Errorf("second fetch made %d requests, want 1", n)
			}
		})
	}
}

// checkTree wants this content in a/b.yaml, a link to it, and nothing beside the tree.
func checkTree(t *testing.T, dir, want string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "a/b.yaml"))
	if err != nil || string(content) != want {
		t.Errorf("content %q, %v", content, err)
	}
	if link, err := os.Readlink(filepath.Join(dir, "l")); err != nil || link != "a/b.yaml" {
		t.Errorf("link %q, %v", link, err)
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 1 {
		t.Errorf("left beside the tree: %v", left)
	}
}

func TestFetchSurvivesRewrittenHistory(t *testing.T) {
	r := gitserver.New(t, "", "").Repository("x")
	old := r.Commit("main", "old", map[string]string{"f": "old"})
	r.Git("update-ref", "-d", "refs/heads/main")
	r.Commit("main", "other root", map[string]string{"f": "new"})
	got, err := Fetch(context.Background(), Remote{URL: r.URL}, Ref{Branch: "main"}, t.TempDir(), "main@sha1:"+old)
	if err != nil || got.Commit.Message != "other root\n" || got.Commit.Author != "A Person <person@example.com>" {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestFetchRefusesWithAReason(t *testing.T) {
	s := gitserver.New(t, "bot", canary)
	r := s.Repository("x")
	s.Repository("empty")
	r.Commit("main", "first", map[string]string{"f": "1"})
	good := secret(t, "username", "bot", "password", canary)
	wrong := secret(t, "username", "bot", "password", canary+"x")
	cases := []struct {
		name   string
		remote Remote
		ref    Ref
		reason run.Reason
	}{
		{"empty repository", Remote{URL: s.URL + "/empty.git", Auth: good}, Ref{}, v1alpha1.ReasonEmptySource},
		{"no credentials", Remote{URL: r.URL}, Ref{}, v1alpha1.ReasonAuthenticationFailed},
		{"wrong credentials", Remote{URL: r.URL, Auth: wrong}, Ref{}, v1alpha1.ReasonAuthenticationFailed},
		{"no such repository", Remote{URL: s.URL + "/none.git", Auth: good}, Ref{}, v1alpha1.ReasonRepositoryNotFound},
		{"no such branch", Remote{URL: r.URL, Auth: good}, Ref{Branch: "x"}, v1alpha1.ReasonReferenceNotFound},
		{"no such tag", Remote{URL: r.URL, Auth: good}, Ref{Semver: "1.x"}, v1alpha1.ReasonReferenceNotFound},
		{"no such commit", Remote{URL: r.URL, Auth: good}, Ref{Commit: strings.Repeat("a", 40)}, v1alpha1.ReasonReferenceNotFound},
		{"short commit", Remote{URL: r.URL, Auth: good}, Ref{Commit: "abc"}, v1alpha1.ReasonReferenceNotFound},
		{"userinfo", Remote{URL: strings.Replace(r.URL, "://", "://bot:"+canary+"@", 1)}, Ref{}, v1alpha1.ReasonInsecureURL},
		{"user only", Remote{URL: strings.Replace(r.URL, "://", "://"+canary+"@", 1)}, Ref{}, v1alpha1.ReasonInsecureURL},
		{"plain http to the world", Remote{URL: "http://git.example.com/x", Auth: good}, Ref{}, v1alpha1.ReasonInsecureURL},
		{"file", Remote{URL: "file://localhost/etc"}, Ref{}, v1alpha1.ReasonInvalid},
		{"scp form", Remote{URL: "git@git.example.com:x/y"}, Ref{}, v1alpha1.ReasonInvalid},
		{"ssh without key", Remote{URL: "ssh://git@git.example.com/x", Auth: good}, Ref{}, v1alpha1.ReasonAuthenticationFailed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Fetch(context.Background(), c.remote, c.ref, t.TempDir(), "")
			wantRefusal(t, err, c.reason)
		})
	}
}

func TestFetchIsRetriedWhenNobodyAnswers(t *testing.T) {
	_, err := Fetch(context.Background(), Remote{URL: "http://127.0.0.1:1/x"}, Ref{}, t.TempDir(), "")
	if _, refused := run.AsRefusal(err); err == nil || refused {
		t.Fatalf("want a plain error, got %v", err)
	}
}

func TestAuthPrintsNoSecret(t *testing.T) {
	a := secret(t, "username", "bot", "password", canary)
	text := fmt.Sprintf("%v %+v %#v %s %q %d", a, a, a, a, a, a) + fmt.Sprintf("%v %+v", Remote{Auth: a}, Remote{Auth: a})
	if strings.Contains(text, canary) {
		t.Errorf("prints its secret: %s", text)
	}
}

func TestAuthFromDirReadsFluxKeys(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"username": "bot\n", "password": canary, "ca.crt": "PEM"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := AuthFromDir(dir)
	if err != nil || a.Token() != canary || a.Username() != "bot" || string(a.CA()) != "PEM" {
		t.Fatalf("%v %v", a, err)
	}
	if a, err = AuthFromDir(filepath.Join(dir, "none")); err != nil || a.String() != "anonymous" {
		t.Fatalf("%v %v", a, err)
	}
	_, err = AuthFromSecret(map[string][]byte{"username": []byte("x")})
	wantRefusal(t, err, v1alpha1.ReasonInvalid)
	_, err = AuthFromSecret(map[string][]byte{"identity": []byte("x")})
	wantRefusal(t, err, v1alpha1.ReasonInvalid)
}

func TestParseCommitTakesTheSignatureOut(t *testing.T) {
	raw := "tree 1\nauthor A <a@x> 1 +0000\ncommitter C <c@x> 2 +0000\ngpgsig -----BEGIN\n line\n -----END\nx-other kept\n\nsubject\n\ngpgsig not a header\n"
	want := Commit{Author: "A <a@x>", Committer: "C <c@x>", Message: "subject\n\ngpgsig not a header\n",
		Signature: "-----BEGIN\nline\n-----END\n",
		Encoded:   []byte("tree 1\nauthor A <a@x> 1 +0000\ncommitter C <c@x> 2 +0000\nx-other kept\n\nsubject\n\ngpgsig not a header\n")}
	if got := parseCommit(raw); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

func FuzzParseCommit(f *testing.F) {
	f.Add("tree 1\ngpgsig a\n b\n\nm")
	f.Add("gpgsig\n\n\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, raw string) {
		c := parseCommit(raw)
		if c.Signature == "" && !strings.Contains(raw, "gpgsig") && string(c.Encoded) != raw {
			t.Errorf("unsigned commit changed: %q became %q", raw, c.Encoded)
		}
	})
}

func TestOwnAuthorityIsTrusted(t *testing.T) {
	s := gitserver.New(t, "bot", canary)
	r := s.Repository("x")
	sha := r.Commit("main", "first", map[string]string{"f": "1"})
	backend, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(backend))
	t.Cleanup(front.Close)
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	address := front.URL + "/x.git"
	if _, err = ResolveRef(context.Background(), Remote{URL: address, Auth: secret(t, "username", "bot", "password", canary)}, Ref{}); err == nil {
		t.Error("an unknown authority is trusted")
	}
	for name, remote := range map[string]Remote{
		"with the credentials": {URL: address, Auth: secret(t, "username", "bot", "password", canary, "ca.crt", string(authority))},
		"of its own":           {URL: address, Auth: secret(t, "username", "bot", "password", canary), CA: authority},
	} {
		if got, err := ResolveRef(context.Background(), remote, Ref{}); err != nil || got != "main@sha1:"+sha {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// TestPassphraseIsNoToken: what opens an SSH key never leaves for a forge.
func TestPassphraseIsNoToken(t *testing.T) {
	for want, pairs := range map[string][]string{
		"word":   {"username", "bot", "password", "word\n"},
		"bearer": {"bearerToken", "bearer"},
		"":       {"identity", "key", "known_hosts", "host", "password", "passphrase"},
	} {
		if got := secret(t, pairs...).Token(); got != want {
			t.Errorf("%v: token %q, want %q", pairs, got, want)
		}
	}
}
