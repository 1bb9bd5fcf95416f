package sim

import (
	"fmt"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/settings"
)

// digest names one of the two images: 1 has an action that may not be repeated
// once it began, 2 one that may.
func digest(n int) string { return "sha256:" + strings.Repeat(fmt.Sprint(n), 64) }

func image(n int) string { return "registry.example.com/demo@" + digest(n) }

func contractOf(d string) string {
	return fmt.Sprintf(`apiVersion: kubernaut.ai/v1alpha1
kind: ActionContract
metadata: {name: demo, version: v1.0.0}
spec:
  description: Does.
  actionType: demo/first
  idempotent: %t
  outputs: [{name: list, type: array, description: Some.}]
  exitCodes: [{code: %d, meaning: retryable}]
  resources: {limits: {cpu: 100m, memory: 64Mi}}
`, d == digest(2), busy)
}

// busy is the exit code that the contract calls retryable.
const busy = 4

// config is what holds in a world from its beginning.
type config struct {
	settings settings.Settings
	// policies are the caps that the policy of a namespace sets, 0 for none.
	policies map[string]v1alpha1.ExecutionPolicySpec
	flows    map[string]*v1alpha1.Workflow // by namespace
	coming   []arrival
	retry    bool // somebody retries a run that ends badly
}

// arrival is a run that somebody creates at a time.
type arrival struct {
	at time.Time
	k  key
}

// life is what the simulator knows of one run.
type life struct {
	flow *v1alpha1.Workflow
	// ends is how each step, or item of it, ends if it is left alone.
	ends map[string]string
	// meddled says that people or machines changed what the run comes to.
	meddled bool
	owed    []need // what must be so in the end
}

// need is an end of a step after which another one was started.
type need struct {
	step, of string
	on       []run.State
}

// furnish draws caps, workflows, and who creates which run when.
func (w *world) furnish() {
	some := func(n int) int { return 1 + w.rand.IntN(n) }
	w.settings = settings.Settings{MaxParallelSteps: some(3), ComplexityApprovalThreshold: 100, MaxConcurrentRuns: some(3), MaxConcurrentRunsPerNamespace: some(2)}
	w.policies, w.flows = map[string]v1alpha1.ExecutionPolicySpec{}, map[string]*v1alpha1.Workflow{}
	runs := max(1, w.rand.IntN(8)-2)
	namespaces := []string{"dev", "lab", "ops"}[:min(runs, some(3))]
	for _, n := range namespaces {
		if w.rand.IntN(5) == 0 {
			w.policies[n] = v1alpha1.ExecutionPolicySpec{MaxConcurrentRuns: int32(some(2)), MaxParallelSteps: int32(some(2))}
			w.store.put(&v1alpha1.ExecutionPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: n, Name: "rails"}, Spec: w.policies[n]})
		}
		w.flows[n] = w.workflow(n, 1+w.rand.IntN(max(2, 6-runs)))
		w.store.put(w.flows[n])
	}
	for i := range runs {
		at := w.now
		if w.rand.IntN(3) == 0 {
			at = at.Add(time.Duration(w.rand.IntN(120)) * time.Second)
		}
		w.coming = append(w.coming, arrival{at, key{"WorkflowExecution", namespaces[w.rand.IntN(len(namespaces))], fmt.Sprintf("run-%d", i)}})
	}
	w.retry = w.rand.IntN(3) == 0
}

// arrive creates a run as somebody does.
func (w *world) arrive(k key, retryOf string) {
	f := w.flows[k.namespace]
	e := &v1alpha1.WorkflowExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.namespace, Name: k.name, CreationTimestamp: metav1.NewTime(w.now)},
		Spec:       v1alpha1.WorkflowExecutionSpec{WorkflowRef: &v1alpha1.LocalReference{Name: f.Name}, Reason: "because"},
		Status:     v1alpha1.WorkflowExecutionStatus{ObservedGeneration: -1},
	}
	if retryOf != "" {
		e.Spec.RetryOf = &v1alpha1.LocalReference{Name: retryOf}
	}
	w.note("somebody creates %s retryOf=%q", k, retryOf)
	w.lives[k] = &life{flow: f, ends: w.fates(f)}
	w.store.put(e)
}

