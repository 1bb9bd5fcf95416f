package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

type params map[string]any

// sample is one run of a sample. A parameter that begins with web- names a
// Deployment that the test makes; absent is none. Steps that are not named are
// expected to succeed.
type sample struct {
	params params
	fails  bool
	steps  map[string]string
}

// missing is how a step ends whose Deployment does not exist.
const missing = "Failed PreconditionFailed"

var samples = map[string][]sample{
	"01-restart-pod":         {{}},
	"02-stop-report":         {{}},
	"03-required-parameter":  {{params: params{"deployment": "web-3"}}},
	"04-bounded-integer":     {{params: params{"deployment": "web-4"}}},
	"05-enum-and-depends-on": {{params: params{"deployment": "web-5", "size": 10, "override": true, "ticket": "OPS-17"}}},
	"06-pass-an-output":      {{params: params{"backend": "web-6a", "front": "web-6b", "replicas": 3}}},
	"07-when": {
		{params: params{"deployment": "web-7", "errorRate": 0.2, "lasting": "5m"}, steps: map[string]string{"restart": "Skipped WhenFalse"}},
		{params: params{"deployment": "web-7", "errorRate": 0.2, "lasting": "15m"}},
	},
	"08-preconditions": {{params: params{"deployment": "web-8a", "takesOver": "web-8b", "replicas": 1}, fails: true,
		steps: map[string]string{"drain": "Failed PreconditionFailed"}}},
	"09-fan-out-fan-in": {{params: params{"cart": "web-9a", "stock": "web-9b", "prices": "web-9c", "gateway": "web-9d"}}},
	"10-continue":       {{params: params{"shop": "web-10", "cache": "absent"}, steps: map[string]string{"cache": missing}}},
	"11-fail-fast-false": {{params: params{"first": "absent", "second": "web-11"}, fails: true,
		steps: map[string]string{"first": missing, "first-scale": "Skipped DependencyFailed"}}},
	"12-fallback": {{params: params{"deployment": "absent", "spare": "web-12"},
		steps: map[string]string{"restart": missing, "spare-down": "Skipped EdgeNotTaken"}}},
	"13-retries": {{params: params{"repository": "http://10.88.0.1:9/nobody/home.git"}, fails: true,
		steps: map[string]string{"clone": "Failed TemporaryFailure twice"}}},
	"14-pull-request": {{params: params{"deployment": "shop", "memory": "128Mi"}}},
	"15-object-and-array": {{params: params{"file": "deploy/shop.yaml", "labels": []string{"memory"},
		"values": params{"spec.template.spec.containers[name=shop].resources.limits.memory": "64Mi"}},
		steps: map[string]string{"propose": "Skipped WhenFalse"}}},
	"16-finally": {{params: params{"writer": "web-16", "database": "absent"}, fails: true, steps: map[string]string{"work": missing}}},
	"17-undo": {{params: params{"first": "web-17", "second": "absent"}, fails: true,
		steps: map[string]string{"grow-second": missing, "undo-second": "Skipped WhenFalse"}}},
	"18-by-reason": {{params: params{"deployment": "absent", "spare": "web-18"}, fails: true,
		steps: map[string]string{"restart": missing, "spare-down": "Skipped WhenFalse"}}},
	"19-cluster-and-git": {{params: params{"deployment": "shop", "replicas": 3}}},
	"20-diamond-with-undo": {
		{params: params{"blue": "web-20a", "green": "web-20b", "shop": "web-20c", "billing": "absent"}, fails: true,
			steps: map[string]string{"billing": missing, "stop": "Skipped DependencyFailed", "start-blue": "Skipped WhenFalse"}},
		{params: params{"blue": "web-20d", "green": "web-20e", "shop": "web-20c", "billing": "web-20f"}, steps: map[string]string{
			"start-blue": "Skipped StageNotReached", "shrink-green": "Skipped StageNotReached", "reconnect": "Skipped WhenFalse"}},
	},
}

// sampleReplicas is how many pods Deployments have in the end; all begin with two.
var sampleReplicas = map[string]int32{"nightly-report": 0, "web-4": 6, "web-5": 10, "web-6b": 3, "web-8b": 1, "web-8a": 2, "web-12": 3,
	"web-16": 2, "web-17": 2, "web-20a": 2, "web-20b": 2, "web-20d": 0, "web-20e": 3}

