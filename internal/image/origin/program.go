// Package origin says what is in an image and where it came from: a bill of
// materials in SPDX and a provenance in SLSA's form. Equal images from equal
// sources get equal documents.
package origin

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Types of the two statements.
const (
	SPDX = "https://spdx.dev/Document"
	SLSA = "https://slsa.dev/provenance/v1"
)

// Program is a compiled Go program in an image.
type Program struct {
	// Path in the image; Digest is the SHA-256 of the file in hexadecimal digits.
	Path, Digest string
	// Package is the Go package that was compiled, of the module Main.
	Package string
	// Go is the version of the toolchain, such as "go1.26.8".
	Go   string
	Main debug.Module
	// Modules that are linked in, sorted by path.
	Modules []debug.Module
	// Settings of the build, such as "-trimpath" or "GOARCH".
	Settings map[string]string
}

// Read reads a program from a file that will be at path in an image. It trusts
// what the Go linker wrote into it.
func Read(file, path string) (Program, error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return Program{}, fmt.Errorf("read build information of %s: %w", file, err)
	}
	data, err := os.Open(file)
	if err != nil {
		return Program{}, err
	}
	defer data.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, data); err != nil {
		return Program{}, fmt.Errorf("read %s: %w", file, err)
	}
	p := Program{Path: path, Digest: hex.EncodeToString(sum.Sum(nil)), Package: info.Path, Go: info.GoVersion, Main: info.Main, Settings: map[string]string{}}
	for _, m := range info.Deps {
		p.Modules = append(p.Modules, used(*m))
	}
	slices.SortFunc(p.Modules, func(a, b debug.Module) int { return cmp.Compare(a.Path, b.Path) })
	for _, s := range info.Settings {
		p.Settings[s.Key] = s.Value
	}
	return p, nil
}

// used is what was compiled where a module is replaced.
func used(m debug.Module) debug.Module {
	if m.Replace != nil {
		return *m.Replace
	}
	return m
}

// Image is what the documents are about.
type Image struct {
	// Name is the last part of the image's name, such as "actions/git-clone";
	// Digest begins with "sha256:".
	Name, Digest string
	Programs     []Program
	// Source is the address of the sources, such as
	// "git+https://github.com/kubernaut/kubernaut". Revision is the commit they
	// are at; empty where they differ from any.
	Source, Revision string
	// Builder is the address that names who built the image.
	Builder string
	// Created is what the bill says; reproducible builds fix it.
	Created time.Time
}

// modules of all programs, each once.
func (i Image) modules() []debug.Module {
	var all []debug.Module
	for _, p := range i.Programs {
		all = append(all, p.Modules...)
	}
	slices.SortFunc(all, func(a, b debug.Module) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Version, b.Version))
	})
	return slices.CompactFunc(all, func(a, b debug.Module) bool { return a.Path == b.Path && a.Version == b.Version })
}

// toolchains that compiled the programs, each once.
func (i Image) toolchains() []string {
	var all []string
	for _, p := range i.Programs {
		all = append(all, strings.TrimPrefix(p.Go, "go"))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// purl names a module as scanners do.
func purl(m debug.Module) string { return "pkg:golang/" + m.Path + "@" + m.Version }

// dirHash turns a line of go.sum into hexadecimal digits; "" if it is none.
func dirHash(sum string) string {
	text, ok := strings.CutPrefix(sum, "h1:")
	raw, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil {
		return ""
	}
	return hex.EncodeToString(raw)
}
