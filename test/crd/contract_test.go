package crd

import (
	"os"
	"regexp"
	"testing"

	"github.com/kubernaut/kubernaut/actions/contract"
)

// The contract that the documentation shows is one.
func TestDocumentedContract(t *testing.T) {
	text, err := os.ReadFile("../../docs/spec/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("the page shows no contract")
	}
	if _, err := contract.Parse(m[1]); err != nil {
		t.Error(err)
	}
}
