package main

import (
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/internal/settings"
)

func from(environment map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { text, ok := environment[name]; return text, ok }
}

func TestFlagsCountMoreThanTheEnvironment(t *testing.T) {
	environment := map[string]string{
		"MAX_PARALLEL_STEPS": "2", "COMPLEXITY_APPROVAL_THRESHOLD": "0", "KUBERNETES_QPS": "7", "KUBERNETES_BURST": "8",
		"MAX_CONCURRENT_RUNS": "9", "MAX_CONCURRENT_RUNS_PER_NAMESPACE": "11", "PRESET": "large", "RUNTIME_NAMESPACE": "ops",
	}
	named := settings.Settings{MaxParallelSteps: 2, KubernetesQPS: 7, KubernetesBurst: 8, MaxConcurrentRuns: 9, MaxConcurrentRunsPerNamespace: 11}
	flagged := named
	flagged.MaxParallelSteps, flagged.KubernetesQPS = 3, 0
	large := settings.Merge()
	large.MaxParallelSteps, large.KubernetesQPS, large.KubernetesBurst = 20, 40, 60
	for name, c := range map[string]struct {
		args        []string
		environment map[string]string
		want        settings.Settings
	}{
		"nothing":     {nil, nil, settings.Merge()},
		"environment": {nil, environment, named},
		"flags":       {[]string{"--max-parallel-steps=3", "--kubernetes-qps", "0"}, environment, flagged},
		"preset":      {[]string{"--preset=large"}, nil, large},
		"both":        {[]string{"--preset=large"}, environment, named},
	} {
		o, err := parse(c.args, from(c.environment))
		if err != nil {
			t.Fatal(err)
		}
		if got := settings.Merge(o.fixed...); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	for _, k := range settings.Keys() {
		if _, ok := environment[variable(k)]; !ok {
			t.Error("not tested:", variable(k))
		}
	}
	if o, err := parse(nil, from(environment)); err != nil || o.namespace != "ops" {
		t.Errorf("namespace %q, %v", o.namespace, err)
	}
}

// A flag that was not given must not hide what the ConfigMap says.
func TestFlagsThatWereNotGivenSayNothing(t *testing.T) {
	o, err := parse([]string{"--log-level=debug"}, from(nil))
	if err != nil {
		t.Fatal(err)
	}
	object, findings := settings.Parse(map[string]string{"max-parallel-steps": "9"})
	if got := settings.Merge(append(o.fixed, object)...); len(findings) > 0 || got.MaxParallelSteps != 9 {
		t.Errorf("%+v, %v", got, findings)
	}
}

func TestWrongSettingsStopTheStart(t *testing.T) {
	_, err := parse([]string{"--kubernetes-burst=0", "--preset=", "--max-parallel-steps="}, from(map[string]string{"MAX_CONCURRENT_RUNS": "many", "KUBERNETES_QPS": ""}))
	if err == nil {
		t.Fatal("it starts")
	}
	for _, want := range []string{
		`flag --kubernetes-burst: found "0", want a whole number from 1 to 10000`,
		`flag --preset: found "", want one of small, medium, large`,
		`flag --max-parallel-steps: found "", want`,
		`environment variable MAX_CONCURRENT_RUNS: found "many", want`,
		`environment variable KUBERNETES_QPS: found "", want`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say: %s", err, want)
		}
	}
}
