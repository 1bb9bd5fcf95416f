package image

import (
	"context"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/authn/kubernetes"
	corev1 "k8s.io/api/core/v1"
)

// DockerConfig returns the logins that docker or podman keep for the user who
// runs this process. It is meant for the command line.
func DockerConfig() authn.Keychain { return authn.DefaultKeychain }

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
