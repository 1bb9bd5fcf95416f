// Package kinds lists the kinds by the names that people type.
package kinds

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Kind is one kind of object.
type Kind struct {
	// Name as in manifests; Words are what may be typed, the plural first.
	Name  string
	Words []string
	// Column is the heading of the kind's own column, Cell its value.
	Column string
	Cell   func(client.Object) string
	// Object and List make empty ones.
	Object func() client.Object
	List   func() client.ObjectList
}

// All lists every kind in the order of the way of the data.
func All() []Kind {
	return []Kind{
		{"Catalog", []string{"catalogs", "catalog", "kcat"}, "REVISION", func(o client.Object) string { return o.(*v1alpha1.Catalog).Status.LastAppliedRevision },
			func() client.Object { return &v1alpha1.Catalog{} }, func() client.ObjectList { return &v1alpha1.CatalogList{} }},
		{"Action", []string{"actions", "action", "kact"}, "VERSION", func(o client.Object) string { return o.(*v1alpha1.Action).Spec.Version },
			func() client.Object { return &v1alpha1.Action{} }, func() client.ObjectList { return &v1alpha1.ActionList{} }},
		{"Workflow", []string{"workflows", "workflow", "kwf"}, "VERSION", func(o client.Object) string { return o.(*v1alpha1.Workflow).Spec.Version },
			func() client.Object { return &v1alpha1.Workflow{} }, func() client.ObjectList { return &v1alpha1.WorkflowList{} }},
		{"WorkflowExecution", []string{"executions", "execution", "workflowexecutions", "workflowexecution", "kwfe"}, "PHASE", func(o client.Object) string { return string(o.(*v1alpha1.WorkflowExecution).Status.Phase) },
			func() client.Object { return &v1alpha1.WorkflowExecution{} }, func() client.ObjectList { return &v1alpha1.WorkflowExecutionList{} }},
		{"ActionExecution", []string{"actionexecutions", "actionexecution", "kae"}, "PHASE", func(o client.Object) string { return string(o.(*v1alpha1.ActionExecution).Status.Phase) },
			func() client.Object { return &v1alpha1.ActionExecution{} }, func() client.ObjectList { return &v1alpha1.ActionExecutionList{} }},
		{"PullRequest", []string{"pullrequests", "pullrequest", "kpr"}, "URL", func(o client.Object) string { return o.(*v1alpha1.PullRequest).Status.URL },
			func() client.Object { return &v1alpha1.PullRequest{} }, func() client.ObjectList { return &v1alpha1.PullRequestList{} }},
		{"ExecutionPolicy", []string{"policies", "policy", "executionpolicies", "executionpolicy", "kpol"}, "PARALLEL", func(o client.Object) string { return fmt.Sprint(o.(*v1alpha1.ExecutionPolicy).Spec.MaxParallelSteps) },
			func() client.Object { return &v1alpha1.ExecutionPolicy{} }, func() client.ObjectList { return &v1alpha1.ExecutionPolicyList{} }},
		{"Approval", []string{"approvals", "approval", "kapp"}, "DECISION", func(o client.Object) string { return o.(*v1alpha1.Approval).Spec.Decision },
			func() client.Object { return &v1alpha1.Approval{} }, func() client.ObjectList { return &v1alpha1.ApprovalList{} }},
	}
}

// Find returns the kind of a word. A word that nearly is one is named in the error.
func Find(word string) (Kind, error) {
	lower := strings.ToLower(word)
	near, nearest := "", 3
	for _, k := range All() {
		if slices.Contains(k.Words, lower) {
			return k, nil
		}
		for _, w := range k.Words {
			if d := distance(lower, w); d <= 2 && d < nearest {
				near, nearest = w, d
			}
		}
	}
	if near != "" {
		return Kind{}, fmt.Errorf("there is no kind %q: did you mean %q?", word, near)
	}
	return Kind{}, fmt.Errorf("there is no kind %q: want one of %s", word, strings.Join(Words(), ", "))
}

// Get reads one object. An object that is not there is said in words.
func Get(ctx context.Context, c client.Reader, word string, key client.ObjectKey, into client.Object) error {
	return Explain(c.Get(ctx, key, into), word, key.Namespace, key.Name)
}

// Explain says in words what is not there; without a name it is about a list.
func Explain(err error, word, namespace, name string) error {
	k, unknown := Find(word)
	switch {
	case err == nil:
		return nil
	case unknown != nil:
		return unknown
	case apierrors.IsNotFound(err) && name != "":
		return fmt.Errorf("there is no %s %q in namespace %s: 'get %s' lists what is there", k.Words[1], name, namespace, k.Words[0])
	case meta.IsNoMatchError(err):
		return fmt.Errorf("the cluster does not know the kind %s: %w: run 'install'", k.Name, err)
	}
	if name == "" {
		return fmt.Errorf("list %s: %w", k.Words[0], err)
	}
	return fmt.Errorf("get %s %s: %w", k.Words[1], name, err)
}

// Words lists the plural of every kind.
func Words() []string {
	var out []string
	for _, k := range All() {
		out = append(out, k.Words[0])
	}
	return out
}

// distance is how many letters have to change, come or go.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			before, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, before+cost)
		}
	}
	return row[len(b)]
}

// Ready returns the status and message of the Ready condition; "-" where the
// kind has none and "Unknown" where nobody has looked at the object yet.
func Ready(o client.Object) (status, message string) {
	with, ok := o.(interface{ GetConditions() []metav1.Condition })
	if !ok {
		return "-", ""
	}
	for _, c := range with.GetConditions() {
		if c.Type == v1alpha1.ConditionReady {
			return string(c.Status), c.Message
		}
	}
	return "Unknown", "not looked at yet: is the controller running?"
}
