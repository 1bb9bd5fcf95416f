package publish

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
)

// passwordVariable is the one that cosign reads too.
const passwordVariable = "COSIGN_PASSWORD"

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
