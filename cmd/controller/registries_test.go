package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/test/registry"
)

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRegistryFlags(t *testing.T) {
	served := registry.New(t, registry.Options{TLS: true})
	config := file(t, "config.json", `{"auths":{"a":{}}}`)
	o, err := parse([]string{
		"--registry-config=" + config, "--registry-ca=" + file(t, "ca.pem", string(served.CA())), "--insecure-registries=a:5000,b",
	}, from(nil))
	if err != nil {
		t.Fatal(err)
	}
	got, err := o.registries(nil)
	if err != nil || strings.Join(got.Insecure, " ") != "a:5000 b" || got.Roots == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	// A mounted Secret changes under a running controller.
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := got.Config(); err != nil || string(data) != "{}" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestWrongRegistryFlagsStopTheStart(t *testing.T) {
	for _, c := range []struct{ flag, want string }{
		{"--insecure-registries=http://a", `--insecure-registries: "http://a" is no host`},
		{"--registry-ca=" + file(t, "ca.pem", "none"), "there is no certificate in it"},
		{"--registry-ca=/nowhere", "--registry-ca: open /nowhere"},
		{"--registry-config=/nowhere", "--registry-config: read registry logins: open /nowhere"},
		{"--registry-config=" + file(t, "a", "none"), "no docker config.json"},
		{"--registry-config=" + file(t, "b", `{"credHelpers":{"x.azurecr.io":"acr"}}`), "credential helpers, which are not started"},
		{"--registry-config=" + file(t, "c", `{"credsStore":"desktop"}`), "credential helpers, which are not started"},
		{"--registry-config=" + file(t, "d", strings.Repeat(" ", 1<<20+1)), "more than 1048576 bytes"},
	} {
		o, err := parse([]string{c.flag}, from(nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.registries(nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.flag, err, c.want)
		}
	}
}

// Both kinds of pull secrets open the same registry.
func TestLoginsOfBothKinds(t *testing.T) {
	served := registry.New(t, registry.Options{Tokens: &registry.Tokens{Users: map[string]string{"puller": "secret"}}})
	login := fmt.Sprintf(`{%q:{"username":"puller","password":"secret"}}`, served.Host())
	for kind, data := range map[corev1.SecretType]map[string][]byte{
		corev1.SecretTypeDockercfg:        {corev1.DockerConfigKey: []byte(login)},
		corev1.SecretTypeDockerConfigJson: {corev1.DockerConfigJsonKey: []byte(`{"auths":` + login + `}`)},
	} {
		reader := image.New(image.Options{Insecure: []string{served.Host()}, Credentials: func(context.Context, verify.Subject) ([][]byte, error) {
			return [][]byte{image.SecretLogins(string(kind), data), image.SecretLogins(string(kind), nil)}, nil
		}})
		// That nothing is there is only told to those who may look.
		_, err := reader.Resolve(t.Context(), served.Image("actions/a")+":v1", verify.Subject{})
		if refusal, ok := run.AsRefusal(err); !ok || refusal.Reason != v1alpha1.ReasonImageNotFound {
			t.Errorf("%s: error %v", kind, err)
		}
	}
}
