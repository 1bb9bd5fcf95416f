// Package crd sends the sample manifests to a real API server: what the schemas
// and admission rules must accept, and what they must refuse with which words.
package crd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/kubernaut/kubernaut/internal/cli/install"
)

const (
	accepted = "accepted"
	rejected = "../rejected"
)

func TestSamples(t *testing.T) {
	env := server(t)
	admin := user(t, env, envtest.User{Name: "admin", Groups: []string{"system:masters"}})
	c := strict(t, admin)
	account := user(t, env, envtest.User{Name: controllerAccount, Groups: []string{"system:serviceaccounts", "system:authenticated"}})
	controller := strict(t, account)
	untilRefused(t, "the approver policy", func() error {
		o := documents(t, filepath.Join(rejected, "approval", "other-name.yaml"))[0]
		o.SetName("probe")
		return c.Create(t.Context(), o, client.DryRunAll)
	})
	untilRefused(t, "the suspender policy", func() error {
		o := documents(t, filepath.Join(rejected, "workflowexecution", "suspend-in-another-name.yaml"))[0]
		o.SetName("probe")
		return c.Create(t.Context(), o, client.DryRunAll)
	})
	untilRefused(t, "the image policy", func() error {
		o := documents(t, filepath.Join(rejected, "clusterimagepolicy", "kms.yaml"))[0]
		o.SetName("probe")
		return c.Create(t.Context(), o, client.DryRunAll)
	})
	untilRefused(t, "the ceiling policy", func() error {
		return controller.Create(t.Context(), stepRole("probe", "", "secrets", "get"), client.DryRunAll)
	})
	untilRefused(t, "the binding policy", func() error {
		return controller.Create(t.Context(), stepBinding(func(b *rbacv1.RoleBinding) {
			b.RoleRef.Kind, b.RoleRef.Name = "ClusterRole", "kubernaut-controller"
		}), client.DryRunAll)
	})
	for _, file := range samples(t, accepted) {
		t.Run(file, func(t *testing.T) {
			if err := send(t, c, file); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
	for _, file := range samples(t, rejected) {
		t.Run(file, func(t *testing.T) {
			want := wanted(t, file)
			if err := send(t, c, file); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
	documented(t, c)
	ceiling(t, c, controller)
	suspended(t, c, controller)
	unknown(t, admin)
	configured(t, admin, account)
}

// server starts an API server with everything that an installation brings.
func server(t *testing.T) *envtest.Environment {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("KUBEBUILDER_ASSETS is not set: run 'make test', or set it to what 'go -C test/lab run . assets' prints")
	}
	env := &envtest.Environment{}
	config, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	objects, err := install.Build("../../kustomize/overlays/default", "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second changes nothing
		if err := install.Apply(t.Context(), config, objects, install.Options{NoWait: true}); err != nil {
			t.Fatal(err)
		}
	}
	return env
}

// user is how somebody reaches the server in his own name.
func user(t *testing.T, env *envtest.Environment, who envtest.User) *rest.Config {
	t.Helper()
	u, err := env.AddUser(who, nil)
	if err != nil {
		t.Fatal(err)
	}
	return u.Config()
}

// strict returns a client whose unknown fields are refused.
func strict(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return client.WithFieldValidation(c, "Strict")
}

// untilRefused waits for the API server to have compiled an admission policy,
// which it does some moments after it was written.
func untilRefused(t *testing.T, what string, ask func() error) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		return ask() != nil, nil
	})
	if err != nil {
		t.Fatalf("%s never spoke: %v", what, err)
	}
}

func samples(t *testing.T, root string) []string {
	t.Helper()
	return find(t, root, ".yaml")
}

func find(t *testing.T, root, suffix string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, suffix) {
			out = append(out, p)
		}
		return err
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("no %s in %s: %v", suffix, root, err)
	}
	return out
}

// wanted is the message on the first line of a rejected sample.
func wanted(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	want, ok := strings.CutPrefix(first, "# want: ")
	if !ok || want == "" {
		t.Fatalf("%s: the first line must be '# want: <message>'", file)
	}
	return want
}

func documents(t *testing.T, file string) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var out []*unstructured.Unstructured
	for {
		o := &unstructured.Unstructured{}
		if err := d.Decode(o); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		o.SetNamespace("default")
		o.SetName(strings.TrimSuffix(filepath.Base(file), ".yaml"))
		out = append(out, o)
	}
}

// send creates the first document of a file and updates it to each further
// one. Only the last may be refused.
func send(t *testing.T, c client.Client, file string) error {
	t.Helper()
	docs := documents(t, file)
	last := len(docs) - 1
	for i, o := range docs {
		var err error
		if i == 0 {
			err = c.Create(t.Context(), o)
		} else {
			o.SetResourceVersion(docs[i-1].GetResourceVersion())
			err = c.Update(t.Context(), o)
		}
		if err != nil && i < last {
			t.Fatalf("document %d: %v", i, err)
		}
		if err != nil {
			return err
		}
		if i == 0 {
			t.Cleanup(func() { _ = c.Delete(context.WithoutCancel(t.Context()), o.DeepCopy()) })
		}
	}
	return nil
}
