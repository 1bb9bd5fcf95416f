package edit

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/gitops/edit/notation"
	"github.com/kubernaut/kubernaut/internal/run"
)

// spot is one value of a random file and the lines, from 0, that it takes.
type spot struct {
	keys        []any // from the root: string or int
	first, last int
	block       bool // a map or list in lines, not in {}
}

// scribe writes random YAML and remembers where everything is.
type scribe struct {
	*rand.Rand
	lines []string
	spots []spot
}

func (s *scribe) pick(texts ...string) string { return texts[s.IntN(len(texts))] }

func (s *scribe) noise(indent int) {
	switch s.IntN(8) {
	case 0:
		s.lines = append(s.lines, "")
	case 1:
		s.lines = append(s.lines, strings.Repeat(" ", indent)+"# "+s.pick("why: this", "- no item", "{", "about 'it'"))
	}
}

func (s *scribe) comment() string { return s.pick("", "", "", " # c", "   # a: b", "  # a-b") }

func (s *scribe) scalar() string {
	return s.pick("1", "text", "two words", "'it''s'", `"a\tb # no"`, "true", "~", "1.5", "é", "https://x.y/z#f", "&anchor v", "\"\"", "2026-01-02", "0x1F", "'#'", "-1", "")
}

// value writes what stands behind "key:" or "-" of which the line is begun.
func (s *scribe) value(keys []any, head string, indent, depth int) {
	first := len(s.lines)
	block := false
	text := func(l ...string) {
		for _, one := range l {
			s.lines = append(s.lines, strings.Repeat(" ", indent)+s.pick("  ", "    ")[:2]+one)
		}
	}
	kind := s.IntN(12)
	if depth > 3 {
		kind = s.IntN(7)
	}
	switch kind {
	default:
		s.lines = append(s.lines, strings.TrimRight(head+" "+s.scalar(), " ")+s.comment())
	case 4:
		s.lines = append(s.lines, head+" "+s.pick("{}", "[]", "{a: 1, b: x}", "[1, 'x', {a: b}]", "{ a: [ ] ,b: \"x\" }")+s.comment())
	case 5:
		s.lines = append(s.lines, head+" "+s.pick("|", ">", "|-", ">-")+s.pick("", " # c"))
		text("one", "", "# two: 2", "- three")
	case 6:
		s.lines = append(s.lines, head+" \"two")
		text("lines\"")
	case 7, 8, 9:
		s.lines, block = append(s.lines, head+s.comment()), true
		s.object(keys, indent+2, depth+1)
	case 10, 11:
		s.lines, block = append(s.lines, head+s.comment()), true
		s.list(keys, indent+2*s.IntN(2), depth+1)
	}
	s.spots = append(s.spots, spot{slices.Clone(keys), first, len(s.lines) - 1, block})
}

func (s *scribe) object(keys []any, indent, depth int) {
	for i := range 1 + s.IntN(4) {
		if i > 0 {
			s.noise(indent)
		}
		key := s.pick("key", "a.b/c", "name", "spec") + fmt.Sprint(i)
		s.value(append(keys, key), strings.Repeat(" ", indent)+s.pick(key, key, `"`+key+`"`)+":", indent, depth)
	}
}

func (s *scribe) list(keys []any, indent, depth int) {
	if len(s.lines) > 0 && strings.TrimLeft(s.lines[len(s.lines)-1], " -") == "" {
		indent += 2
	}
	for i := range 1 + s.IntN(3) {
		s.noise(indent)
		at := append(keys, i)
		dash := strings.Repeat(" ", indent) + "-"
		if s.IntN(2) == 0 {
			s.value(at, dash, indent, 4)
			continue
		}
		first := len(s.lines)
		s.object(at, indent+2, depth+1)
		for n, line := range s.lines[first:] {
			if strings.HasPrefix(line, strings.Repeat(" ", indent+2)) && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				s.lines[first+n] = dash + line[len(dash):]
				break
			}
		}
		s.spots = append(s.spots, spot{slices.Clone(at), first, len(s.lines) - 1, true})
	}
}

// pointer is the path of a spot.
func pointer(keys []any) string {
	out := ""
	for _, k := range keys {
		out += "/" + strings.ReplaceAll(fmt.Sprint(k), "/", "~1")
	}
	return out
}

// model does a change to data the simple way.
func model(v any, keys []any, c Change) any {
	if len(keys) > 0 {
		switch x := v.(type) {
		case map[string]any:
			key := keys[0].(string)
			if len(keys) == 1 && c.Op == Delete {
				delete(x, key)
			} else {
				x[key] = model(x[key], keys[1:], c)
			}
			return x
		case []any:
			i := keys[0].(int)
			switch {
			case len(keys) == 1 && c.Op == Delete:
				return slices.Delete(x, i, i+1)
			case len(keys) == 1 && c.Op == Insert:
				return slices.Insert(x, i, c.Value)
			}
			x[i] = model(x[i], keys[1:], c)
			return x
		}
	}
	return c.Value
}

func (s *scribe) random() any {
	return []any{"plain", "yes", "a: b", "x #y", "1", 7, true, nil, "l\nm\n", "2026-01-02", "", "{{", "- x", "é'\"",
		map[string]any{"k": "v", "l": []any{1, "no"}}, []any{"x", map[string]any{"y1": "z"}}, map[string]any{}, []any{}}[s.IntN(18)]
}

