package place

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

func TestRefreshEnvKeepsCredentials(t *testing.T) {
	p := &Place{State: t.TempDir()}
	if _, err := p.ReadEnv(); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before: %v, want fs.ErrNotExist", err)
	}
	if err := p.RefreshEnv("/old"); err != nil {
		t.Fatal(err)
	}
	first, err := p.ReadEnv()
	if err != nil || first.Forge.Password == "" || first.Assets != "/old" {
		t.Fatalf("first: %+v, %v", first, err)
	}
	first.Forge.Token = "token"
	if err := p.WriteEnv(first); err != nil {
		t.Fatal(err)
	}
	if err := p.RefreshEnv("/new"); err != nil {
		t.Fatal(err)
	}
	second, err := p.ReadEnv()
	first.Assets = "/new"
	if err != nil || second != first {
		t.Errorf("second: %+v, %v; want %+v", second, err, first)
	}
	if info, err := os.Stat(p.Path("env.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the password: %v, %v", info.Mode(), err)
	}
}
