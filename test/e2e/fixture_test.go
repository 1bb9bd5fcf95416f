package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/runtime/conditions/check"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// namespace makes a namespace of the test's own and removes it at the end.
func namespace(t *testing.T) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	name = strings.Trim(name[:min(len(name), 40)], "-") + fmt.Sprintf("-%x", time.Now().UnixNano()&0xffffff)
	if err := shared.Namespace(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := client.IgnoreNotFound(shared.Client.Delete(context.Background(), ns)); err != nil {
			t.Error(err)
		}
	})
	return name
}

func raw(v any) *apiextensionsv1.JSON {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return &apiextensionsv1.JSON{Raw: data}
}

// start creates an inline run.
func start(t *testing.T, namespace, name string, steps ...v1alpha1.WorkflowStep) *v1alpha1.WorkflowExecution {
	t.Helper()
	we := &v1alpha1.WorkflowExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.WorkflowExecutionSpec{WorkflowType: "e2e", Steps: steps, Reason: "an end-to-end test"},
	}
	if err := shared.Client.Create(t.Context(), we); err != nil {
		t.Fatal(err)
	}
	return we
}

// finish waits until a run has ended, and holds every state that it sees on
// the way against Flux's rules for conditions.
func finish(t *testing.T, we *v1alpha1.WorkflowExecution, limit time.Duration) {
	t.Helper()
	reach(t, we, limit, "its end", func() bool { return we.Status.CompletedAt != nil })
}

// reach waits until a run satisfies a condition.
func reach(t *testing.T, we *v1alpha1.WorkflowExecution, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	var seen string
	err := harness.Until(t.Context(), limit, func(ctx context.Context) error {
		if err := shared.Client.Get(ctx, client.ObjectKeyFromObject(we), we); err != nil {
			return err
		}
		if we.ResourceVersion != seen && len(we.Status.Conditions) > 0 {
			seen = we.ResourceVersion
			lawful(t, we)
		}
		if !ok() {
			return errors.New("not there yet")
		}
		return nil
	})
	if err != nil {
		t.Fatalf("run %s does not reach %s: %v\nstatus: %s", we.Name, what, err, yamlOf(we.Status))
	}
}

// lawful fails the test if the conditions break one of Flux's rules, or if
// those who wait by kstatus would be told the wrong thing.
func lawful(t *testing.T, we *v1alpha1.WorkflowExecution) {
	t.Helper()
	we = we.DeepCopy()
	we.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("WorkflowExecution"))
	checker := check.NewChecker(shared.Client, &check.Conditions{NegativePolarity: []string{"Stalled", "Reconciling"}})
	checker.DisableFetch = true
	if fail, _ := checker.Check(t.Context(), we); fail != nil {
		t.Errorf("unlawful conditions: %v\n%s", fail, yamlOf(we.Status.Conditions))
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(we)
	if err != nil {
		t.Fatal(err)
	}
	got, err := status.Compute(&unstructured.Unstructured{Object: fields})
	if err != nil {
		t.Fatal(err)
	}
	want := status.InProgressStatus
	switch we.Status.Phase {
	case v1alpha1.ExecutionCompleted:
		want = status.CurrentStatus
	case v1alpha1.ExecutionFailed, v1alpha1.ExecutionCancelled:
		want = status.FailedStatus
	}
	if got.Status != want {
		t.Errorf("kstatus is %s in phase %s, want %s: %s", got.Status, we.Status.Phase, want, yamlOf(we.Status.Conditions))
	}
}

func yamlOf(v any) string {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// jobs lists the Jobs and pods of a namespace.
func jobs(t *testing.T, namespace string) ([]batchv1.Job, []corev1.Pod) {
	t.Helper()
	var j batchv1.JobList
	var p corev1.PodList
	if err := errors.Join(shared.Client.List(t.Context(), &j, client.InNamespace(namespace)), shared.Client.List(t.Context(), &p, client.InNamespace(namespace))); err != nil {
		t.Fatal(err)
	}
	return j.Items, p.Items
}

func condition(we *v1alpha1.WorkflowExecution, kind string) metav1.Condition {
	for _, c := range we.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return metav1.Condition{}
}
