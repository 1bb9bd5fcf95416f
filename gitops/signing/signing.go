// Package signing makes the signatures of commits, as ssh-keygen and gpg do.
package signing

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Files of the Secret that holds a key. The first two have the names that Flux
// gives to keys for commits, the next two those that it gives to SSH keys.
const (
	filePGP           = "git.asc"
	filePGPPassphrase = "passphrase"
	fileSSH           = "identity"
	fileSSHPassphrase = "password"
	fileCommitter     = "committer"
)

// maxFile is how much of a file is read; a key has a few kilobytes.
const maxFile = 64 << 10

// namespace is what Git signs in: a signature for another purpose does not count.
const namespace = "git"

// Key signs commits in the name of one committer.
type Key struct {
	// Name and Mail of the committer, whose key the forge has to know it as;
	// both are empty if the Secret does not say.
	Name, Mail string

	ssh ssh.Signer
	pgp *openpgp.Entity
}

// FromDir reads a Secret that is mounted as a folder: git.asc and passphrase for
// OpenPGP, or identity and password for SSH, with no passphrase if the key has
// none; and committer, as "Name <mail>". A folder that does not exist gives nil:
// commits are not signed. What is there and cannot be used is a Refusal.
func FromDir(dir string) (*Key, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	files := map[string][]byte{}
	for _, name := range []string{filePGP, filePGPPassphrase, fileSSH, fileSSHPassphrase, fileCommitter} {
		content, err := read(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read signing key: %w", err)
		}
		if err == nil {
			files[name] = content
		}
	}
	return fromFiles(files)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		return nil, fmt.Errorf("file %s is larger than %d bytes", path, maxFile)
	}
	return content, err
}

func fromFiles(files map[string][]byte) (*Key, error) {
	k := &Key{}
	var err error
	switch pgp, ssh := files[filePGP], files[fileSSH]; {
	case len(pgp) > 0 && len(ssh) > 0:
		return nil, refuse("it has %s and %s: keep the one to sign with", filePGP, fileSSH)
	case len(pgp) > 0:
		k.pgp, err = readPGP(pgp, line(files[filePGPPassphrase]))
	case len(ssh) > 0:
		k.ssh, err = readSSH(ssh, line(files[fileSSHPassphrase]))
	default:
		return nil, refuse("it has neither %s, an armored OpenPGP key, nor %s, an SSH key", filePGP, fileSSH)
	}
	if err != nil {
		return nil, err
	}
	if text, given := files[fileCommitter]; given {
		parts := committer().FindStringSubmatch(string(line(text)))
		if parts == nil {
			return nil, refuse("its %s is not of the form \"Name <mail>\"", fileCommitter)
		}
		k.Name, k.Mail = parts[1], parts[2]
	}
	return k, nil
}

// committer is what may stand in a commit without becoming another line of it.
func committer() *regexp.Regexp {
	return regexp.MustCompile(`^([^<>\x00-\x1f]{1,100}) <([^<>@\s]{1,100}@[^<>@\s]{1,150})>$`)
}

// line takes off the line break that editors leave at the end of a file.
func line(text []byte) []byte { return bytes.TrimRight(text, "\r\n") }

func readPGP(armored, passphrase []byte) (*openpgp.Entity, error) {
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	if err != nil || len(list) != 1 || list[0].PrivateKey == nil {
		return nil, refuse("%s is not one armored OpenPGP private key (%d keys, %v)", filePGP, len(list), err)
	}
	if err := list[0].DecryptPrivateKeys(passphrase); err != nil {
		return nil, refuse("%s cannot be unlocked: check %s", filePGP, filePGPPassphrase)
	}
	return list[0], nil
}

func readSSH(text, passphrase []byte) (ssh.Signer, error) {
	var locked *ssh.PassphraseMissingError
	signer, err := ssh.ParsePrivateKey(text)
	if errors.As(err, &locked) {
		if signer, err = ssh.ParsePrivateKeyWithPassphrase(text, passphrase); err != nil {
			return nil, refuse("%s cannot be unlocked: check %s", fileSSH, fileSSHPassphrase)
		}
	}
	if err != nil {
		return nil, refuse("%s is no SSH private key", fileSSH)
	}
	return signer, nil
}

func refuse(format string, args ...any) error {
	return run.Refuse(v1alpha1.ReasonInvalid, "the Secret to sign commits with cannot be used: %s", fmt.Sprintf(format, args...))
}

// At returns what signs commits as if it were that time, so that a repetition
// signs as the first time did, as far as the kind of key allows.
func (k *Key) At(when time.Time) *Signer { return &Signer{k, when} }

// Signer signs commits at one time.
type Signer struct {
	key  *Key
	when time.Time
}

// Sign returns the signature of a commit as it stands in the commit.
func (s *Signer) Sign(commit io.Reader) ([]byte, error) {
	if s.key.ssh != nil {
		signature, err := sshsig.Sign(commit, s.key.ssh, sshsig.HashSHA512, namespace)
		if err != nil {
			return nil, fmt.Errorf("sign commit by SSH key: %w", err)
		}
		return sshsig.Armor(signature), nil
	}
	var out strings.Builder
	at := s.when
	if made := s.key.pgp.PrimaryKey.CreationTime; at.Before(made) {
		at = made // no key signs before it exists
	}
	config := &packet.Config{DefaultHash: crypto.SHA512, Time: func() time.Time { return at }}
	if err := openpgp.ArmoredDetachSign(&out, s.key.pgp, commit, config); err != nil {
		return nil, fmt.Errorf("sign commit by OpenPGP key: %w", err)
	}
	return []byte(out.String()), nil
}
