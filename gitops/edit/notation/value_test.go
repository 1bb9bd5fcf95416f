package notation_test

import (
	"testing"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/gitops/edit/notation"
)

// What isPlain lets stand without quotes must be that text to the parser.
func FuzzPlainTextIsText(f *testing.F) {
	for _, s := range []string{"a", "yes", "0x1", "1:2", "- a", "a: b", "~", "<<", "=", "2026-01-01", ".5", "1_0", "NaN", ".inf", "a #", "@a", "%a", "\u00a0", "a\u2028b", "null", "?0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, flow := range []bool{false, true} {
			written, err := notation.Scalar(s, notation.Style{Flow: flow})
			if err != nil {
				return
			}
			doc := "k: " + written + "\n"
			if flow {
				doc = "k: [" + written + "]\n"
			}
			docs, err := notation.Parse([]byte(doc))
			if err != nil {
				return // the proof refuses it
			}
			n := docs[0].Content[0].Content[1]
			if flow {
				if n.Kind != yaml.SequenceNode || len(n.Content) != 1 {
					t.Fatalf("%q is not one item", doc)
				}
				n = n.Content[0]
			}
			if n.Value != s || n.ShortTag() != "!!str" {
				t.Fatalf("%q reads as %s %q", doc, n.Tag, n.Value)
			}
		}
	})
}

func TestTypedReadsNumbersAndBooleansOnly(t *testing.T) {
	for text, want := range map[string]any{"true": true, "3x": "3x", "": "", "null": "null", "\"a\"": "\"a\"", " 1": " 1", "1 2": "1 2", "512Mi": "512Mi"} {
		if got := notation.Typed(text); got != want {
			t.Errorf("%q is %#v, want %#v", text, got, want)
		}
	}
	if got, err := notation.Scalar(notation.Typed("3"), notation.Style{}); got != "3" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