// change makes a random change; it returns the place that changes.
func (s *scribe) change(doc any) (Change, []any, spot) {
	at := s.spots[s.IntN(len(s.spots))]
	keys := at.keys
	v := doc
	for _, k := range keys {
		switch x := v.(type) {
		case map[string]any:
			v = x[k.(string)]
		case []any:
			v = x[k.(int)]
		}
	}
	c := Change{Op: []Op{Replace, Replace, Delete, Insert}[s.IntN(4)], Value: s.random()}
	if c.Op == Insert {
		switch x := v.(type) {
		case map[string]any:
			keys = append(slices.Clone(keys), s.pick("new", "yes", "x/y z"))
		case []any:
			keys = append(slices.Clone(keys), s.IntN(len(x)+1))
		default:
			c.Op = Replace
		}
	}
	c.Path = pointer(keys)
	return c, keys, at
}

// Whatever the file and the change: the data is what the simple way makes of
// it, and no line outside the place has changed a byte.
func TestRandomFilesRandomChanges(t *testing.T) {
	refused, done := map[run.Reason]int{}, 0
	for seed := range uint64(4000) {
		s := &scribe{Rand: rand.New(rand.NewPCG(seed, 1))}
		s.lines = append(s.lines, s.pick("---", "# head", "# head"))
		s.object(nil, 0, 0)
		old, content := s.file()
		c, keys, at := s.change(whole(t, content))
		out, err := Apply("f.yaml", []byte(content), Selector{}, []Change{c})
		if r, ok := run.AsRefusal(err); ok {
			refused[r.Reason]++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		done++
		show := func() string {
			return fmt.Sprintf("seed %d, %s %s = %#v\n%s\nbecame\n%s", seed, c.Op, c.Path, c.Value, content, out.Content)
		}
		want := normal(t, model(whole(t, content), keys, c))
		if diff := cmp.Diff(want, whole(t, string(out.Content))); diff != "" {
			t.Fatalf("%s\n%s", show(), diff)
		}
		if why := s.outside(at, c, old, string(out.Content)); why != "" {
			t.Fatalf("%s: %s", why, show())
		}
	}
	t.Logf("%d done, refused %v", done, refused)
	if done < 3600 {
		t.Errorf("too much is refused: %v", refused)
	}
}

// file joins the lines with line ends of all sorts.
func (s *scribe) file() ([]string, string) {
	ends := [][]string{{"\n"}, {"\r\n"}, {"\n", "\r\n"}}[s.IntN(3)]
	for i := range s.lines {
		s.lines[i] += s.pick(ends...)
	}
	last := &s.lines[len(s.lines)-1]
	if s.IntN(4) == 0 {
		*last = strings.TrimRight(*last, "\r\n")
	}
	return s.lines, s.pick("", "", notation.ByteOrderMark) + strings.Join(s.lines, "")
}

// outside says what is wrong with the lines around the place.
func (s *scribe) outside(at spot, c Change, old []string, result string) string {
	first, last := s.touched(at, c, old)
	now := strings.SplitAfter(strings.TrimPrefix(result, notation.ByteOrderMark), "\n")
	if now[len(now)-1] == "" {
		now = now[:len(now)-1]
	}
	head, tail := old[:first], old[last+1:]
	bare := strings.TrimRight(strings.Join(head, ""), "\r\n")
	switch {
	case c.Op == Delete && len(tail) == 0 && bare == strings.TrimRight(strings.Join(now, ""), "\r\n"):
		return "" // the file ends as it did, a line earlier
	case len(now) < len(head)+len(tail) || !slices.Equal(now[:len(head)], head):
		return "a line before it changed"
	case !slices.Equal(now[len(now)-len(tail):], tail) && len(tail) > 0:
		return "a line behind it changed"
	case c.Op == Insert && at.block:
		return lost(old, now)
	}
	return ""
}

// touched are the lines that may change. An item begins on the line of its
// first key; what becomes empty is written {} behind the key above it.
func (s *scribe) touched(at spot, c Change, old []string) (first, last int) {
	first, last = at.first, at.last
	if c.Op != Delete {
		return first, last
	}
	for _, other := range s.spots {
		n := len(other.keys)
		if n < len(at.keys) && n >= len(at.keys)-2 && cmp.Equal(other.keys, at.keys[:n]) {
			first = min(first, other.first)
		}
	}
	if strings.HasPrefix(strings.TrimSpace(old[at.first]), "-") && last+1 < len(old) {
		last++ // the second key of an item moves up to the dash
	}
	return first, last
}

// lost names a line that an insertion has swallowed.
func lost(old, now []string) string {
	for _, line := range old {
		i := slices.IndexFunc(now, func(l string) bool { return strings.TrimRight(l, "\r\n") == strings.TrimRight(line, "\r\n") })
		if i < 0 {
			return fmt.Sprintf("line %q is gone", line)
		}
		now = now[i+1:]
	}
	return ""
}

// whole is a file's only document as JSON has it.
func whole(t *testing.T, content string) any {
	t.Helper()
	docs, err := notation.Parse([]byte(content))
	if err != nil || len(docs) != 1 {
		t.Fatalf("%d documents, %v in\n%s", len(docs), err, content)
	}
	v, err := notation.Data(docs[0].Content[0])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func normal(t *testing.T, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := notation.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
