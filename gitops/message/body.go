package message

import (
	"fmt"
	"regexp"
	"strings"
)

// MaxBody is how long a pull request's text may be on every forge.
const MaxBody = 65536

const (
	// The parts' bounds together stay below MaxBody, with all that escaping adds.
	maxSummary = 300
	maxWhy     = 2 << 10
	maxTable   = 6 << 10
	maxDiff    = 24 << 10
	maxCell    = 200
)

// Proposal is what a pull request tells its reviewers.
type Proposal struct {
	// Summary is one sentence; Why is the reason of the run in free text.
	Summary, Why string
	Changes      []Change
	// Diff is a unified difference.
	Diff     string
	Workflow Workflow
	// Execution is "namespace/name".
	Execution string
	Steps     []Step
	// Commit is the SHA-1 that the pull request proposes.
	Commit   string
	Metadata Metadata
}

// Change is one value in one file, before and after.
type Change struct{ File, Path, Old, New string }

// Workflow says exactly what ran.
type Workflow struct{ Name, Version, Revision, Hash string }

// Step is one step and the image, by digest, that did it.
type Step struct{ Name, Image string }

// Body writes the text of a pull request. Everything in p may come from
// strangers: none of it can end a block, hide or add a comment, mention
// anybody, or close anything. The length is bounded by MaxBody.
func Body(p Proposal) string {
	var out strings.Builder
	out.WriteString(paragraph(p.Summary) + "\n")
	section(&out, "Why", quote(p.Why))
	section(&out, "What changed", changes(p.Changes)+diff(p.Diff))
	section(&out, "What ran", ran(p))
	section(&out, "How to undo", undo(p.Commit))
	out.WriteString("\n" + p.Metadata.comment() + "\n")
	return out.String()
}

func section(out *strings.Builder, title, content string) {
	if content != "" {
		out.WriteString("\n## " + title + "\n\n" + content)
	}
}

func paragraph(s string) string {
	if s = inline(s, maxSummary); s == "" {
		return "A change proposed by Kubernaut."
	}
	return s
}

// quote keeps the reason's lines, each harmless by itself.
func quote(s string) string {
	s = text(s, maxWhy)
	if s == "" {
		return ""
	}
	var out strings.Builder
	for _, l := range strings.Split(s, "\n") {
		out.WriteString(strings.TrimRight("> "+inline(l, maxWhy), " ") + "\n")
	}
	return out.String()
}

func changes(list []Change) string {
	if len(list) == 0 {
		return ""
	}
	var out strings.Builder
	out.WriteString("| File | Path | Old | New |\n| --- | --- | --- | --- |\n")
	for i, c := range list {
		if out.Len() > maxTable {
			fmt.Fprintf(&out, "\n%d more changes are in the difference.\n", len(list)-i)
			break
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", cell(c.File, maxCell), cell(c.Path, maxCell), valueOrNone(c.Old), valueOrNone(c.New))
	}
	return out.String() + "\n"
}

// valueOrNone says so where there was no value, or is none any more.
func valueOrNone(v string) string {
	if shown := cell(v, maxCell); shown != "" {
		return shown
	}
	return "*(none)*"
}

func diff(d string) string {
	if d == "" {
		return ""
	}
	d = strings.Map(visible, strings.ToValidUTF8(d, "\uFFFD"))
	note := ""
	if len(d) > maxDiff {
		cut := strings.LastIndexByte(d[:maxDiff], '\n')
		if cut < 0 {
			cut = 0
		}
		d, note = d[:cut], "\nThe rest of the difference is in the files.\n"
	}
	return fence("diff", d) + note
}

// visible shows where a difference has what readers would not see, such as the
// marks that turn the direction of writing; it does not leave it out, because a
// difference that hides a change is worse than an ugly one.
func visible(r rune) rune {
	if r != '\n' && r != '\t' && isHidden(r) {
		return '\uFFFD'
	}
	return r
}

func ran(p Proposal) string {
	var out strings.Builder
	for _, row := range [][2]string{
		{"Workflow", strings.Trim(p.Workflow.Name+" "+p.Workflow.Version, " ")}, {"Catalog revision", p.Workflow.Revision},
		{"Content hash", p.Workflow.Hash}, {"Execution", p.Execution},
	} {
		if row[1] != "" {
			fmt.Fprintf(&out, "* %s: %s\n", row[0], code(row[1], maxCell))
		}
	}
	if len(p.Steps) == 0 {
		return out.String()
	}
	out.WriteString("\n| Step | Image |\n| --- | --- |\n")
	for i, s := range p.Steps {
		if out.Len() > maxTable {
			fmt.Fprintf(&out, "\n%d more steps ran.\n", len(p.Steps)-i)
			break
		}
		fmt.Fprintf(&out, "| %s | %s |\n", cell(s.Name, 63), cell(s.Image, 300))
	}
	return out.String()
}

func undo(commit string) string {
	if !regexp.MustCompile(`^[0-9a-f]{40,64}$`).MatchString(commit) {
		return "Before the merge: close this pull request. After it: revert its commit.\n"
	}
	return "Before the merge: close this pull request. After it:\n\n" + fence("sh", "git revert "+commit)
}
