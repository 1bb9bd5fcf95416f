package commit

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog/source"
	"github.com/kubernaut/kubernaut/internal/run"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// load reads a commit object that git wrote and takes its signature out.
func load(t testing.TB, name string) source.Commit {
	t.Helper()
	c := source.Commit{Hash: strings.Repeat("0", 40), Committer: "Ada <ada@example.com>"}
	header, message, _ := strings.Cut(string(read(t, name+".commit")), "\n\n")
	var kept, signature []string
	inside := false
	for _, line := range strings.Split(header, "\n") {
		first, starts := strings.CutPrefix(line, "gpgsig ")
		switch {
		case starts:
			inside = true
			signature = append(signature, first)
		case inside && strings.HasPrefix(line, " "):
			signature = append(signature, line[1:])
		default:
			inside = false
			kept = append(kept, line)
		}
	}
	c.Signature = strings.Join(signature, "\n")
	c.Encoded = []byte(strings.Join(kept, "\n") + "\n\n" + message)
	return c
}

// The commits in testdata were made by git, gpg and ssh-keygen.
func TestVerifyCommitsOfGit(t *testing.T) {
	keys := map[string][]byte{"README": []byte("not a key")}
	for _, name := range []string{"ada.asc", "eve.asc", "ed.pub", "ec.pub", "rsa.pub"} {
		keys[name] = read(t, name)
	}
	for _, c := range []struct{ commit, key, signer string }{
		{"pgp-ed25519", "ada.asc", "(Ada Example <ada@example.com>)"},
		{"pgp-rsa", "eve.asc", "(Eve Example <eve@example.com>)"},
		{"ssh-ed", "ed.pub", "(ada@example.com)"},
		{"ssh-ec", "ec.pub", "(eve@example.com)"},
		{"ssh-rsa", "rsa.pub", "(rsa@example.com)"},
	} {
		t.Run(c.commit, func(t *testing.T) {
			commit := load(t, c.commit)
			signer, err := Verify(commit, keys)
			if err != nil || !strings.HasSuffix(signer, c.signer) {
				t.Errorf("signer %q, error %v", signer, err)
			}
			if _, err := Verify(commit, map[string][]byte{"k" + filepath.Ext(c.key): keys[c.key]}); err != nil {
				t.Errorf("with its own key alone: %v", err)
			}
			others := map[string][]byte{}
			for name, key := range keys {
				if name != c.key {
					others[name] = key
				}
			}
			refused(t, commit, others)
			for _, at := range []int{0, len(commit.Encoded) / 2, len(commit.Encoded) - 1} {
				changed := commit
				changed.Encoded = bytes.Clone(commit.Encoded)
				changed.Encoded[at] ^= 1
				refused(t, changed, keys)
			}
		})
	}
}

