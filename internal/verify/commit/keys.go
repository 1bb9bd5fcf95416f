package commit

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"golang.org/x/crypto/ssh"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// namespace is what Git signs in; a signature made for another purpose does
// not count.
const namespace = "git"

// ring is every trusted key.
type ring struct {
	pgp openpgp.EntityList
	ssh []sshKey
}

// sshKey is one line of a key file.
type sshKey struct {
	key  ssh.PublicKey
	name string // principals or comment
}

// String says how many keys there are, for messages.
func (r ring) String() string { return fmt.Sprintf("%d PGP, %d SSH", len(r.pgp), len(r.ssh)) }

func readKeys(keys map[string][]byte) (ring, error) {
	var r ring
	size := 0
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		content := keys[name]
		if size += len(content); size > maxKeys {
			return ring{}, run.Refuse(v1alpha1.ReasonVerificationFailed, "trusted keys are larger than %d bytes", maxKeys)
		}
		switch {
		case strings.HasSuffix(name, ".asc"):
			list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(content))
			if err != nil {
				return ring{}, run.Refuse(v1alpha1.ReasonVerificationFailed, "trusted key %s is no armored PGP public key: %v", name, err)
			}
			r.pgp = append(r.pgp, list...)
		case strings.HasSuffix(name, ".pub"), strings.HasSuffix(name, ".sshpub"):
			list, err := readSSH(string(content))
			if err != nil {
				return ring{}, run.Refuse(v1alpha1.ReasonVerificationFailed, "trusted key %s: %v", name, err)
			}
			r.ssh = append(r.ssh, list...)
		}
	}
	if len(r.pgp)+len(r.ssh) == 0 {
		return ring{}, run.Refuse(v1alpha1.ReasonVerificationFailed, "there is no trusted key: put PGP keys under names that end in .asc, SSH keys under names that end in .pub")
	}
	return r, nil
}

// readSSH reads lines of authorized_keys ("ssh-ed25519 AAAA… name") or of
// allowed_signers ("principals [namespaces=…] ssh-ed25519 AAAA… name").
func readSSH(content string) ([]sshKey, error) {
	var out []sshKey
	number := 0
	for line := range strings.Lines(content) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := readLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if key != nil {
			out = append(out, *key)
		}
	}
	return out, nil
}

// readLine reads one line; nil is a key that is not meant for Git.
func readLine(line string) (*sshKey, error) {
	fields := split(line)
	at := slices.IndexFunc(fields, isKeyType)
	if at < 0 || at > 2 || at+1 >= len(fields) {
		return nil, fmt.Errorf("found no SSH public key")
	}
	key, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(strings.Join(fields[at:], " ")))
	if err != nil {
		return nil, fmt.Errorf("read SSH public key: %w", err)
	}
	out := &sshKey{key: key, name: comment}
	if at > 0 {
		out.name = fields[0]
	}
	if at == 2 {
		return lawful(out, fields[1])
	}
	return out, nil
}

// lawful applies the options of an allowed_signers line. Only namespaces is
// known; times and certificates would be rules that are not kept.
func lawful(key *sshKey, options string) (*sshKey, error) {
	value, ok := strings.CutPrefix(strings.ToLower(options), `namespaces="`)
	value, closed := strings.CutSuffix(value, `"`)
	if !ok || !closed || strings.Contains(value, `"`) {
		return nil, fmt.Errorf("found options %.80q, only namespaces=\"git\" is known", options)
	}
	if !slices.Contains(strings.Split(value, ","), namespace) {
		return nil, nil
	}
	return key, nil
}

func isKeyType(word string) bool {
	for _, prefix := range []string{"ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"} {
		if strings.HasPrefix(word, prefix) {
			return true
		}
	}
	return false
}

// split cuts at spaces and tabs outside quotes.
func split(line string) []string {
	quoted := false
	return strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t')
	})
}
