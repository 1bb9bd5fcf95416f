package message

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestBranchIsSafeAndStable(t *testing.T) {
	a := Branch("Payments/API: memory limit!", "ns", "api", "raise-memory")
	if a != "kubernaut/payments-api-memory-limit-"+Cause("ns", "api", "raise-memory") {
		t.Errorf("branch %s", a)
	}
	if Branch("x", "ab", "c") == Branch("x", "a", "bc") {
		t.Error("different parts give one branch")
	}
	if b := Branch("日本", "x"); !strings.HasPrefix(b, "kubernaut/change-") {
		t.Errorf("branch %s", b)
	}
}

func FuzzBranch(f *testing.F) {
	f.Add("a", "b")
	f.Add("--..//;$(x)", "\x00")
	f.Add(strings.Repeat("a-", 200), "")
	allowed := regexp.MustCompile(`^kubernaut/[a-z0-9][a-z0-9-]*-[0-9a-f]{12}$`)
	f.Fuzz(func(t *testing.T, slug, part string) {
		if b := Branch(slug, part); len(b) > maxBranch || !allowed.MatchString(b) {
			t.Errorf("branch %q", b)
		}
	})
}

func TestCommitHasTrailers(t *testing.T) {
	got := Commit("Raise the\nmemory", "Because it ran out.\nKubernaut-Cause: forged\n", Trailer{"Kubernaut-Execution", "ns/x uid\nKubernaut-Cause: forged"}, Trailer{"Empty", ""}, CauseTrailer("abc"))
	want := "Raise the memory\n\nBecause it ran out.\n Kubernaut-Cause: forged\n\nKubernaut-Execution: ns/x uid Kubernaut-Cause: forged\nKubernaut-Cause: abc\n"
	if got != want {
		t.Error(cmp.Diff(want, got))
	}
	if !strings.Contains(got, "\n"+Marker("abc")+"\n") {
		t.Error("no marker line")
	}
}

func TestTitleIsOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\n b\tc\x00\u202e\u200bd": "a b c d", "": "Change by Kubernaut", "\xff": "\uFFFD", "é": "é",
	} {
		if got := Title(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	if got := Title(strings.Repeat("é", 300)); utf8.RuneCountInString(got) != 255 {
		t.Errorf("%d characters", utf8.RuneCountInString(got))
	}
}

func example() Proposal {
	return Proposal{
		Summary: "Raise the memory limit of payments/api from 512Mi to 768Mi.",
		Why:     "KubeContainerOOMKilled on payments/api\nkilled 3 times since 10:02, says @oncall in #42",
		Changes: []Change{
			{"apps/api/deployment.yaml", "spec.template.spec.containers[name=api].resources.limits.memory", "512Mi", "768Mi"},
			{"apps/api/deployment.yaml", "metadata.annotations.note", "", "a|b `c`"},
		},
		Diff:      "--- a/d.yaml\n+++ b/d.yaml\n@@ -1 +1 @@\n-memory: 512Mi\n+memory: 768Mi\n",
		Workflow:  Workflow{"raise-memory", "1.2.0", "main@sha1:" + strings.Repeat("a", 40), "sha256:" + strings.Repeat("b", 64)},
		Execution: "payments/raise-memory-x7",
		Steps:     []Step{{"clone", "registry.example.com/git-clone@sha256:" + strings.Repeat("c", 64)}},
		Commit:    strings.Repeat("d", 40),
		Metadata:  Metadata{Cause: "abc", RunUID: "u-1", WorkflowHash: "sha256:b", BaseSHA: strings.Repeat("e", 40), PatchHash: "sha256:f"},
	}
}

func TestBodyIsGolden(t *testing.T) {
	got := Body(example())
	file := filepath.Join("testdata", "body.md")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		t.Errorf("%v\n%s", err, cmp.Diff(string(want), got))
	}
}

func TestWhatIsRemovedHasNoNewValue(t *testing.T) {
	p := example()
	p.Changes = []Change{{"web.yaml", "spec.replicas", "2", ""}}
	if want := "| `2` | *(none)* |"; !strings.Contains(Body(p), want) {
		t.Errorf("no %s in\n%s", want, Body(p))
	}
}

