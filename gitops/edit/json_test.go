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

// tree makes random data.
func (s *scribe) tree(depth int) any {
	switch kind := s.IntN(9); {
	case kind < 3 && depth < 4:
		out := map[string]any{}
		for i := range s.IntN(4) {
			out[s.pick("key", "a.b/c", "yes", "x y", "\"q\"")+fmt.Sprint(i)] = s.tree(depth + 1)
		}
		return out
	case kind < 5 && depth < 4:
		out := []any{}
		for range s.IntN(4) {
			out = append(out, s.tree(depth+1))
		}
		return out
	}
	return []any{"text", "a: b", "yes", "", "\"\\", "l\nm", 1, 1.5, -3, true, nil, "é\u0001"}[s.IntN(12)]
}

// places lists all values below one.
func places(v any, keys []any) []spot {
	out := []spot{{keys: slices.Clone(keys)}}
	switch x := v.(type) {
	case map[string]any:
		for _, key := range notation.Keys(x) {
			out = append(out, places(x[key], append(keys, key))...)
		}
	case []any:
		for i := range x {
			out = append(out, places(x[i], append(keys, i))...)
		}
	}
	return out
}

// JSON stays JSON, in whatever way it is laid out, and has the data that the
// simple way makes; lines that the change does not need stay.
func TestRandomJSON(t *testing.T) {
	done := 0
	for seed := range uint64(2000) {
		s := &scribe{Rand: rand.New(rand.NewPCG(seed, 3))}
		doc := map[string]any{"first": s.tree(0), "second": s.tree(0), "third": s.tree(0)}
		content, err := json.MarshalIndent(doc, "", s.pick("  ", "    "))
		if s.IntN(3) == 0 {
			content, err = json.Marshal(doc)
		}
		if err != nil {
			t.Fatal(err)
		}
		s.spots = places(doc, nil)[1:]
		c, keys, _ := s.change(normal(t, doc))
		out, err := Apply("f.json", content, Selector{}, []Change{c})
		if _, refused := run.AsRefusal(err); refused {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		done++
		got, err := notation.Decode(out.Content)
		if err != nil || !json.Valid(out.Content) {
			t.Fatalf("seed %d, %s %s: %v\n%s\nbecame\n%s", seed, c.Op, c.Path, err, content, out.Content)
		}
		if diff := cmp.Diff(normal(t, model(normal(t, doc), keys, c)), got); diff != "" {
			t.Fatalf("seed %d, %s %s = %#v\n%s\nbecame\n%s\n%s", seed, c.Op, c.Path, c.Value, content, out.Content, diff)
		}
		if c.Op == Insert && strings.Count(string(out.Content), "\n") < strings.Count(string(content), "\n") {
			t.Fatalf("seed %d: lines are gone\n%s\nbecame\n%s", seed, content, out.Content)
		}
	}
	t.Logf("%d done", done)
	if done < 1700 {
		t.Errorf("%d of 2000 were done", done)
	}
}
