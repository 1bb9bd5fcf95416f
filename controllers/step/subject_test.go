package step

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
)

// An image policy that looks at labels must see those of the Job, and nothing
// else.
func TestImagesAreJudgedForTheJobThatRuns(t *testing.T) {
	w := newWorld(t, action())
	w.settle()
	job := &batchv1.Job{}
	if err := w.base.Get(t.Context(), types.NamespacedName{Namespace: "ops", Name: "run-a"}, job); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(job.Labels, w.subject.Labels); diff != "" {
		t.Errorf("labels (-Job +judged):\n%s", diff)
	}
	if diff := cmp.Diff(job.Spec.Template.Labels, w.subject.Labels); diff != "" {
		t.Errorf("labels (-pod +judged):\n%s", diff)
	}
}
