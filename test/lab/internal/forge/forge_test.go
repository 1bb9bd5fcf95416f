package forge

import (
	"strings"
	"testing"
)

func TestConfigKeepsSecrets(t *testing.T) {
	first := config("/work", "/static", "")
	for _, want := range []string{"[webhook]\nALLOWED_HOST_LIST = *\n", "[migrations]\nALLOW_LOCALNETWORKS = true\n", "ROOT_URL = http://10.88.0.1:3000/\n", "STATIC_ROOT_PATH = /static\n"} {
		if !strings.Contains(first, want) {
			t.Errorf("no %q", want)
		}
	}
	if second := config("/work", "/static", first); second != first {
		t.Errorf("the second differs:\n%s\nfrom\n%s", second, first)
	}
	if other := config("/work", "/static", ""); other == first {
		t.Error("two forges have the same secrets")
	}
	// Gitea writes the file anew in its own way and adds to it.
	rewritten := strings.ReplaceAll(first, "[security]", "\n[security]\nFOO=1")
	if got := config("/work", "/new", rewritten); got != strings.ReplaceAll(first, "/static", "/new") {
		t.Errorf("got\n%s", got)
	}
}