// fates draws how the steps of a run end.
func (w *world) fates(f *v1alpha1.Workflow) map[string]string {
	out := map[string]string{}
	fails := w.rand.IntN(2) == 0
	for _, s := range f.Spec.Steps {
		out[s.Name] = w.fate(fails)
		if s.ForEach != nil {
			for i := range 4 {
				out[run.Unit(s.Name, i)] = w.fate(fails)
			}
		}
	}
	return out
}

func (w *world) fate(fails bool) string {
	switch n := w.rand.IntN(12); {
	case fails && n < 3:
		return "fail"
	case fails && n == 3:
		return "hang"
	case fails && n == 4:
		return "slow"
	case n == 5:
		return "busy"
	}
	return "succeed"
}

// duration draws one of up to n seconds, or none.
func (w *world) duration(n int) *metav1.Duration {
	if w.rand.IntN(3) > 0 {
		return nil
	}
	return &metav1.Duration{Duration: time.Duration(n/20+w.rand.IntN(n)) * time.Second}
}

// workflow is a random graph.
func (w *world) workflow(namespace string, steps int) *v1alpha1.Workflow {
	f := &v1alpha1.Workflow{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "flow"},
		Spec: v1alpha1.WorkflowSpec{Version: "v1.0.0", FailFast: ptr.To(w.rand.IntN(2) == 0),
			Timeout: w.duration(600), QueueTimeout: w.duration(400), FinallyTimeout: w.duration(200)},
	}
	f.Status.ObservedGeneration = 1
	f.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Succeeded", ObservedGeneration: 1}}
	for i := range steps {
		s := v1alpha1.WorkflowStep{Name: fmt.Sprintf("s%d", i), Image: image(1 + w.rand.IntN(2)), UsesWorkspace: w.rand.IntN(4) == 0, Timeout: w.duration(300)}
		for j := range i {
			w.edge(&s, fmt.Sprintf("s%d", j))
		}
		w.vary(&s)
		f.Spec.Steps = append(f.Spec.Steps, s)
	}
	if w.rand.IntN(2) == 0 {
		f.Spec.OnFailure = []v1alpha1.WorkflowStep{{Name: "undo", Image: image(1)}}
	}
	if w.rand.IntN(2) == 0 {
		f.Spec.Finally = []v1alpha1.WorkflowStep{{Name: "tell", Image: image(1)}}
	}
	return f
}

// vary lets some steps be conditional, be repeated for items, not matter when
// they fail, or be repeated when they took too long.
func (w *world) vary(s *v1alpha1.WorkflowStep) {
	switch w.rand.IntN(9) {
	case 0:
		s.OnFailure = v1alpha1.FailureContinues
	case 1, 2:
		s.ForEach = &v1alpha1.ForEach{Items: apiextensionsv1.JSON{Raw: []byte([]string{`[]`, `[1]`, `[1,2]`, `[1,2,3]`}[w.rand.IntN(4)])}, MaxItems: 3}
		if len(s.RunAfter) > 0 && w.rand.IntN(2) == 0 {
			s.ForEach.Items.Raw = fmt.Appendf(nil, `"$(steps.%s.outputs.list)"`, s.RunAfter[0])
		}
	case 3, 4:
		if len(s.RunAfter) > 0 {
			s.When = fmt.Sprintf("steps.%s.reason != 'Succeeded'", s.RunAfter[0])
		}
	case 5:
		s.Image, s.Timeout = image(2), &metav1.Duration{Duration: time.Duration(5+w.rand.IntN(60)) * time.Second}
		s.Retries = &v1alpha1.Retries{Limit: ptr.To(int32(1 + w.rand.IntN(2))), Causes: []v1alpha1.RetryCause{v1alpha1.RetryTimeout, v1alpha1.RetryExit}}
	}
}

func (w *world) edge(s *v1alpha1.WorkflowStep, to string) {
	switch w.rand.IntN(6) {
	case 0, 1:
		s.RunAfter = append(s.RunAfter, to)
	case 2:
		ends := []v1alpha1.EdgeEnd{v1alpha1.EdgeSucceeded, v1alpha1.EdgeFailed, v1alpha1.EdgeSkipped}
		s.After = append(s.After, v1alpha1.Edge{Step: to, Ended: ends[w.rand.IntN(3):]})
	}
}
