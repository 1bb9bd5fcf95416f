package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// Of two runs the older goes when one is to be kept. Of the other the steps go
// at their time, and its status stays as it was.
func TestHistory(t *testing.T) {
	ns := namespace(t)
	step := probe(t, "probe", "well", "")
	older := start(t, ns, "older", step)
	finish(t, older, time.Minute)
	younger := start(t, ns, "younger", step)
	finish(t, younger, time.Minute)
	one := int32(1)
	ttl := time.Since(younger.Status.CompletedAt.Time) + 5*time.Second
	rails := &v1alpha1.ExecutionPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "rails"}, Spec: v1alpha1.ExecutionPolicySpec{
		History: &v1alpha1.History{KeepCompleted: &one, StepsTTL: &metav1.Duration{Duration: ttl.Round(time.Second)}}}}
	if err := shared.Client.Create(t.Context(), rails); err != nil {
		t.Fatal(err)
	}
	err := harness.Until(t.Context(), time.Minute, func(ctx context.Context) error {
		err := shared.Client.Get(ctx, client.ObjectKeyFromObject(older), &v1alpha1.WorkflowExecution{})
		if err == nil {
			return errors.New("the older run is still there")
		}
		return client.IgnoreNotFound(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = harness.Until(t.Context(), time.Minute, func(ctx context.Context) error {
		var left v1alpha1.ActionExecutionList
		if err := shared.Client.List(ctx, &left, client.InNamespace(ns)); err != nil {
			return err
		}
		if n := len(left.Items); n > 0 {
			return fmt.Errorf("%d ActionExecutions are still there", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	before := younger.Status
	if err := shared.Client.Get(t.Context(), client.ObjectKeyFromObject(younger), younger); apierrors.IsNotFound(err) {
		t.Fatal("the younger run went, too")
	} else if err != nil {
		t.Fatal(err)
	}
	if younger.Status.Phase != v1alpha1.ExecutionCompleted {
		t.Errorf("phase %s", younger.Status.Phase)
	}
	if diff := cmp.Diff(before.Steps, younger.Status.Steps); diff != "" {
		t.Errorf("steps (-before +after):\n%s", diff)
	}
}
