package execution

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/report"
)

// conditions replaces all conditions of the run.
func (p *pass) conditions(wanted []metav1.Condition) {
	s := &p.obj.Status
	s.Conditions = report.Merge(s.Conditions, wanted, p.obj.Generation, p.now)
}

// verified returns the Verified condition as it stands, if there is one.
func (p *pass) verified() []metav1.Condition {
	if c := report.Find(p.obj.Status.Conditions, v1alpha1.ConditionVerified); c != nil {
		return []metav1.Condition{*c}
	}
	return nil
}

func seconds(t time.Time) *metav1.Time {
	m := metav1.NewTime(t.Truncate(time.Second))
	return &m
}
