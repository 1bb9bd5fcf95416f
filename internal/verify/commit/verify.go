package commit

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/kubernaut/kubernaut/catalog/source"
)

func (r ring) verifyPGP(c source.Commit, signature string) (string, error) {
	entity, err := openpgp.CheckArmoredDetachedSignature(r.pgp, bytes.NewReader(c.Encoded), strings.NewReader(signature), nil)
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return "", refuse(c, "is signed by a PGP key that is not trusted (trusted are %s)", r)
	case err != nil:
		return "", refuse(c, "has a PGP signature that does not hold: %v", err)
	case entity == nil || entity.PrimaryKey == nil:
		return "", refuse(c, "has a PGP signature without a signer")
	}
	signer := "PGP key " + entity.PrimaryKey.KeyIdString()
	if id := entity.PrimaryIdentity(); id != nil {
		signer += fmt.Sprintf(" (%.200s)", id.Name)
	}
	return signer, nil
}

func (r ring) verifySSH(c source.Commit, signature string) (string, error) {
	sig, err := sshsig.Unarmor([]byte(signature))
	if err != nil {
		return "", refuse(c, "has an SSH signature that cannot be read: %v", err)
	}
	found := ssh.FingerprintSHA256(sig.PublicKey)
	for _, trusted := range r.ssh {
		if ssh.FingerprintSHA256(trusted.key) != found {
			continue
		}
		if err := sshsig.Verify(bytes.NewReader(c.Encoded), sig, trusted.key, sig.HashAlgorithm, namespace); err != nil {
			return "", refuse(c, "has an SSH signature by %s that does not hold: %v", found, err)
		}
		signer := "SSH key " + found
		if trusted.name != "" {
			signer += fmt.Sprintf(" (%.200s)", trusted.name)
		}
		return signer, nil
	}
	return "", refuse(c, "is signed by SSH key %s, which is not trusted (trusted are %s)", found, r)
}
