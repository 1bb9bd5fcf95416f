package git_test

import (
	"crypto/ed25519"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/kubernaut/kubernaut/catalog/source"
	verify "github.com/kubernaut/kubernaut/internal/verify/commit"
)

// sign gives a run a Secret to sign its commits with; public is the other half.
func (p *pod) sign(key ed25519.PrivateKey) (public map[string][]byte) {
	p.site.t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		p.site.t.Fatal(err)
	}
	half, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		p.site.t.Fatal(err)
	}
	secret := filepath.Join(p.vars["KUBERNAUT_CREDENTIALS"], "signing")
	if err := os.MkdirAll(secret, 0o755); err != nil {
		p.site.t.Fatal(err)
	}
	for name, text := range map[string]string{"identity": string(pem.EncodeToMemory(block)), "committer": "Repair Bot <repairs@example.com>\n"} {
		if err := os.WriteFile(filepath.Join(secret, name), []byte(text), 0o600); err != nil {
			p.site.t.Fatal(err)
		}
	}
	return map[string][]byte{"bot.pub": ssh.MarshalAuthorizedKey(half)}
}

// signature takes a commit that Git has apart.
func (s *site) signature(sha string) source.Commit {
	s.t.Helper()
	header, message, _ := strings.Cut(s.repository.Git("cat-file", "commit", sha)+"\n", "\n\n")
	c := source.Commit{Hash: sha}
	var kept []string
	inside := false
	for line := range strings.SplitSeq(header, "\n") {
		first, starts := strings.CutPrefix(line, "gpgsig ")
		if inside = starts || inside && strings.HasPrefix(line, " "); inside {
			c.Signature += strings.TrimPrefix(first, " ") + "\n"
			continue
		}
		kept = append(kept, line)
	}
	c.Encoded = []byte(strings.Join(kept, "\n") + "\n\n" + message)
	return c
}

// A signed commit is one that a catalog which verifies commits would take, in
// the name of the key's owner; another run replaces it as its own.
func TestCommitIsSigned(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	p := s.run("u1")
	trusted := p.sign(key)
	out := p.chain("app", "512Mi")
	sha := out["headSHA"].(string)
	if _, err := verify.Verify(s.signature(sha), trusted); err != nil {
		t.Error(err)
	}
	holds(t, s.repository.Git("log", "-1", "--format=%an|%cn <%ce>", sha), "Kubernaut|Repair Bot <repairs@example.com>")
	if strings.Contains(p.said.String(), "PRIVATE") {
		t.Error("the key was told")
	}

	other := s.run("u2")
	other.sign(key)
	out = other.chain("app", "768Mi")
	if got := s.repository.Git("rev-list", "--count", "main.."+out["branch"].(string)); got != "1" || out["prNumber"] != 1.0 {
		t.Errorf("%s commits on the branch of pull request %v, want 1 of 1", got, out["prNumber"])
	}

	third := s.run("u3")
	third.sign(key)
	if err := os.WriteFile(filepath.Join(third.vars["KUBERNAUT_CREDENTIALS"], "signing", "identity"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	third.clone()
	third.raise("app", "1Gi")
	if said := third.refused("git-commit", map[string]any{"message": "fix(web): raise memory"}); !strings.Contains(said, "identity is no SSH private key") {
		t.Errorf("a key that is none: %s", said)
	}
}
