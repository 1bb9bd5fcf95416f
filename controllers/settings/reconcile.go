package settings

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/settings"
)

// Reconciler puts what the ConfigMap says in force.
type Reconciler struct {
	client  client.Reader
	record  *record.Recorder
	options Options
	// last is what the ConfigMap said when it was judged, judged whether it ever
	// was: what was told once is not told again.
	last   map[string]string
	judged bool
}

// Reconcile is the story of one change.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	object, err := r.read(ctx, r.client)
	if err != nil {
		return ctrl.Result{}, err
	}
	said := said(object)
	if r.judged && maps.Equal(r.last, said) {
		return ctrl.Result{}, nil
	}
	layer, findings := settings.Parse(said)
	if len(findings) > 0 {
		r.refuse(ctx, object, findings)
	} else {
		r.apply(ctx, object, layer)
	}
	r.last, r.judged = said, true
	return ctrl.Result{}, nil
}

// begin puts in force what there is before anything else begins. What it
// cannot take is told by the first reconciliation.
func (r *Reconciler) begin(ctx context.Context, live client.Reader) error {
	object, err := r.read(ctx, live)
	if err != nil {
		return err
	}
	layer, _ := settings.Parse(said(object))
	r.options.Store.Set(r.merged(layer))
	ctrl.LoggerFrom(ctx).Info("settings in force", "settings", r.options.Store.Get())
	return nil
}

func (r *Reconciler) key() types.NamespacedName {
	return types.NamespacedName{Namespace: r.options.Namespace, Name: settings.ConfigMap}
}

// read returns the ConfigMap; nil if there is none.
func (r *Reconciler) read(ctx context.Context, from client.Reader) (*corev1.ConfigMap, error) {
	object := &corev1.ConfigMap{}
	err := from.Get(ctx, r.key(), object)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", r.key(), err)
	}
	return object, nil
}

// said is the content; bytes are judged like text.
func said(object *corev1.ConfigMap) map[string]string {
	out := map[string]string{}
	if object == nil {
		return out
	}
	maps.Copy(out, object.Data)
	for name, value := range object.BinaryData {
		out[name] = string(value)
	}
	return out
}

func (r *Reconciler) merged(layer settings.Layer) settings.Settings {
	return settings.Merge(append(append([]settings.Layer{}, r.options.Fixed...), layer)...)
}

// refuse leaves in force what is.
func (r *Reconciler) refuse(ctx context.Context, object *corev1.ConfigMap, findings []settings.Finding) {
	lines := make([]string, 0, len(findings))
	for _, f := range findings {
		lines = append(lines, f.String())
	}
	text := strings.Join(lines, "; ")
	ctrl.LoggerFrom(ctx).Error(errors.New(text), "the ConfigMap is refused, the settings in force stay", "settings", r.options.Store.Get())
	r.record.Emit(object, report.Event{Type: corev1.EventTypeWarning, Reason: v1alpha1.ReasonSettingsInvalid,
		Message: "nothing of it is taken, the settings in force stay: " + text})
}

// apply puts other settings in force and says what differs.
func (r *Reconciler) apply(ctx context.Context, object *corev1.ConfigMap, layer settings.Layer) {
	old, now := r.options.Store.Get(), r.merged(layer)
	r.options.Store.Set(now)
	if old != now && r.options.Changed != nil {
		r.options.Changed()
	}
	if old == now && !r.judged {
		return // as it was read at the start
	}
	text := strings.Join(settings.Changes(old, now), ", ")
	if text == "" {
		text = "nothing differs from what was in force: a flag or an environment variable counts more, or it says what held before"
	}
	ctrl.LoggerFrom(ctx).Info("settings taken", "changes", text, "missing", object == nil)
	if object != nil {
		r.record.Emit(object, report.Event{Type: corev1.EventTypeNormal, Reason: v1alpha1.ReasonSettingsApplied, Message: text})
	}
}