func refused(t *testing.T, c source.Commit, keys map[string][]byte) {
	t.Helper()
	signer, err := Verify(c, keys)
	refusal, ok := run.AsRefusal(err)
	if !ok || refusal.Reason != v1alpha1.ReasonVerificationFailed || signer != "" {
		t.Errorf("signer %q, error %v", signer, err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	signed := load(t, "ssh-ed")
	ed := read(t, "ed.pub")
	swap := func(change func(*source.Commit)) source.Commit {
		c := signed
		change(&c)
		return c
	}
	for _, c := range []struct {
		name   string
		commit source.Commit
		keys   map[string][]byte
	}{
		{"unsigned", load(t, "unsigned"), map[string][]byte{"a.pub": ed}},
		{"no keys", signed, nil},
		{"no key with a known name", signed, map[string][]byte{"key": ed}},
		{"signature of another commit", swap(func(c *source.Commit) { c.Signature = load(t, "ssh-ec").Signature }), map[string][]byte{"a.pub": append(ed, read(t, "ec.pub")...)}},
		{"signature of another kind", swap(func(c *source.Commit) { c.Signature = "-----BEGIN SIGNED MESSAGE-----" }), map[string][]byte{"a.pub": ed}},
		{"signature without end", swap(func(c *source.Commit) { c.Signature = sshHeader + "\nU1NI" }), map[string][]byte{"a.pub": ed}},
		{"signature too large", swap(func(c *source.Commit) { c.Signature += strings.Repeat("A", maxSignature) }), map[string][]byte{"a.pub": ed}},
		{"no content", swap(func(c *source.Commit) { c.Encoded = nil }), map[string][]byte{"a.pub": ed}},
		{"one key file that cannot be read", signed, map[string][]byte{"a.pub": ed, "b.pub": []byte("nonsense")}},
		{"PGP keys that cannot be read", signed, map[string][]byte{"a.pub": ed, "b.asc": []byte("nonsense")}},
		{"keys too large", signed, map[string][]byte{"a.pub": bytes.Repeat(ed, maxKeys/len(ed)+1)}},
		{"key for another namespace", signed, map[string][]byte{"a.pub": append([]byte(`ada@example.com namespaces="file" `), ed...)}},
		{"option that would not be kept", signed, map[string][]byte{"a.pub": append([]byte(`ada@example.com valid-before="20200101" `), ed...)}},
		{"second option hidden behind the first", signed, map[string][]byte{"a.pub": append([]byte(`ada@example.com namespaces="git",valid-before="20200101" `), ed...)}},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, c.commit, c.keys) })
	}
}

func TestVerifyAllowedSigners(t *testing.T) {
	for _, prefix := range []string{"ada@example.com ", `ada@example.com,*@example.org namespaces="git,file" `, "# comment\n\n  ada@example.com\t"} {
		signer, err := Verify(load(t, "ssh-ed"), map[string][]byte{"allowed.pub": append([]byte(prefix), read(t, "ed.pub")...)})
		if err != nil || !strings.Contains(signer, "(ada@example.com") {
			t.Errorf("%q: signer %q, error %v", prefix, signer, err)
		}
	}
}

// A signature made for another purpose with a trusted key does not count.
func TestVerifyRefusesOtherNamespace(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string][]byte{"a.pub": ssh.MarshalAuthorizedKey(signer.PublicKey())}
	for _, namespace := range []string{"git", "file", "git "} {
		c := load(t, "unsigned")
		sig, err := sshsig.Sign(bytes.NewReader(c.Encoded), signer, sshsig.HashSHA512, namespace)
		if err != nil {
			t.Fatal(err)
		}
		c.Signature = string(sshsig.Armor(sig))
		if _, err := Verify(c, keys); (err == nil) != (namespace == "git") {
			t.Errorf("namespace %q: %v", namespace, err)
		}
	}
}

// FuzzVerify: no signature but that of the fixture is ever taken for its
// content, and nothing panics.
func FuzzVerify(f *testing.F) {
	ed, pgp := load(f, "ssh-ed"), load(f, "pgp-ed25519")
	keys := map[string][]byte{"a.pub": read(f, "ed.pub"), "b.asc": read(f, "ada.asc")}
	f.Add(ed.Signature, []byte("x"), "ssh-ed25519 AAAA x")
	f.Add(pgp.Signature, pgp.Encoded, `a namespaces="git" ssh-rsa A`)
	f.Add(sshHeader+"\n\n"+"-----END SSH SIGNATURE-----", []byte("x"), `"`)
	f.Fuzz(func(t *testing.T, signature string, encoded []byte, line string) {
		_, err := Verify(source.Commit{Signature: signature, Encoded: encoded}, keys)
		if err == nil && !bytes.Equal(encoded, ed.Encoded) && !bytes.Equal(encoded, pgp.Encoded) {
			t.Errorf("%q was taken as signed", encoded)
		}
		if got, err := readSSH(line); err == nil && len(got) > strings.Count(line, "\n")+1 {
			t.Errorf("%d keys from %q", len(got), line)
		}
	})
}
