package tree

import "testing"

func TestFit(t *testing.T) {
	for _, x := range []struct {
		name, text    string
		width, height int
		want          string
	}{
		{"as it is", "ab\ncd\n", 2, 3, "ab\ncd\n"},
		{"line that would wrap", "abcd\ne\n", 3, 9, "ab…\ne\n"},
		{"more lines than fit", "a\nb\nc\nd\n", 9, 4, "a\nb\n…\n"},
		{"signs count once", "►►►\n", 3, 9, "►►►\n"},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := fit(x.text, func() (int, int) { return x.width, x.height })
			if got != x.want {
				t.Errorf("fit is %q, want %q", got, x.want)
			}
		})
	}
}
