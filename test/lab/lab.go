package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	// bridgeIP is the node's address on the pods' bridge; everything listens there.
	bridgeIP  = "10.88.0.1"
	bridge    = "kubernaut0"
	podCIDR   = "10.88.0.0/24"
	serviceIP = "10.96.0.1"
	node      = "lab"
)

// lab is where things are.
type lab struct {
	cache, state string
	// source is the folder of this module.
	source string
	begin  time.Time
}

func newLab() *lab {
	or := func(name, fallback string) string {
		if v := os.Getenv(name); v != "" {
			return v
		}
		return fallback
	}
	source, err := os.Getwd()
	if err != nil {
		source = "."
	}
	// Not below a home directory: the forge runs as nobody and must reach its binary.
	return &lab{
		cache: or("KUBERNAUT_CACHE", "/var/cache/kubernaut"), state: or("KUBERNAUT_LAB_STATE", "/var/lib/kubernaut-lab"),
		source: source, begin: time.Now(),
	}
}

func (l *lab) path(parts ...string) string {
	return filepath.Join(append([]string{l.state}, parts...)...)
}

// Env tells others how to reach the lab.
type Env struct {
	Kubeconfig string `json:"kubeconfig"`
	Registry   string `json:"registry"`
	Node       string `json:"node"`
	Assets     string `json:"assets"`
	AuditLog   string `json:"auditLog"`
	Forge      Forge  `json:"forge"`
}

// Forge tells how to reach the Git forge.
type Forge struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
	Token    string `json:"token,omitempty"`
}

// env reads the lab's facts, or makes them with fresh credentials.
func (l *lab) env() (Env, error) {
	var e Env
	data, err := os.ReadFile(l.path("env.json"))
	if err == nil {
		err = json.Unmarshal(data, &e)
		return e, err
	}
	e = Env{
		Kubeconfig: l.path("kubeconfig"), Registry: bridgeIP + ":5000", Node: node,
		Assets: l.binary(kubernetes()), AuditLog: l.path("log", "audit.log"),
		Forge: Forge{URL: "http://" + bridgeIP + ":3000", User: "kubernaut", Password: random(12)},
	}
	return e, l.saveEnv(e)
}

func (l *lab) saveEnv(e Env) error {
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return l.write("env.json", data, 0o600)
}

func (l *lab) printEnv() error {
	data, err := os.ReadFile(l.path("env.json"))
	if err != nil {
		return fmt.Errorf("the lab was never up: run 'up' first: %w", err)
	}
	fmt.Println(string(data))
	return nil
}

// write writes a file below the state folder, whole or not at all.
func (l *lab) write(name string, data []byte, mode os.FileMode) error {
	path := l.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", data, mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}

// poll asks until it is answered, at most for limit.
func poll(ctx context.Context, limit time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready after %s: %w", limit, err)
		case <-tick.C:
		}
	}
}
