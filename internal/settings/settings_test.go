package settings

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parsed(t *testing.T, data map[string]string) Layer {
	t.Helper()
	l, findings := Parse(data)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	return l
}

func TestDefaultsAndPresets(t *testing.T) {
	base := Settings{5, 10, 0, 30, 100, 20}
	with := func(parallel, qps, burst int) Settings {
		s := base
		s.MaxParallelSteps, s.KubernetesQPS, s.KubernetesBurst = parallel, qps, burst
		return s
	}
	if got := Merge(); got != base {
		t.Errorf("nobody says anything: %+v", got)
	}
	for size, want := range map[string]Settings{"small": with(5, 10, 15), "medium": with(10, 20, 30), "large": with(20, 40, 60)} {
		if got := Merge(parsed(t, map[string]string{Preset: size})); got != want {
			t.Errorf("%s: %+v, want %+v", size, got, want)
		}
	}
	if len(Presets()) != 3 {
		t.Error("a preset is not tested:", Presets())
	}
}

func TestEveryKeySetsItsOwnValue(t *testing.T) {
	for i, k := range Keys() {
		got := Merge(parsed(t, map[string]string{k.Name: "7\n"}))
		values := []int{got.MaxParallelSteps, got.ComplexityApprovalThreshold, got.KubernetesQPS, got.KubernetesBurst, got.MaxConcurrentRuns, got.MaxConcurrentRunsPerNamespace}
		want := []int{5, 10, 0, 30, 100, 20}
		want[i] = 7
		if !slices.Equal(values, want) {
			t.Errorf("%s: %v, want %v", k.Name, values, want)
		}
	}
}

func TestBounds(t *testing.T) {
	bounds := map[string][2]string{
		"max-parallel-steps": {"1", "64"}, "complexity-approval-threshold": {"0", "64"},
		"kubernetes-qps": {"0", "10000"}, "kubernetes-burst": {"1", "10000"},
		"max-concurrent-runs": {"1", "10000"}, "max-concurrent-runs-per-namespace": {"1", "1000"},
	}
	for _, k := range Keys() {
		for _, text := range bounds[k.Name] {
			parsed(t, map[string]string{k.Name: text})
		}
		beyond := map[string]string{"1": "0", "0": "-1", "64": "65", "1000": "1001", "10000": "10001"}
		for _, text := range []string{beyond[bounds[k.Name][0]], beyond[bounds[k.Name][1]], "", "five", "1.5", "0x10", "99999999999999999999", "5 5"} {
			_, findings := Parse(map[string]string{k.Name: text})
			if len(findings) != 1 || findings[0] != (Finding{k.Name, text, "a whole number from " + bounds[k.Name][0] + " to " + bounds[k.Name][1]}) {
				t.Errorf("%s %q: %v", k.Name, text, findings)
			}
		}
	}
}

func TestEveryWrongKeyIsNamedAndNothingIsTaken(t *testing.T) {
	l, findings := Parse(map[string]string{
		"kubernetes-burst": "40", "kubernetes-qps": "fast", "max-parallel-steps": "65",
		"preset": "huge", "max-parallel-step": strings.Repeat("é", 100),
	})
	var got []string
	for _, f := range findings {
		got = append(got, f.String())
	}
	want := []string{
		`kubernetes-qps: found "fast", want a whole number from 0 to 10000`,
		`max-parallel-step: found "` + strings.Repeat("é", 64) + `…", want one of the keys preset, max-parallel-steps, complexity-approval-threshold, kubernetes-qps, kubernetes-burst, max-concurrent-runs, max-concurrent-runs-per-namespace`,
		`max-parallel-steps: found "65", want a whole number from 1 to 64`,
		`preset: found "huge", want one of small, medium, large`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if Merge(l) != Merge() {
		t.Errorf("something of it was taken: %+v", Merge(l))
	}
}

// Whoever names the preset: it yields to every key that any layer sets.
func TestPrecedence(t *testing.T) {
	const key = "max-parallel-steps"
	flags, environment, object := map[string]string{key: "1"}, map[string]string{key: "2"}, map[string]string{key: "3"}
	large := map[string]string{Preset: "large"}
	both := func(a, b map[string]string) map[string]string { c := maps.Clone(a); maps.Copy(c, b); return c }
	for name, c := range map[string]struct {
		layers []map[string]string
		want   int
	}{
		"flag":                        {[]map[string]string{flags, environment, both(object, large)}, 1},
		"environment":                 {[]map[string]string{{}, environment, both(object, large)}, 2},
		"object":                      {[]map[string]string{{}, {}, both(object, large)}, 3},
		"object over a flag's preset": {[]map[string]string{large, {}, object}, 3},
		"preset":                      {[]map[string]string{{}, {}, large}, 20},
		"the flag's preset":           {[]map[string]string{large, {}, {Preset: "medium"}}, 20},
		"default":                     {[]map[string]string{{}, {}, {}}, 5},
	} {
		var layers []Layer
		for _, data := range c.layers {
			layers = append(layers, parsed(t, data))
		}
		if got := Merge(layers...).MaxParallelSteps; got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestChanges(t *testing.T) {
	old := Merge()
	now := old
	now.MaxParallelSteps, now.KubernetesQPS = 7, 9
	want := []string{"max-parallel-steps is now 7, was 5", "kubernetes-qps is now 9, was 0"}
	if diff := cmp.Diff(want, Changes(old, now)); diff != "" {
		t.Error(diff)
	}
	if got := Changes(old, old); got != nil {
		t.Error(got)
	}
}

// What is read was written at one time: the race detector sees the rest.
func TestStoreIsReadWhileItIsSet(t *testing.T) {
	a, b := Merge(), Merge(parsed(t, map[string]string{Preset: "large"}))
	s := NewStore(a)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 1000 {
				if got := s.Get(); got != a && got != b {
					t.Errorf("half of each: %+v", got)
				}
			}
		})
	}
	for range 1000 {
		s.Set(b)
		s.Set(a)
	}
	wait.Wait()
	s.Set(b)
	if s.Get() != b {
		t.Error("the last one set is not what is read")
	}
}
