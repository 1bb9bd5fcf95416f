// Package settings is what the whole controller can be told: which keys there
// are, what they may hold, and whose word counts if several say something.
package settings

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// ConfigMap is the name of the object that holds settings, in the namespace of
// the controller.
const ConfigMap = "kubernaut-workflowexecution-config"

// Preset is the key that names a set of values for a size of cluster.
const Preset = "preset"

// Settings are the values in force.
type Settings struct {
	// MaxParallelSteps of one run, where no ExecutionPolicy says otherwise.
	MaxParallelSteps int
	// ComplexityApprovalThreshold is the number of steps above which a person
	// must approve, where no ExecutionPolicy says otherwise.
	ComplexityApprovalThreshold int
	// KubernetesQPS is how many requests a second the API server is sent; 0
	// sets no limit.
	KubernetesQPS int
	// KubernetesBurst is how many requests may be sent at once.
	KubernetesBurst int
	// MaxConcurrentRuns of the whole controller.
	MaxConcurrentRuns int
	// MaxConcurrentRunsPerNamespace that go on at once, where no
	// ExecutionPolicy says otherwise.
	MaxConcurrentRunsPerNamespace int
}

// Key is one thing that can be set.
type Key struct {
	// Name as ConfigMap and flags have it.
	Name string
	// Min and Max are the first and the last value that is taken.
	Min, Max int
	// Default holds where nobody says anything.
	Default int
	// Meaning in a few words.
	Meaning string

	field func(*Settings) *int
}

// Keys lists what can be set besides the preset.
func Keys() []Key {
	return []Key{
		{"max-parallel-steps", 1, 64, 5, "steps of one run at once, where no ExecutionPolicy says otherwise",
			func(s *Settings) *int { return &s.MaxParallelSteps }},
		{"complexity-approval-threshold", 0, 64, 10, "steps above which a person must approve, where no ExecutionPolicy says otherwise",
			func(s *Settings) *int { return &s.ComplexityApprovalThreshold }},
		{"kubernetes-qps", 0, 10000, 0, "requests a second to the API server; 0 leaves it to the server's own fairness",
			func(s *Settings) *int { return &s.KubernetesQPS }},
		{"kubernetes-burst", 1, 10000, 30, "requests at once to the API server, with kubernetes-qps",
			func(s *Settings) *int { return &s.KubernetesBurst }},
		{"max-concurrent-runs", 1, 10000, 100, "runs of the whole controller that go on at once",
			func(s *Settings) *int { return &s.MaxConcurrentRuns }},
		{"max-concurrent-runs-per-namespace", 1, 1000, 20, "runs of one namespace that go on at once, where no ExecutionPolicy says otherwise",
			func(s *Settings) *int { return &s.MaxConcurrentRunsPerNamespace }},
	}
}

// Wanted says what the key takes.
func (k Key) Wanted() string { return fmt.Sprintf("a whole number from %d to %d", k.Min, k.Max) }

// Presets lists the sizes that a preset can name.
func Presets() []string { return []string{"small", "medium", "large"} }

// preset returns what a size sets; no size sets nothing.
func preset(size string) map[string]int {
	values := map[string][3]int{
		"small":  {5, 10, 15},  // 1 to 10 nodes
		"medium": {10, 20, 30}, // 10 to 50
		"large":  {20, 40, 60}, // 50 to 100 and more
	}
	v, ok := values[size]
	if !ok {
		return nil
	}
	return map[string]int{"max-parallel-steps": v[0], "kubernetes-qps": v[1], "kubernetes-burst": v[2]}
}

// Layer is what one place says. What it leaves out it does not set.
type Layer struct {
	preset string
	values map[string]int
}

// Finding is one key that cannot be taken.
type Finding struct {
	// Key that is wrong.
	Key string
	// Found is its value.
	Found string
	// Wanted says what would be right.
	Wanted string
}

// String says it in one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: found %q, want %s", f.Key, f.Found, f.Wanted)
}

// Parse reads what one place says. It finds every key that is wrong; a layer
// with findings is not to be used.
func Parse(data map[string]string) (Layer, []Finding) {
	out := Layer{values: map[string]int{}}
	var findings []Finding
	for _, name := range slices.Sorted(maps.Keys(data)) {
		text := strings.TrimSpace(data[name])
		if wanted := out.take(name, text); wanted != "" {
			findings = append(findings, Finding{Key: short(name), Found: short(text), Wanted: wanted})
		}
	}
	if len(findings) > 0 {
		return Layer{}, findings
	}
	return out, nil
}

// take puts one value into the layer or says what it takes.
func (l *Layer) take(name, text string) (wanted string) {
	if name == Preset {
		l.preset = text
		if !slices.Contains(Presets(), text) {
			return "one of " + strings.Join(Presets(), ", ")
		}
		return ""
	}
	known := Keys()
	i := slices.IndexFunc(known, func(k Key) bool { return k.Name == name })
	if i < 0 {
		names := []string{Preset}
		for _, k := range known {
			names = append(names, k.Name)
		}
		return "one of the keys " + strings.Join(names, ", ")
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < known[i].Min || n > known[i].Max {
		return known[i].Wanted()
	}
	l.values[name] = n
	return ""
}

// short keeps a message readable whatever somebody wrote into a value.
func short(text string) string {
	const limit = 64
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}

// Merge makes settings of layers, the one that counts most first. Below all
// layers come the preset that the first of them names, and the defaults.
func Merge(layers ...Layer) Settings {
	var size string
	for _, l := range slices.Backward(layers) {
		if l.preset != "" {
			size = l.preset
		}
	}
	values := preset(size)
	var out Settings
	for _, k := range Keys() {
		*k.field(&out) = k.Default
		if n, ok := values[k.Name]; ok {
			*k.field(&out) = n
		}
		for _, l := range slices.Backward(layers) {
			if n, ok := l.values[k.Name]; ok {
				*k.field(&out) = n
			}
		}
	}
	return out
}

// Changes says what differs, one line a key.
func Changes(old, now Settings) []string {
	var out []string
	for _, k := range Keys() {
		if was, is := *k.field(&old), *k.field(&now); was != is {
			out = append(out, fmt.Sprintf("%s is now %d, was %d", k.Name, is, was))
		}
	}
	return out
}

// Store holds the settings in force for everybody who asks, at any time.
type Store struct {
	now atomic.Pointer[Settings]
}

// NewStore returns a Store that holds s.
func NewStore(s Settings) *Store {
	out := &Store{}
	out.Set(s)
	return out
}

// Get returns the settings in force.
func (s *Store) Get() Settings { return *s.now.Load() }

// Set puts other settings in force, all of them at once.
func (s *Store) Set(now Settings) { s.now.Store(&now) }
