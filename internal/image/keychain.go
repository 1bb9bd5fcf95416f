package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/authn/kubernetes"
	corev1 "k8s.io/api/core/v1"
)

// maxConfig bounds a file of logins; Kubernetes bounds a Secret alike.
const maxConfig = 1 << 20

// DockerConfig returns the logins that docker or podman keep for the user who
// runs this process. It is meant for the command line.
func DockerConfig() authn.Keychain { return authn.DefaultKeychain }

// ConfigFile returns what reads the docker config.json at path: each time anew,
// because a mounted Secret changes. It reads it once to say at once what is
// wrong. Credential helpers are refused: none is ever started, and some hand a
// cloud token to look-alike host names.
func ConfigFile(path string) (func() ([]byte, error), error) {
	read := func() ([]byte, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read registry logins: %w", err)
		}
		defer file.Close()
		data, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
		if err != nil {
			return nil, fmt.Errorf("read registry logins: %w", err)
		}
		if len(data) > maxConfig {
			return nil, fmt.Errorf("read registry logins: %s has more than %d bytes", path, maxConfig)
		}
		return data, nil
	}
	data, err := read()
	if err != nil {
		return nil, err
	}
	var config struct {
		Auths       map[string]json.RawMessage
		CredHelpers map[string]string
		CredsStore  string
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return nil, fmt.Errorf("registry logins %s are no docker config.json: %w", path, err)
	}
	if len(config.CredHelpers) > 0 || config.CredsStore != "" {
		return nil, fmt.Errorf("registry logins %s name credential helpers, which are not started: write the logins into auths", path)
	}
	return read, nil
}

// pullSecrets makes a keychain that matches like the kubelet does. There are no
// cloud helpers on purpose: some hand a cloud token to look-alike host names.
func pullSecrets(ctx context.Context, documents [][]byte) (authn.Keychain, error) {
	secrets := make([]corev1.Secret, 0, len(documents))
	for _, d := range documents {
		secrets = append(secrets, corev1.Secret{
			Type: corev1.SecretTypeDockerConfigJson,
			Data: map[string][]byte{corev1.DockerConfigJsonKey: d},
		})
	}
	return kubernetes.NewFromPullSecrets(ctx, secrets)
}
