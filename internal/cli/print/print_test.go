package print

import (
	"bytes"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestLine(t *testing.T) {
	for _, x := range []struct {
		text  string
		limit int
		want  string
	}{
		{"short", 10, "short"},
		{"two\n lines\tand more", 0, "two lines and more"},
		{"exactly", 7, "exactly"},
		{"too long", 4, "too…"},
		{"größer", 4, "grö…"},
		{"\x1b[31mred\x07", 0, "[31mred"},
		{"", 3, ""},
	} {
		if got := Line(x.text, x.limit); got != x.want {
			t.Errorf("Line(%q, %d) = %q, want %q", x.text, x.limit, got, x.want)
		}
	}
}

func TestKnown(t *testing.T) {
	for _, format := range []string{"", "wide", "json", "yaml", "name"} {
		if err := Known(format); err != nil {
			t.Errorf("Known(%q) = %v", format, err)
		}
	}
	if Known("xml") == nil {
		t.Error("xml is known")
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	if got := Age(metav1.NewTime(now.Add(-90*time.Second)), now); got != "90s" {
		t.Errorf("age is %q, want 90s", got)
	}
	if got := Age(metav1.Time{}, now); got != "-" {
		t.Errorf("age of what never was is %q, want -", got)
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := Table(&out, [][]string{{"NAME", "AGE"}, {"longer", "1s"}}); err != nil {
		t.Fatal(err)
	}
	if want := "NAME     AGE\nlonger   1s\n"; out.String() != want {
		t.Errorf("table is %q, want %q", out.String(), want)
	}
}
