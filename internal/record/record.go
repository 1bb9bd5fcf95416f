// Package record is the one writer of status: one write, then the events that
// the difference tells.
package record

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
)

// maxNote is the API server's limit of an event's note in bytes.
const maxNote = 1024

// Recorder writes statuses.
type Recorder struct {
	client client.Client
	events events.EventRecorder
}

// New returns a Recorder that writes with c and emits to e.
func New(c client.Client, e events.EventRecorder) *Recorder { return &Recorder{client: c, events: e} }

// Write makes the status of old, as it was read, that of now, in one request
// that fails if somebody else wrote in between, and then emits what. If
// nothing differs it writes and emits nothing.
func (r *Recorder) Write(ctx context.Context, old, now client.Object, what []report.Event) error {
	if equality.Semantic.DeepEqual(old, now) {
		return nil
	}
	patch := client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})
	if err := r.client.Status().Patch(ctx, now, patch, client.FieldOwner(v1alpha1.FieldOwner)); err != nil {
		return fmt.Errorf("write status of %s: %w", client.ObjectKeyFromObject(now), err)
	}
	r.Emit(now, what...)
	return nil
}

// Emit tells events about an object whose status is not written, such as one
// that is deleted.
func (r *Recorder) Emit(o client.Object, what ...report.Event) {
	for _, e := range what {
		r.events.Eventf(o, nil, e.Type, e.Reason, "Reconcile", "%s", report.Cut(e.Message, maxNote))
	}
}
