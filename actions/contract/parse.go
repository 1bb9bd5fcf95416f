package contract

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	sjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// MaxDocument is the size of the largest contract that is read, in bytes.
const MaxDocument = 256 << 10

// Parse reads one ActionContract in YAML or JSON and fills in the defaults. It
// refuses unknown fields, duplicate keys, a second document and everything that
// breaks a rule; the error is an *Invalid that lists all findings.
func Parse(data []byte) (Contract, error) {
	if len(data) > MaxDocument {
		return Contract{}, invalid("document", fmt.Sprintf("%d bytes", len(data)), fmt.Sprintf("at most %d", MaxDocument))
	}
	if !oneDocument(string(data)) {
		return Contract{}, invalid("document", "several YAML documents", "one")
	}
	raw, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return Contract{}, invalid("document", oneLine(err.Error()), "YAML or JSON without duplicate keys")
	}
	var c Contract
	strict, err := sjson.UnmarshalStrict(raw, &c)
	if err != nil {
		return Contract{}, invalid("document", oneLine(err.Error()), "the fields of an ActionContract with their types")
	}
	f := &findings{}
	for _, e := range strict {
		f.add("document", oneLine(e.Error()), "only the fields of an ActionContract")
	}
	fillDefaults(&c)
	check(f, c)
	if len(f.list) > 0 {
		return Contract{}, &Invalid{Findings: f.list}
	}
	return c, nil
}

// Must is Parse for a document that is compiled into the program; it panics
// where the document is invalid, which the first test of the program notices.
func Must(document string) Contract {
	c, err := Parse([]byte(document))
	if err != nil {
		panic(err)
	}
	return c
}

// Hash identifies the exact bytes of a contract file, as "sha256:<hex>".
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func invalid(field, found, want string) error {
	return &Invalid{Findings: []Finding{{Field: field, Found: found, Want: want}}}
}

// oneDocument looks for document markers, which YAML knows only at the start of
// a line; the parser itself would read the first document and drop the others.
func oneDocument(text string) bool {
	content := false
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, " \t\r")
		marker := line == "---" || strings.HasPrefix(line, "--- ") || line == "..." || strings.HasPrefix(line, "... ")
		if marker && content {
			return false
		}
		if line != "" && line != "---" && !strings.HasPrefix(line, "#") {
			content = true
		}
	}
	return true
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(s), " ")
}
