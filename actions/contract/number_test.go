package contract

import (
	"encoding/json"
	"testing"
)

// Outputs are decoded with their digits kept, so numbers arrive as text.
func TestNumbersAreAcceptedAsText(t *testing.T) {
	for _, c := range []struct {
		kind Type
		text json.Number
		ok   bool
	}{{Integer, "2", true}, {Integer, "9007199254740993", true}, {Integer, "2.5", false}, {Number, "2.5", true}, {Number, "1e999", false}} {
		if _, ok := c.kind.accept(c.text); ok != c.ok {
			t.Errorf("%s %s: accepted = %t, want %t", c.kind, c.text, ok, c.ok)
		}
	}
}
