// Package report turns what is known into status, purely.
package report

import (
	"sort"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// maxMessage bounds a condition's message as it is stored; the API allows
// 32,768 and a terminal shows far less.
const maxMessage = 2048

// Progressing returns the conditions of an object on its way.
func Progressing(reason run.Reason, message string) []metav1.Condition {
	return []metav1.Condition{
		condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message),
		condition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message),
	}
}

// Retrying returns the conditions of an object whose last attempt went wrong
// and is repeated.
func Retrying(reason run.Reason, message string) []metav1.Condition {
	return []metav1.Condition{
		condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonProgressingWithRetry, message),
		condition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message),
	}
}

// Ready returns the conditions of an object that is what its spec asks for.
func Ready(reason run.Reason, message string) []metav1.Condition {
	return []metav1.Condition{condition(v1alpha1.ConditionReady, metav1.ConditionTrue, reason, message)}
}

// Stalled returns the conditions of an object that needs a person.
func Stalled(reason run.Reason, message string) []metav1.Condition {
	return []metav1.Condition{
		condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message),
		condition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message),
	}
}

// Verified returns the condition that says what the signature gate found.
func Verified(status metav1.ConditionStatus, reason run.Reason, message string) metav1.Condition {
	return condition(v1alpha1.ConditionVerified, status, reason, message)
}

// Passed returns the condition of what passed the signature gate. Warnings of
// policies that only warn come first, where nothing cuts them off.
func Passed(message string, warnings []string) metav1.Condition {
	if len(warnings) == 0 {
		return Verified(metav1.ConditionTrue, v1alpha1.ReasonVerified, message)
	}
	return Verified(metav1.ConditionTrue, v1alpha1.ReasonVerifiedWithWarnings, "warning: "+strings.Join(warnings, "; ")+"; "+message)
}

func condition(kind string, status metav1.ConditionStatus, reason run.Reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: string(reason), Message: fit(message, maxMessage)}
}

// Cut shortens text to at most limit bytes and says so.
func Cut(text string, limit int) string {
	const mark = " … (cut)"
	if len(text) <= limit {
		return text
	}
	end := limit - len(mark)
	for end > 0 && text[end]&0xC0 == 0x80 {
		end--
	}
	return text[:end] + mark
}

// Merge returns wanted as the whole list of conditions: the time of the last
// transition is kept where status and reason did not change, conditions that are not
// wanted are gone, and the order is Flux's.
func Merge(old, wanted []metav1.Condition, generation int64, now time.Time) []metav1.Condition {
	out := make([]metav1.Condition, 0, len(wanted))
	for _, c := range wanted {
		c.ObservedGeneration = generation
		c.LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
		for _, o := range old {
			if o.Type == c.Type && o.Status == c.Status && o.Reason == c.Reason {
				c.LastTransitionTime = o.LastTransitionTime
			}
		}
		out = append(out, c)
	}
	sort.SliceStable(out, func(i, j int) bool { return weight(out[i]) < weight(out[j]) })
	return out
}

func weight(c metav1.Condition) string {
	switch c.Type {
	case v1alpha1.ConditionStalled:
		return "0"
	case v1alpha1.ConditionReconciling:
		return "1"
	case v1alpha1.ConditionReady:
		return "2"
	}
	return "3" + c.Type
}

// Find returns the condition of a type, or nil.
func Find(conditions []metav1.Condition, kind string) *metav1.Condition {
	for i := range conditions {
		if conditions[i].Type == kind {
			return &conditions[i]
		}
	}
	return nil
}
