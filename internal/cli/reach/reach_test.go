package reach

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/test/registry"
)

func given(t *testing.T, args ...string) *Flags {
	t.Helper()
	f, c := &Flags{}, &cobra.Command{}
	f.Add(c)
	if err := c.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return f
}

func file(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRegistry(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	plain, secure := registry.New(t, registry.Options{}), registry.New(t, registry.Options{TLS: true})
	f := given(t, "--insecure-registries", plain.Host(), "--registry-ca", file(t, secure.CA()))
	img, err := image.Build(image.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	for _, served := range []*registry.Registry{plain, secure} {
		door, err := f.Registry()
		if err != nil {
			t.Fatal(err)
		}
		pushed, err := door.Push(t.Context(), served.Image("a")+":v1", img)
		if err != nil {
			t.Fatal(err)
		}
		if err := door.Look(t.Context(), pushed, verify.Subject{}); err != nil {
			t.Error(err)
		}
		if door, err = given(t).Registry(); err != nil {
			t.Fatal(err)
		}
		if err := door.Look(t.Context(), pushed, verify.Subject{}); err == nil {
			t.Errorf("%s is reached without a flag", served.Host())
		}
	}
}

func TestWrongFlags(t *testing.T) {
	for _, c := range []struct{ flag, want string }{
		{"--insecure-registries=http://a", "--insecure-registries: \"http://a\" is no host"},
		{"--registry-ca=/nowhere", "--registry-ca: open /nowhere"},
		{"--registry-ca=" + file(t, nil), "there is no certificate in it"},
	} {
		if _, err := given(t, c.flag).Registry(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.flag, err, c.want)
		}
	}
}
