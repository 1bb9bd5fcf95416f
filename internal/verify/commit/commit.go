// Package commit says whether a trusted key signed a Git commit.
package commit

import (
	"fmt"
	"strings"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog/source"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Bounds of what is parsed: real signatures are a few kilobytes and a Secret
// holds at most 1 MiB.
const (
	maxSignature = 64 << 10
	maxKeys      = 1 << 20
)

// Headers by which the two kinds of signatures are told apart.
const (
	pgpHeader = "-----BEGIN PGP SIGNATURE-----"
	sshHeader = "-----BEGIN SSH SIGNATURE-----"
)

// Verify returns who signed the commit: the key and the name it goes by. keys
// is a Secret's data: armored PGP public keys where the name ends in .asc, SSH
// public keys as lines of authorized_keys or allowed_signers where it ends in
// .pub or .sshpub; other names are not looked at. Every error is a Refusal
// that says what was found. A key file that cannot be read refuses
// everything: it may have been meant to restrict.
func Verify(c source.Commit, keys map[string][]byte) (signer string, err error) {
	ring, err := readKeys(keys)
	if err != nil {
		return "", err
	}
	signature := strings.TrimSpace(c.Signature)
	switch {
	case signature == "":
		return "", refuse(c, "is not signed: sign it with one of the trusted keys (%s)", ring)
	case len(signature) > maxSignature:
		return "", refuse(c, "has a signature of %d bytes, at most %d are read", len(signature), maxSignature)
	case len(c.Encoded) == 0:
		return "", refuse(c, "came without its content")
	case strings.HasPrefix(signature, pgpHeader):
		return ring.verifyPGP(c, signature)
	case strings.HasPrefix(signature, sshHeader):
		return ring.verifySSH(c, signature)
	default:
		kind, _, _ := strings.Cut(signature, "\n")
		return "", refuse(c, "has a signature that is neither PGP nor SSH: %.60q", kind)
	}
}

func refuse(c source.Commit, format string, args ...any) error {
	return run.Refuse(v1alpha1.ReasonVerificationFailed, "commit %.40s by %.120q %s", c.Hash, c.Committer, fmt.Sprintf(format, args...))
}
