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

	"github.com/fluxcd/pkg/runtime/jitter"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/controllers/execution"
	"github.com/kubernaut/kubernaut/controllers/pullrequest"
	"github.com/kubernaut/kubernaut/controllers/step"
	"github.com/kubernaut/kubernaut/internal/engine/job"
	"github.com/kubernaut/kubernaut/internal/gate"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	verifyimage "github.com/kubernaut/kubernaut/internal/verify/image"
)

// setup builds the concrete doors and hands them to the controllers.
func setup(ctx context.Context, mgr ctrl.Manager, o options) error {
	live := mgr.GetAPIReader()
	inside := cluster{live: live, namespace: o.namespace}
	registry := image.New(image.Options{Credentials: inside.pullSecrets, Timeout: o.registryTimeout})
	verifier := verify.Cached(verifyimage.New(inside.policies, registry), verify.CacheOptions{})
	files := image.Cached(registry, 0)
	spread := func(d time.Duration) time.Duration { return jitter.JitteredIntervalDuration(d) }

	if err := execution.Setup(ctx, mgr, execution.Options{
		Engine: job.NewEngine(mgr.GetClient(), live), Now: time.Now, MaxConcurrent: o.runs,
		Gate: gate.Gate{
			gate.Digest{Images: registry}, gate.Signature{Verifier: verifier}, gate.Contract{Files: files},
			gate.Inputs{}, gate.Approval{}, gate.Repositories{}, gate.Rights{},
		},
	}); err != nil {
		return err
	}
	if err := step.Setup(mgr, step.Options{
		Jobs: job.NewSteps(mgr.GetClient(), live), Now: time.Now, MaxConcurrent: o.steps,
		Gate: gate.Gate{
			gate.Signature{Verifier: verifier}, gate.Contract{Files: files},
			gate.Inputs{}, gate.Repositories{}, gate.Rights{},
		},
	}); err != nil {
		return err
	}
	return pullrequest.Setup(mgr, pullrequest.Options{Forges: forges, Secrets: live, Now: time.Now, Jitter: spread})
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
