// Package place knows where the lab is: its addresses, folders and facts.
package place

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const (
	// IP is the node's address on the pods' bridge; everything listens there.
	IP = "10.88.0.1"
	// Bridge is the network device that pods are plugged into.
	Bridge = "kubernaut0"
	// Network is the pods' network as its plugins call it.
	Network = "kubernaut-lab"
	// PodCIDR are the addresses of pods, ServiceCIDR those of Services.
	PodCIDR, ServiceCIDR = "10.88.0.0/24", "10.96.0.0/16"
	// ServiceIP is where pods reach the Kubernetes API.
	ServiceIP = "10.96.0.1"
	// Node is the name of the only node.
	Node = "lab"
	// Registry is where images are pushed and pulled, without TLS.
	Registry = IP + ":5000"
	// ForgeURL is where the Git forge answers.
	ForgeURL = "http://" + IP + ":3000"
	// IssuerURL is who says whose identity a keyless signature has.
	IssuerURL = "http://" + IP + ":5550"
	// FulcioURL, RekorURL and TSAURL are the services of Sigstore.
	FulcioURL, RekorURL, TSAURL = "http://" + IP + ":5551", "http://" + IP + ":5552", "http://" + IP + ":5553"
	// Nobody is the user that the forge runs as; it refuses root.
	Nobody = 65534
)

// Place is one lab: what it keeps and where it tells of its progress.
type Place struct {
	// Cache holds built programs, State everything of the running lab.
	Cache, State string
	// Source is the folder of the lab's Go module.
	Source string
	// Begin is when the command started.
	Begin time.Time
	// Progress is where Say writes.
	Progress io.Writer
}

// Path is a path below the state folder.
func (p *Place) Path(parts ...string) string {
	return filepath.Join(append([]string{p.State}, parts...)...)
}

// Say prints one line of progress with the time since the command started.
func (p *Place) Say(format string, args ...any) {
	fmt.Fprintf(p.Progress, "%6.1fs  %s\n", time.Since(p.Begin).Seconds(), fmt.Sprintf(format, args...))
}

// Write writes a file below the state folder, whole or not at all.
func (p *Place) Write(name string, data []byte, mode os.FileMode) error {
	path := p.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make folder of %s: %w", name, err)
	}
	if err := os.WriteFile(path+".new", data, mode); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(path+".new", path)
}

// Random is a secret of n bytes, in hexadecimal digits.
func Random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}