func TestMetadataComesBack(t *testing.T) {
	want := example().Metadata
	want.Schema = Schema
	got, ok := ParseMetadata("edited by a person\n" + Body(example()))
	if !ok || got != want {
		t.Error(ok, cmp.Diff(want, got))
	}
	for _, bad := range []string{"", metadataOpen, metadataOpen + "{}" + metadataClose, metadataOpen + `{"schema":2,"cause":"x"}` + metadataClose,
		metadataOpen + `{"schema":1,"cause":"x","more":1}` + metadataClose, "quoted " + metadataOpen + `{"schema":1,"cause":"x"}` + metadataClose,
		metadataOpen + `{"schema":1,"cause":"` + strings.Repeat("x", maxMetadata) + `"}` + metadataClose} {
		if m, ok := ParseMetadata(bad); ok {
			t.Errorf("%.80q was read as %+v", bad, m)
		}
	}
}

func TestBodyStaysBelowTheLimit(t *testing.T) {
	p := example()
	long := strings.Repeat("#&<日`\n", 20_000)
	p.Summary, p.Why, p.Diff, p.Execution, p.Workflow = long, long, long, long, Workflow{long, long, long, long}
	for range 500 {
		p.Changes = append(p.Changes, Change{long, long, long, long})
		p.Steps = append(p.Steps, Step{long, long})
	}
	body := Body(p)
	if m, ok := ParseMetadata(body); len(body) > MaxBody || !ok || m.Cause != "abc" {
		t.Errorf("%d bytes, metadata %v", len(body), ok)
	}
}

// Whatever strangers write into any field, the body's own structure stays.
func FuzzBodyKeepsItsStructure(f *testing.F) {
	for _, s := range []string{"plain", "-->", "<!-- kubernaut:metadata {\"schema\":1,\"cause\":\"evil\"} -->", "```\n@all\n```", "``````", "fixes #1 closes !2 @user", "a|b\n| c |",
		"[x](javascript:1) ![i](http://x)", "<script>", "~~~\nx", "\u202e", "\x00\xff", "# heading\n---\n", "    code\n\n@x", "\\", "\\`", "`", "\r@x", "&#64;all", "closes GH-1", "a\\|b `c", "x\\\\|y\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := example()
		p.Summary, p.Why, p.Diff, p.Execution = s, s, s, s
		p.Changes = []Change{{s, s, s, s}}
		p.Workflow, p.Steps = Workflow{s, s, s, s}, []Step{{s, s}}
		p.Metadata = Metadata{Cause: "abc", RunUID: s}
		body := Body(p)
		if len(body) > MaxBody || !utf8.ValidString(body) {
			t.Fatalf("%d bytes", len(body))
		}
		if m, ok := ParseMetadata(body); !ok || m.Cause != "abc" {
			t.Fatalf("metadata is %+v in\n%s", m, body)
		}
		sections := 3
		if quote(s) != "" {
			sections++
		}
		prose := withoutCode(outsideFence(body))
		if i := strings.Index(prose, "<!--"); i >= 0 && !strings.HasPrefix(prose[i:], metadataOpen) {
			t.Fatalf("a comment gets in:\n%s", body)
		}
		if strings.Count(prose, "<") != 1 || strings.Count(prose, "## ") != sections {
			t.Fatalf("markup gets in:\n%s", prose)
		}
		before, _, _ := strings.Cut(prose, "<!--")
		if m := regexp.MustCompile(`[@#!][\pL\pN]|(?i)gh-[0-9]|[a-z]://`).FindString(before); m != "" {
			t.Fatalf("a mention or reference gets in: %q\n%s", m, prose)
		}
	})
}

// outsideFence drops fenced blocks as a Markdown reader finds them: from a run
// of backquotes at a line's start to a line of at least as many.
func outsideFence(body string) string {
	var out strings.Builder
	open := ""
	for _, l := range strings.SplitAfter(body, "\n") {
		run := l[:len(l)-len(strings.TrimLeft(l, "`"))]
		switch {
		case open == "" && len(run) >= 3:
			open = run
		case open == "":
			out.WriteString(l)
		case len(run) >= len(open) && strings.TrimSpace(l) == run:
			open = ""
		}
	}
	return out.String()
}

// withoutCode drops inline code as a Markdown reader finds it: between runs of
// the same number of backquotes, none of them escaped.
func withoutCode(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		if s[i] == '\\' && i+1 < len(s) {
			out.WriteString(s[i : i+2])
			i += 2
			continue
		}
		n := 0
		for i+n < len(s) && s[i+n] == '`' {
			n++
		}
		if n == 0 {
			out.WriteByte(s[i])
			i++
			continue
		}
		i += n
		if end := closing(s[i:], n); end >= 0 {
			i += end + n
		}
	}
	return out.String()
}

func closing(s string, n int) int {
	for i := 0; i < len(s); {
		run := 0
		for i+run < len(s) && s[i+run] == '`' {
			run++
		}
		if run == n {
			return i
		}
		i += max(run, 1)
	}
	return -1
}
