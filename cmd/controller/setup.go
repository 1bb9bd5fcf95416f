package main

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/fluxcd/pkg/runtime/jitter"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/catalog/source"
	"github.com/kubernaut/kubernaut/catalog/source/flux"
	"github.com/kubernaut/kubernaut/catalog/source/git"
	"github.com/kubernaut/kubernaut/controllers/action"
	"github.com/kubernaut/kubernaut/controllers/catalog"
	"github.com/kubernaut/kubernaut/controllers/execution"
	"github.com/kubernaut/kubernaut/controllers/history"
	"github.com/kubernaut/kubernaut/controllers/pullrequest"
	controllersettings "github.com/kubernaut/kubernaut/controllers/settings"
	"github.com/kubernaut/kubernaut/controllers/step"
	"github.com/kubernaut/kubernaut/controllers/workflow"
	"github.com/kubernaut/kubernaut/internal/engine/job"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/settings"
	"github.com/kubernaut/kubernaut/internal/verify/commit"
)

// setup builds the concrete doors and hands them to the controllers.
func setup(ctx context.Context, mgr ctrl.Manager, o options, store *settings.Store) error {
	live := mgr.GetAPIReader()
	metrics, err := record.NewMetrics(ctrlmetrics.Registry)
	if err != nil {
		return err
	}
	policies, registry, err := o.images(live, metrics)
	if err != nil {
		return err
	}
	doors := newDoors(policies, registry, metrics)
	spread := jitter.Percent(float64(o.jitter)/100, nil)
	kinds, sources, err := watched(mgr.GetRESTMapper())
	if err != nil {
		return err
	}

	changed, tell := signal()
	// First, because it reads the settings that the others begin with.
	if err := controllersettings.Setup(ctx, mgr, controllersettings.Options{Namespace: o.namespace, Store: store, Fixed: o.fixed, Changed: tell}); err != nil {
		return err
	}
	if err := catalog.Setup(mgr, catalog.Required{Open: open(mgr), Verify: commit.Verify},
		catalog.Options{Sources: sources, Jitter: spread}); err != nil {
		return err
	}
	if err := action.Setup(mgr, action.Required{Images: registry, Files: doors.files, Verifier: doors.verifier},
		action.Options{Policies: kinds, Jitter: spread, Concurrent: o.runs}); err != nil {
		return err
	}
	if err := workflow.Setup(ctx, mgr, workflow.Options{Concurrent: o.runs}); err != nil {
		return err
	}
	if err := execution.Setup(ctx, mgr, execution.Options{
		Engine: job.NewEngine(mgr.GetClient(), live, time.Now), Live: live, Now: time.Now, Settings: store.Get, Changed: changed, MaxConcurrent: o.runs,
		Gate: doors.ofRun(),
	}); err != nil {
		return err
	}
	if err := step.Setup(mgr, step.Options{
		Jobs: job.NewSteps(mgr.GetClient(), live, time.Now), Now: time.Now, MaxConcurrent: o.steps,
		Gate: doors.ofStep(),
	}); err != nil {
		return err
	}
	if err := history.Setup(mgr, history.Options{Now: time.Now}); err != nil {
		return err
	}
	return pullrequest.Setup(mgr, pullrequest.Options{Forges: forges, Secrets: live, Now: time.Now, Jitter: spread})
}

// open makes the source that a Catalog names.
func open(mgr ctrl.Manager) func(context.Context, *v1alpha1.Catalog) (source.Source, error) {
	return func(ctx context.Context, c *v1alpha1.Catalog) (source.Source, error) {
		if c.Spec.Git != nil {
			return git.Open(ctx, mgr.GetAPIReader(), c.Namespace, *c.Spec.Git, "")
		}
		return flux.New(mgr.GetClient(), c.Namespace, *c.Spec.SourceRef, flux.Options{}), nil
	}
}

// ours are the kinds of which only our own objects are cached.
func ours() []client.Object {
	return []client.Object{&corev1.Pod{}, &batchv1.Job{}, &corev1.PersistentVolumeClaim{}}
}

// labelled selects objects that belong to a run.
func labelled() labels.Selector {
	r, err := labels.NewRequirement(v1alpha1.LabelExecution, selection.Exists, nil)
	if err != nil {
		return labels.Nothing()
	}
	return labels.NewSelector().Add(*r)
}

// signal returns a channel and what sends to it. One signal that was not heard
// yet stands for all: only who holds the lease listens, and never waits.
func signal() (<-chan event.GenericEvent, func()) {
	c := make(chan event.GenericEvent, 1)
	return c, func() {
		select {
		case c <- event.GenericEvent{Object: &v1alpha1.WorkflowExecution{}}:
		default:
		}
	}
}
