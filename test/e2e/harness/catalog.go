package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/actions"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// CatalogFiles are the shipped workflows with Actions for the given images, as
// files of a catalog repository.
func (l *Lab) CatalogFiles(images map[string]verify.Image) (map[string]*string, error) {
	out := map[string]*string{"catalog/kustomization.yaml": Text("resources: [actions, workflows]\n")}
	entries, err := filepath.Glob(filepath.Join(l.Root, "workflows", "*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, path := range entries {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		out["catalog/workflows/"+filepath.Base(path)] = Text(string(data))
	}
	var names []string
	for _, built := range actions.All(nil) {
		c := built.Action.Contract()
		name := c.Metadata.Name
		names = append(names, name+".yaml")
		out["catalog/actions/"+name+".yaml"] = Text(fmt.Sprintf(
			"apiVersion: kubernaut.ai/v1alpha1\nkind: Action\nmetadata:\n  name: %s\nspec:\n  type: %s\n  version: %s\n  image: %s\n",
			name, c.Spec.ActionType, c.Metadata.Version, images[name]))
	}
	slices.Sort(names)
	out["catalog/actions/kustomization.yaml"] = Text("resources: [" + strings.Join(names, ", ") + "]\n")
	return out, nil
}

// Credentials makes the Secret that steps reach the forge with.
func (l *Lab) Credentials(ctx context.Context, namespace string) error {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "git-credentials"},
		StringData: map[string]string{"username": l.Forge.User, "password": l.Forge.Token}}
	return client.IgnoreAlreadyExists(l.Client.Create(ctx, s))
}