// Every sample of the documentation is published from Git and run, and each
// step ends as the sample says.
func TestSamples(t *testing.T) {
	s := newSetting(t)
	s.targets(t)
	workflows := s.publishSamples(t)
	runs := map[string]*v1alpha1.WorkflowExecution{}
	name := func(file string, i int) string { return fmt.Sprintf("%s-%d", file, i+1) }
	for file, w := range workflows {
		if len(samples[file]) == 0 {
			t.Errorf("sample %s has no run here", file)
		}
		for i, run := range samples[file] { // all at once, before the first is waited for
			runs[name(file, i)] = s.startSample(t, "sample-"+name(file, i), w, run)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(workflows)) {
		for i, run := range samples[file] {
			t.Run(name(file, i), func(t *testing.T) { run.ends(t, workflows[file], runs[name(file, i)]) })
		}
	}
	for name, want := range sampleReplicas {
		var d appsv1.Deployment
		if err := shared.Client.Get(t.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, &d); err != nil || ptr.Deref(d.Spec.Replicas, 1) != want {
			t.Errorf("Deployment %s should have %d replicas in the end: %v: %s", name, want, err, yamlOf(d.Spec.Replicas))
		}
	}
}

// publishSamples adds the samples to the catalog and returns them by file.
func (s setting) publishSamples(t *testing.T) map[string]*v1alpha1.Workflow {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(shared.Root, "docs/samples/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*v1alpha1.Workflow{}
	files := map[string]*string{"catalog/kustomization.yaml": harness.Text("resources: [actions, workflows, samples]\n")}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(path)
		files["catalog/samples/"+base] = harness.Text(string(data))
		if name := strings.TrimSuffix(base, ".yaml"); name != "kustomization" {
			out[name] = &v1alpha1.Workflow{}
			if err := yaml.Unmarshal(data, out[name]); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.settle(t)
	before := s.published(t)
	if err := shared.Commit(t.Context(), s.catalog, "main", "the samples", files); err != nil {
		t.Fatal(err)
	}
	if c := s.settle(t); len(out) != 20 || s.published(t) != before+len(out) {
		t.Fatalf("%d samples, %d workflows beside %d: %s", len(out), s.published(t)-before, before, yamlOf(c.Status))
	}
	return out
}

// deployments names those that the samples work on.
func deployments() []string {
	names := map[string]bool{"nightly-report": true, "shop": true}
	for _, run := range slices.Concat(slices.Collect(maps.Values(samples))...) {
		for _, value := range run.params {
			if name, ok := value.(string); ok && strings.HasPrefix(name, "web-") {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// targets makes what the samples work on. No node takes the pods, so that they
// cost nothing.
func (s setting) targets(t *testing.T) {
	t.Helper()
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: s.namespace, Name: name, Labels: map[string]string{"app": name}}
	}
	pod := func(name string) corev1.PodTemplateSpec {
		return corev1.PodTemplateSpec{ObjectMeta: meta(name), Spec: corev1.PodSpec{
			NodeSelector: map[string]string{"example.com/none": "here"}, Containers: []corev1.Container{{Name: "app", Image: "example.com/app:v1"}}}}
	}
	queue := &appsv1.StatefulSet{ObjectMeta: meta("queue"), Spec: appsv1.StatefulSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "queue"}}, Template: pod("queue")}}
	err := shared.Client.Create(t.Context(), queue)
	for _, name := range deployments() {
		err = errors.Join(err, shared.Client.Create(t.Context(), &appsv1.Deployment{ObjectMeta: meta(name), Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](2), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}, Template: pod(name)}}))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// startSample creates a run of a sample.
func (s setting) startSample(t *testing.T, name string, w *v1alpha1.Workflow, run sample) *v1alpha1.WorkflowExecution {
	t.Helper()
	we := &v1alpha1.WorkflowExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		Spec:       v1alpha1.WorkflowExecutionSpec{WorkflowRef: &v1alpha1.LocalReference{Name: w.Name}, Reason: "a sample is tried"},
	}
	values := maps.Clone(run.params)
	if values["repository"] == nil && slices.ContainsFunc(w.Spec.Parameters, func(p v1alpha1.Parameter) bool { return p.Name == "repository" }) {
		values["repository"] = shared.CloneURL(s.app)
	}
	if values != nil {
		we.Spec.Parameters = raw(values)
	}
	if err := shared.Client.Create(t.Context(), we); err != nil {
		t.Fatal(err)
	}
	return we
}

// ends compares the end of a run and of each of its steps with the expected.
func (run sample) ends(t *testing.T, w *v1alpha1.Workflow, we *v1alpha1.WorkflowExecution) {
	t.Helper()
	finish(t, we, 4*time.Minute)
	want, got := map[string]string{}, map[string]string{}
	for _, step := range slices.Concat(w.Spec.Steps, w.Spec.OnFailure, w.Spec.Finally) {
		want[step.Name] = cmp.Or(run.steps[step.Name], "Succeeded Succeeded")
	}
	for _, step := range we.Status.Steps {
		got[step.Name] = string(step.Phase) + " " + step.Reason
		if step.Attempts == 2 {
			got[step.Name] += " twice"
		}
	}
	phase := v1alpha1.ExecutionCompleted
	if run.fails {
		phase = v1alpha1.ExecutionFailed
	}
	if diff := gocmp.Diff(want, got); diff != "" || we.Status.Phase != phase {
		t.Errorf("the run is %s, want %s; steps (-want +got):\n%s\n%s", we.Status.Phase, phase, diff, yamlOf(we.Status))
	}
}
