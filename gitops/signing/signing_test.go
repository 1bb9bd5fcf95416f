package signing

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/crypto/ssh"

	"github.com/kubernaut/kubernaut/catalog/source"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify/commit"
)

func mounted(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sshKey returns the private half as ssh-keygen writes it, and the public one.
func sshKey(t *testing.T, key crypto.Signer, passphrase string) (private, public string) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	half, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), string(ssh.MarshalAuthorizedKey(half))
}

func pgpKey(t *testing.T, passphrase string) (private, public string) {
	t.Helper()
	e, err := openpgp.NewEntity("Bot", "", "bot@example.com", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return time.Unix(1700000000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	write := func(kind string, to func(*bytes.Buffer) error) string {
		var raw, out bytes.Buffer
		if err := to(&raw); err != nil {
			t.Fatal(err)
		}
		w, err := armor.Encode(&out, kind, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(raw.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	public = write(openpgp.PublicKeyType, func(b *bytes.Buffer) error { return e.Serialize(b) })
	if passphrase != "" {
		if err := e.EncryptPrivateKeys([]byte(passphrase), nil); err != nil {
			t.Fatal(err)
		}
	}
	return write(openpgp.PrivateKeyType, func(b *bytes.Buffer) error { return e.SerializePrivateWithoutSigning(b, nil) }), public
}

func TestSignaturesAreThoseThatAreVerified(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPrivate, edPublic := sshKey(t, ed, "")
	ecPrivate, ecPublic := sshKey(t, ec, "secret")
	pgpPrivate, pgpPublic := pgpKey(t, "")
	lockedPrivate, lockedPublic := pgpKey(t, "secret")
	text := []byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\na message\n")
	for name, c := range map[string]struct {
		files   map[string]string
		trusted map[string][]byte
		same    bool // a repetition signs the same
	}{
		"SSH":         {map[string]string{"identity": edPrivate, "committer": "Bot <bot@example.com>\n"}, map[string][]byte{"a.pub": []byte(edPublic)}, true},
		"SSH, locked": {map[string]string{"identity": ecPrivate, "password": "secret\n"}, map[string][]byte{"a.pub": []byte(ecPublic)}, false},
		"PGP":         {map[string]string{"git.asc": pgpPrivate}, map[string][]byte{"a.asc": []byte(pgpPublic)}, false},
		"PGP, locked": {map[string]string{"git.asc": lockedPrivate, "passphrase": "secret"}, map[string][]byte{"a.asc": []byte(lockedPublic)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := FromDir(mounted(t, c.files))
			if err != nil {
				t.Fatal(err)
			}
			if _, named := c.files["committer"]; (key.Mail == "bot@example.com" && key.Name == "Bot") != named {
				t.Errorf("committer %q <%s>", key.Name, key.Mail)
			}
			sign := func(when time.Time) string {
				got, err := key.At(when).Sign(bytes.NewReader(text))
				if err != nil {
					t.Fatal(err)
				}
				return string(got)
			}
			for _, when := range []time.Time{time.Unix(1760000000, 0), time.Unix(1000, 0)} {
				commitOf := source.Commit{Hash: strings.Repeat("0", 40), Encoded: text, Signature: sign(when)}
				if _, err := commit.Verify(commitOf, c.trusted); err != nil {
					t.Errorf("at %s: %v", when, err)
				}
			}
			when := time.Unix(1760000000, 0)
			if first, second := sign(when), sign(when); c.same && first != second {
				t.Error("a repetition signs otherwise")
			}
		})
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	locked, public := sshKey(t, ed, "secret")
	open, _ := sshKey(t, ed, "")
	pgp, pgpPublic := pgpKey(t, "secret")
	for want, files := range map[string]map[string]string{
		"neither git.asc":                 {},
		"git.asc and identity":            {"git.asc": pgp, "identity": locked},
		"identity cannot be unlocked":     {"identity": locked, "password": "wrong"},
		"identity is no SSH private key":  {"identity": public},
		"git.asc cannot be unlocked":      {"git.asc": pgp, "passphrase": "wrong"},
		"git.asc is not one armored":      {"git.asc": pgpPublic},
		"its committer is not of the for": {"identity": open, "committer": "Bot <bot@example.com>\nauthor Eve <e@e>"},
	} {
		_, err := FromDir(mounted(t, files))
		refusal, ok := run.AsRefusal(err)
		if !ok || !strings.Contains(refusal.Message, want) || strings.Contains(refusal.Message, "wrong") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if key, err := FromDir(filepath.Join(t.TempDir(), "none")); key != nil || err != nil {
		t.Errorf("without a Secret: %v, %v", key, err)
	}
	if _, err := FromDir(mounted(t, map[string]string{"identity": strings.Repeat("x", maxFile+1)})); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a huge file: %v", err)
	}
}
