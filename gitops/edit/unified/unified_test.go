package unified

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiffWritesUnifiedHunks(t *testing.T) {
	old := "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n"
	changed := strings.Replace(strings.Replace(old, "2\n", "two\n", 1), "15\n", "15\nend", 1)
	got := Diff("f.yaml", []byte(old), []byte(changed))
	want := "--- a/f.yaml\n+++ b/f.yaml\n@@ -1,5 +1,5 @@\n 1\n-2\n+two\n 3\n 4\n 5\n@@ -13,3 +13,4 @@\n 13\n 14\n 15\n+end\n\\ No newline at end of file\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if Diff("f", []byte(old), []byte(old)) != "" {
		t.Error("equal content has a difference")
	}
	if got = Diff("f", nil, []byte("a\n")); got != "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n" {
		t.Errorf("new file: %q", got)
	}
}

// patch(1) is the judge: what Diff writes must turn old into new.
func FuzzDiffCanBeApplied(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nx\nc\n")
	f.Add("", "a")
	f.Add("a", "")
	f.Add("a\nb", "a\nb\n")
	f.Add("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "0\n1\n2\n3\n4\n5\n7\n8\n9\nx\n")
	f.Add("x\n\n\n\n\n\n\n\ny\n", "\n\n\n\n\n\n\nz\n\n\n")
	f.Fuzz(func(t *testing.T, old, changed string) {
		if strings.ContainsAny(old+changed, "\r\x00") || len(old) == 0 || len(changed) == 0 || old == changed {
			return
		}
		if _, err := exec.LookPath("git"); err != nil {
			t.Skip("git is not installed")
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("git", "apply", "-p1", "--whitespace=nowarn", "-")
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(Diff("f", []byte(old), []byte(changed)))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git apply: %v %s", err, out)
		}
		got, _ := os.ReadFile(filepath.Join(dir, "f"))
		if string(got) != changed {
			t.Errorf("patched to %q, want %q", got, changed)
		}
	})
}
