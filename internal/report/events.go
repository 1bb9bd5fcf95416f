package report

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// Event is what changed, for people.
type Event struct {
	// Type is Normal or Warning.
	Type, Reason, Message string
}

// Events returns the difference of two lists of conditions: one event when the
// reason of Ready changed, Warning when the object stalled, and what the
// signature gate found, unless that is the same.
func Events(old, now []metav1.Condition) []Event {
	verified, n := VerifiedEvents(old, now), news(old, now, v1alpha1.ConditionReady)
	if n == nil {
		return verified
	}
	e := Event{Type: corev1.EventTypeNormal, Reason: n.Reason, Message: n.Message}
	if Find(now, v1alpha1.ConditionStalled) != nil {
		e.Type = corev1.EventTypeWarning
	}
	if len(verified) > 0 && verified[0].Reason == e.Reason {
		return []Event{e} // one for both
	}
	return append([]Event{e}, verified...)
}

// VerifiedEvents returns one event when the reason of Verified changed, Warning
// unless all is well.
func VerifiedEvents(old, now []metav1.Condition) []Event {
	n := news(old, now, v1alpha1.ConditionVerified)
	if n == nil {
		return nil
	}
	e := Event{Type: corev1.EventTypeWarning, Reason: n.Reason, Message: n.Message}
	if n.Reason == v1alpha1.ReasonVerified {
		e.Type = corev1.EventTypeNormal
	}
	return []Event{e}
}

// news returns the condition if its status or reason changed.
func news(old, now []metav1.Condition, kind string) *metav1.Condition {
	o, n := Find(old, kind), Find(now, kind)
	if n == nil || (o != nil && o.Reason == n.Reason && o.Status == n.Status) {
		return nil
	}
	return n
}

// StepEvents returns one event for each step whose phase changed to a final one
// or to running, or whose last attempt failed and is to be repeated.
func StepEvents(old, now []v1alpha1.StepStatus) []Event {
	before := map[string]v1alpha1.StepStatus{}
	for _, s := range old {
		before[s.Name] = s
	}
	var out []Event
	for _, s := range now {
		if was := before[s.Name]; s.RetryAt != nil && (was.RetryAt == nil || was.Attempts < s.Attempts) {
			out = append(out, Event{Type: corev1.EventTypeWarning, Reason: "StepRetrying", Message: fmt.Sprintf("step %s: %s", s.Name, s.Message)})
		}
		if before[s.Name].Phase == s.Phase || s.Phase == v1alpha1.StepPending {
			continue
		}
		e := Event{Type: corev1.EventTypeNormal, Reason: "Step" + string(s.Phase), Message: fmt.Sprintf("step %s: %s", s.Name, s.Phase)}
		if s.Message != "" {
			e.Message += ": " + s.Message
		}
		if s.Phase == v1alpha1.StepFailed {
			e.Type = corev1.EventTypeWarning
		}
		out = append(out, e)
	}
	return out
}
