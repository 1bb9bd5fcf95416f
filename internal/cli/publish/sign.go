package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/reach"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// passwordVariable is the one that cosign reads too.
const passwordVariable = "COSIGN_PASSWORD"

func signing(e *env.Env) *cobra.Command {
	var key, format string
	door := &reach.Flags{}
	c := &cobra.Command{
		Use: "sign IMAGE@DIGEST…", Short: "Sign pushed images by their digests",
		Long:    "Sign stores a signature beside each image, as cosign does. The key's passphrase is read from " + passwordVariable + ".",
		Example: "  kubernaut actions sign --key kubernaut.key registry.example.com/kubernaut/actions/git-clone@sha256:…",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return signAll(cmd.Context(), e, door, with{key, format}, args)
		},
	}
	door.Add(c)
	c.Flags().StringVar(&key, "key", "", "file of the private key, as 'actions keys' or cosign writes it")
	c.Flags().StringVar(&format, "format", string(policy.Bundle), "bundle (cosign 3) or legacy (cosign 2)")
	return c
}

// with is what images are signed with, and in which format.
type with struct{ key, format string }

func signAll(ctx context.Context, e *env.Env, reached *reach.Flags, w with, refs []string) error {
	key, format := w.key, w.format
	if key == "" {
		return errors.New("name the private key with --key")
	}
	if format != string(policy.Bundle) && format != string(policy.Legacy) {
		return fmt.Errorf("format %q is not known: want bundle or legacy", format)
	}
	for _, ref := range refs {
		if !strings.Contains(ref, "@sha256:") {
			return fmt.Errorf("%s is no digest: a tag can move, so sign what 'actions push' printed", ref)
		}
	}
	private, err := os.ReadFile(key)
	if err != nil {
		return err
	}
	password := e.Getenv(passwordVariable)
	signer, err := sign.LoadSigner(private, []byte(password))
	if err != nil {
		return fmt.Errorf("read key %s with the passphrase in %s%s: %w", key, passwordVariable, unset(password), err)
	}
	door, err := reached.Registry()
	if err != nil {
		return err
	}
	for _, ref := range refs {
		img, err := door.Resolve(ctx, ref, verify.Subject{})
		if err != nil {
			return err
		}
		if err := sign.Sign(ctx, door, img, signer, policy.Format(format)); err != nil {
			return err
		}
		e.Say("✔ signed %s by key %s", img, signer.Fingerprint())
	}
	return nil
}

func keys(e *env.Env) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "keys", Short: "Make a key pair to sign with", Args: cobra.NoArgs,
		Long:    "Keys writes NAME.key, protected by the passphrase in " + passwordVariable + ", and NAME.pub, which goes into a ClusterImagePolicy.",
		Example: "  " + passwordVariable + "=… kubernaut actions keys --output kubernaut",
		RunE:    func(*cobra.Command, []string) error { return pair(e, output) },
	}
	c.Flags().StringVar(&output, "output", "kubernaut", "name of the two files without their endings")
	return c
}

// pair writes both halves of a new key, or neither.
func pair(e *env.Env, output string) error {
	password := e.Getenv(passwordVariable)
	if password == "" {
		return fmt.Errorf("set %s to the passphrase that protects the private key", passwordVariable)
	}
	private, public, err := sign.GenerateKeyPair([]byte(password))
	if err != nil {
		return err
	}
	if err := exclusive(output+".pub", public, 0o644); err != nil {
		return err
	}
	if err := exclusive(output+".key", private, 0o600); err != nil {
		return errors.Join(err, os.Remove(output+".pub"))
	}
	e.Say("✔ wrote %s.key and %s.pub", output, output)
	return nil
}

// exclusive writes a file that does not exist yet.
func exclusive(name string, data []byte, mode os.FileMode) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("write a key, which never replaces another: %w", err)
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

func unset(password string) string {
	if password == "" {
		return ", which is not set"
	}
	return ""
}
