package execution

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// repeated is a run whose step a is repeated for three items, which b reads.
func repeated(t *testing.T, items string) *world {
	t.Helper()
	e := twoSteps()
	e.Spec.Steps = []v1alpha1.WorkflowStep{
		{Name: "a", Image: image(1), ForEach: &v1alpha1.ForEach{Items: apiextensionsv1.JSON{Raw: []byte(items)}},
			Inputs: &apiextensionsv1.JSON{Raw: []byte(`{"text":"$(item.name) is $(index)"}`)}},
		{Name: "b", Image: image(1), RunAfter: []string{"a"}, When: "size(steps.a.outputs.word) == 3", Inputs: &apiextensionsv1.JSON{Raw: []byte(`{"text":"x"}`)}},
	}
	return newWorld(t, e)
}

const threeItems = `[{"name":"x"},{"name":"y"},{"name":"z"}]`

func TestAStepIsRepeatedForEachItem(t *testing.T) {
	w := repeated(t, threeItems)
	w.settle()
	if got := told(w.run()); got != "Completed Ready=True/Succeeded a:Succeeded b:Succeeded" {
		t.Fatal(got)
	}
	a := w.run().Status.Steps[0]
	if got := string(a.Outputs.Raw); got != `{"word":["hi","hi","hi"]}` {
		t.Errorf("outputs %s", got)
	}
	var refs []string
	for i, item := range a.Items {
		if int(item.Index) != i || item.Phase != v1alpha1.StepSucceeded || item.Attempts != 1 {
			t.Errorf("item %+v", item)
		}
		refs = append(refs, item.Ref)
	}
	slices.Sort(refs)
	var got []string
	for _, n := range w.names() {
		if name, inputs, ok := strings.Cut(strings.TrimPrefix(n, "step "), " "); ok && slices.Contains(refs, name) {
			got = append(got, inputs)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{`{"text":"x is 0"}`, `{"text":"y is 1"}`, `{"text":"z is 2"}`}, got); diff != "" {
		t.Errorf("inputs (-want +got):\n%s", diff)
	}
}

func TestEndsOfRepeatedSteps(t *testing.T) {
	for name, c := range map[string]struct {
		items string
		spoil func(*world)
		want  string
	}{
		"nothing to do": {`[]`, nil, "Failed Stalled=True/ConditionFailed Ready=False/ConditionFailed a:Succeeded b:Failed"},
		"too many":      {`[` + strings.Repeat(`{"name":"x"},`, 10) + `{"name":"x"}]`, nil, "Failed Stalled=True/InvalidParameters Ready=False/InvalidParameters"},
		"no such field": {`[{"name":"x"},{"nome":"y"}]`, nil, "Failed Stalled=True/InvalidReference Ready=False/InvalidReference a:Failed b:Skipped"},
		"items fail":    {threeItems, func(w *world) { w.outcome["a"] = "fail" }, "Failed Stalled=True/StepFailed Ready=False/StepFailed a:Failed b:Skipped"},
		"cancelled": {threeItems, func(w *world) {
			w.hang("a")
			w.change(func(e *v1alpha1.WorkflowExecution) { e.Spec.Cancel = true })
		}, "Cancelled Stalled=True/Cancelled Ready=False/Cancelled a:Cancelled b:Skipped"},
	} {
		t.Run(name, func(t *testing.T) {
			w := repeated(t, c.items)
			if c.spoil != nil {
				c.spoil(w)
			}
			w.settle()
			if diff := cmp.Diff(c.want, told(w.run())); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

// A crash between any two writes repeats no item and changes no end, and a
// finished run whose ActionExecutions are gone stays as it is.
func TestCrashWhileAStepIsRepeated(t *testing.T) {
	whole := repeated(t, threeItems)
	whole.settle()
	for n := 1; n <= len(whole.writes); n++ {
		for _, applied := range []bool{false, true} {
			w := repeated(t, threeItems)
			w.failAt, w.applied = n, applied
			w.settle()
			if diff := cmp.Diff(strip(whole.run()), strip(w.run())); diff != "" {
				t.Fatalf("write %d, applied %t (-want +got):\n%s", n, applied, diff)
			}
			equal(t, "objects", w.names(), whole.names())
		}
	}
	var list v1alpha1.ActionExecutionList
	if err := whole.base.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		if err := whole.base.Delete(t.Context(), &list.Items[i]); err != nil {
			t.Fatal(err)
		}
	}
	before := strip(whole.run())
	whole.settle()
	if diff := cmp.Diff(before, strip(whole.run())); diff != "" {
		t.Errorf("without its ActionExecutions it is another run:\n%s", diff)
	}
}
