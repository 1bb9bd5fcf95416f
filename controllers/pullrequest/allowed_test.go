package pullrequest

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

func TestARepositoryThatNoPolicyAllowsIsNotAsked(t *testing.T) {
	for name, c := range map[string]struct {
		namespace, prefix string
		asked             int
	}{
		"allowed":                {"ops", "https://git.example.com/team/", 1},
		"not allowed":            {"ops", "https://git.example.com/other/", 0},
		"another one's policies": {"dev", "https://git.example.com/other/", 1},
	} {
		w := newWorld(t, secret(), &v1alpha1.ExecutionPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "p"},
			Spec: v1alpha1.ExecutionPolicySpec{Repositories: []string{c.prefix}}})
		result := w.reconcile()
		if w.asked != c.asked || (w.token != "") != (c.asked > 0) {
			t.Errorf("%s: asked %d times with token %q, want %d", name, w.asked, w.token, c.asked)
		}
		want := open
		if c.asked == 0 {
			want = "[] Stalled=True/PolicyDenied Ready=False/PolicyDenied"
		}
		w.hold(result, time.Minute, want)
	}
}
