package origin

import (
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

func sample() Image {
	other := debug.Module{Path: "example.com/b", Version: "v2.0.0", Sum: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}
	return Image{
		Name: "actions/a", Digest: "sha256:" + strings.Repeat("a", 64), Source: "git+https://example.com/x", Revision: strings.Repeat("b", 40),
		Builder: "https://example.com/builder", Created: time.Unix(0, 0),
		Programs: []Program{
			{Path: "/action", Package: "example.com/x/cmd/action", Digest: strings.Repeat("c", 64), Go: "go1.26.8", Modules: []debug.Module{{Path: "example.com/a", Version: "v1.0.0"}, other}, Settings: map[string]string{"-trimpath": "true"}},
			{Path: "/launch", Package: "example.com/x/cmd/launch", Digest: strings.Repeat("d", 64), Go: "go1.26.8", Modules: []debug.Module{other}},
		},
	}
}

// Everything that is named is there, once: scanners follow the relationships.
func TestBill(t *testing.T) {
	b := sample().Bill()
	ids := map[string]Package{document: {}}
	for _, p := range b.Packages {
		if _, twice := ids[p.ID]; twice {
			t.Errorf("%s is there twice", p.ID)
		}
		ids[p.ID] = p
	}
	for _, r := range b.Relationships {
		if _, ok := ids[r.From]; !ok {
			t.Errorf("%v begins nowhere", r)
		}
		if _, ok := ids[r.To]; !ok {
			t.Errorf("%v leads nowhere", r)
		}
	}
	// The image, two programs, two modules and one toolchain.
	if len(b.Packages) != 6 || !slices.Contains(b.Relationships, Relationship{document, "DESCRIBES", whole}) {
		t.Errorf("packages %+v", b.Packages)
	}
	if b.Creation.Created != "1970-01-01T00:00:00Z" {
		t.Errorf("created %s", b.Creation.Created)
	}
	if m := ids["SPDXRef-Module-2"]; m.Refs[0].Locator != "pkg:golang/example.com/b@v2.0.0" || m.Comment != "go.sum: h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" {
		t.Errorf("module %+v", m)
	}
}

func TestProvenance(t *testing.T) {
	i := sample()
	p := i.Provenance()
	revision := strings.Repeat("b", 40)
	if p.Run.Builder.ID != i.Builder || p.Definition.External.Revision != revision || p.Definition.External.Image != "actions/a" {
		t.Errorf("provenance %+v", p)
	}
	d := p.Definition.Dependencies
	if len(d) != 4 || d[0].URI != "git+https://example.com/x@"+revision || d[0].Digest["gitCommit"] != revision {
		t.Fatalf("dependencies %+v", d)
	}
	if got := d[3].Digest["dirHash"]; got != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("hash of a module is %q", got)
	}
	i.Revision = ""
	if d := i.Provenance().Definition.Dependencies[0]; d.URI != "git+https://example.com/x" || d.Digest != nil {
		t.Errorf("sources at no commit are %+v", d)
	}
}

// A real program, read twice, gives the same bytes.
func TestRead(t *testing.T) {
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for range 2 {
		p, err := Read(file, "/program")
		if err != nil {
			t.Fatal(err)
		}
		if p.Go != runtime.Version() || len(p.Digest) != 64 || p.Settings["GOARCH"] != runtime.GOARCH {
			t.Errorf("program %+v", p)
		}
		i := Image{Name: "a", Digest: "sha256:0", Programs: []Program{p}}
		text, err := json.Marshal([]any{i.Bill(), i.Provenance()})
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if texts[0] != texts[1] {
		t.Error("two readings differ")
	}
	if _, err := Read("/etc/hostname", "/program"); err == nil || !strings.Contains(err.Error(), "/etc/hostname") {
		t.Errorf("what is no program: error %v", err)
	}
}
