package origin

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Bill is a document in the JSON form of SPDX 2.3.
type Bill struct {
	Version       string         `json:"spdxVersion"`
	License       string         `json:"dataLicense"`
	ID            string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	Creation      Creation       `json:"creationInfo"`
	Packages      []Package      `json:"packages"`
	Relationships []Relationship `json:"relationships"`
}

// Creation says when and with what a bill was made.
type Creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

// Package is an image, a program, a module or the toolchain.
type Package struct {
	ID       string `json:"SPDXID"`
	Name     string `json:"name"`
	Version  string `json:"versionInfo,omitempty"`
	Location string `json:"downloadLocation"`
	// Analyzed is false: the files inside were not looked at one by one.
	Analyzed  bool        `json:"filesAnalyzed"`
	Purpose   string      `json:"primaryPackagePurpose,omitempty"`
	Checksums []Checksum  `json:"checksums,omitempty"`
	Refs      []Reference `json:"externalRefs,omitempty"`
	Comment   string      `json:"comment,omitempty"`
}

// Checksum of a package's bytes.
type Checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

// Reference names a package as others do.
type Reference struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

// Relationship of two packages.
type Relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

const (
	document = "SPDXRef-DOCUMENT"
	whole    = "SPDXRef-Image"
	nowhere  = "NOASSERTION"
)

// Bill lists the image, its programs, and the modules and toolchains in them.
func (i Image) Bill() Bill {
	hex := strings.TrimPrefix(i.Digest, "sha256:")
	b := Bill{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: document, Name: i.Name,
		Namespace: "https://kubernaut.ai/spdx/" + i.Name + "/" + hex,
		Creation:  Creation{Created: i.Created.UTC().Format(time.RFC3339), Creators: []string{"Tool: kubernaut"}},
	}
	b.Packages = append(b.Packages, Package{
		ID: whole, Name: i.Name, Version: i.Digest, Location: nowhere, Purpose: "CONTAINER", Checksums: []Checksum{{"SHA256", hex}},
	})
	b.relate(document, "DESCRIBES", whole)
	ids := map[string]string{}
	for n, m := range i.modules() {
		p := Package{ID: fmt.Sprintf("SPDXRef-Module-%d", n+1), Name: m.Path, Version: m.Version, Location: nowhere, Purpose: "LIBRARY", Refs: named(purl(m))}
		if m.Sum != "" {
			p.Comment = "go.sum: " + m.Sum // of a tree and not of an archive, so that it is no checksum in SPDX's sense
		}
		ids[purl(m)] = p.ID
		b.Packages = append(b.Packages, p)
	}
	for n, version := range i.toolchains() {
		id := fmt.Sprintf("SPDXRef-Go-%d", n+1)
		ids["go"+version] = id
		b.Packages = append(b.Packages, Package{ID: id, Name: "stdlib", Version: version, Location: nowhere, Purpose: "LIBRARY", Refs: named("pkg:golang/stdlib@" + version)})
	}
	for n, p := range i.Programs {
		b.program(fmt.Sprintf("SPDXRef-Program-%d", n+1), p, i, ids)
	}
	return b
}

func (b *Bill) program(id string, p Program, i Image, ids map[string]string) {
	b.Packages = append(b.Packages, Package{
		ID: id, Name: p.Package, Version: cmp.Or(i.Revision, p.Main.Version), Location: nowhere, Purpose: "APPLICATION",
		Checksums: []Checksum{{"SHA256", p.Digest}}, Comment: "file " + p.Path + " of the image",
	})
	b.relate(whole, "CONTAINS", id)
	b.relate(id, "DEPENDS_ON", ids[p.Go])
	for _, m := range p.Modules {
		b.relate(id, "DEPENDS_ON", ids[purl(m)])
	}
}

func (b *Bill) relate(from, kind, to string) {
	b.Relationships = append(b.Relationships, Relationship{from, kind, to})
}

func named(purl string) []Reference {
	return []Reference{{"PACKAGE-MANAGER", "purl", purl}}
}
