package sim

import (
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// move is something that can happen, from a time on.
type move struct {
	at time.Time // zero: now
	do func()
}

// moves lists what the cluster, and who creates runs, can do next.
func (w *world) moves() []move {
	var out []move
	for _, k := range w.store.names("Job") {
		out = append(out, w.jobMoves(k, w.store.by[k].(*batchv1.Job))...)
	}
	for _, k := range w.store.names("Pod") {
		out = append(out, w.podMoves(k, w.store.by[k].(*corev1.Pod))...)
	}
	for _, kind := range []string{"ActionExecution", "Job", "Pod", "PersistentVolumeClaim"} {
		for _, k := range w.store.names(kind) {
			if owner := metav1.GetControllerOf(w.store.by[k]); owner != nil && !w.exists(k.namespace, owner) {
				out = append(out, move{do: func() { w.note("%s goes with its owner", k); w.store.remove(k) }})
			}
		}
	}
	for i, a := range w.coming {
		out = append(out, move{a.at, func() {
			w.coming = slices.Delete(slices.Clone(w.coming), i, i+1)
			w.arrive(a.k, "")
		}})
	}
	return append(out, w.retries()...)
}

// retries are the ways in which somebody can retry a run that ended badly.
func (w *world) retries() []move {
	if !w.retry {
		return nil
	}
	var out []move
	for _, k := range w.store.names("WorkflowExecution") {
		e := w.current(k)
		if e.Status.CompletedAt == nil || e.Status.Phase == v1alpha1.ExecutionCompleted || e.Status.Snapshot == nil {
			continue
		}
		out = append(out, move{do: func() {
			w.retry = false
			w.arrive(key{k.kind, k.namespace, "again"}, k.name)
		}})
	}
	return out
}

func (w *world) exists(namespace string, ref *metav1.OwnerReference) bool {
	o := w.store.by[key{ref.Kind, namespace, ref.Name}]
	return o != nil && o.GetUID() == ref.UID
}

// podOf is the name of the one pod that a Job gets.
func podOf(job key) key { return key{"Pod", job.namespace, job.name + "-x"} }

// jobMoves makes the pod of a Job, ends it when the Job goes or its time is
// over, and says how the Job ended.
func (w *world) jobMoves(k key, job *batchv1.Job) []move {
	pod, _ := w.store.by[podOf(k)].(*corev1.Pod)
	over := pod == nil || ended(pod)
	one := func(at time.Time, do func()) []move { return []move{{at, do}} }
	switch {
	case !job.DeletionTimestamp.IsZero():
		return w.farewell(k, pod)
	case len(job.Status.Conditions) > 0:
		return nil
	case pod == nil && job.Status.StartTime == nil:
		return one(time.Time{}, func() { w.begin(k, job) })
	case over:
		return one(time.Time{}, func() { w.conclude(k, pod) })
	case pod.DeletionTimestamp.IsZero():
		return one(deadline(job), func() { w.kill(podOf(k)) })
	}
	return nil
}

// farewell takes a Job that is deleted, and its pod before.
func (w *world) farewell(k key, pod *corev1.Pod) []move {
	switch {
	case pod == nil:
		return []move{{do: func() { w.store.change(k, func(o client.Object) { o.SetFinalizers(nil) }) }}}
	case ended(pod):
		return []move{{do: func() { w.note("%s goes with its Job", podOf(k)); w.store.remove(podOf(k)) }}}
	case pod.DeletionTimestamp.IsZero():
		return []move{{do: func() { w.kill(podOf(k)) }}}
	}
	return nil
}

func deadline(job *batchv1.Job) time.Time {
	return job.Status.StartTime.Add(time.Duration(*job.Spec.ActiveDeadlineSeconds) * time.Second)
}

func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// kill tells a pod to end.
func (w *world) kill(k key) {
	w.note("%s is told to end", k)
	w.store.change(k, func(o client.Object) {
		o.SetFinalizers([]string{"batch.kubernetes.io/job-tracking"})
		o.SetDeletionTimestamp(ptr.To(metav1.NewTime(w.now)))
	})
}

// conclude says how a Job ended whose pod ended or is lost.
func (w *world) conclude(k key, pod *corev1.Pod) {
	c := batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: batchv1.JobReasonBackoffLimitExceeded, LastTransitionTime: metav1.NewTime(w.now)}
	switch {
	case pod != nil && pod.Status.Phase == corev1.PodSucceeded:
		c.Type, c.Reason = batchv1.JobComplete, batchv1.JobReasonCompletionsReached
	case pod != nil && !pod.DeletionTimestamp.IsZero():
		c.Reason = batchv1.JobReasonDeadlineExceeded
	}
	w.note("%s has ended: %s", k, c.Reason)
	w.store.change(k, func(o client.Object) { o.(*batchv1.Job).Status.Conditions = []batchv1.JobCondition{c} })
}

func (w *world) begin(k key, job *batchv1.Job) {
	w.note("%s is created", podOf(k))
	w.store.change(k, func(o client.Object) { o.(*batchv1.Job).Status.StartTime = ptr.To(metav1.NewTime(w.now)) })
	w.store.put(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.namespace, Name: podOf(k).name, Labels: job.Spec.Template.Labels, CreationTimestamp: metav1.NewTime(w.now),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID, Controller: ptr.To(true)}}},
		Spec:   corev1.PodSpec{NodeName: "node-1"},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	})
}

// podMoves are those of the kubelet.
func (w *world) podMoves(k key, pod *corev1.Pod) []move {
	killed := !pod.DeletionTimestamp.IsZero()
	_, how := w.fateOf(k)
	switch {
	case ended(pod) && killed && !w.concluding(k):
		return []move{{do: func() { w.store.remove(k) }}}
	case ended(pod):
		return nil
	case killed:
		return []move{{do: func() { w.end(k, 143) }}}
	case pod.Status.Phase == corev1.PodPending:
		return []move{{do: func() { w.runs(k, how) }}}
	case how == "hang":
		return nil
	}
	return []move{{w.ready[k], func() { w.finish(k) }}}
}

// concluding says whether the Job of a pod has yet to read how it ended.
func (w *world) concluding(pod key) bool {
	job, _ := w.store.by[key{"Job", pod.namespace, strings.TrimSuffix(pod.name, "-x")}].(*batchv1.Job)
	return job != nil && len(job.Status.Conditions) == 0
}

func (w *world) runs(k key, how string) {
	if how == "slow" {
		w.ready[k] = w.now.Add(time.Duration(w.rand.IntN(900)) * time.Second)
	}
	w.note("%s runs", k)
	w.store.change(k, func(o client.Object) {
		pod := o.(*corev1.Pod)
		pod.Status.Phase, pod.Status.StartTime = corev1.PodRunning, ptr.To(metav1.NewTime(w.now))
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "action", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	})
}

// finish lets a pod end by itself.
func (w *world) finish(k key) {
	ae, how := w.fateOf(k)
	switch {
	case how == "fail":
		w.end(k, 3)
	case how == "busy" && ae != nil && ae.Spec.Attempt <= 1:
		w.end(k, busy)
	default:
		w.end(k, 0)
	}
}

// end ends a pod with an exit code.
func (w *world) end(k key, exit int32) {
	w.note("%s ends with %d", k, exit)
	w.store.change(k, func(o client.Object) {
		pod := o.(*corev1.Pod)
		pod.Status.Phase = corev1.PodSucceeded
		if exit != 0 {
			pod.Status.Phase = corev1.PodFailed
		}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "action", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: exit, Message: `{"list":["a","b"]}`, FinishedAt: metav1.NewTime(w.now)}}}}
	})
}

// fateOf is the attempt that a pod is of, and how it ends if it is left alone.
func (w *world) fateOf(pod key) (*v1alpha1.ActionExecution, string) {
	ae, _ := w.store.by[key{"ActionExecution", pod.namespace, strings.TrimSuffix(pod.name, "-x")}].(*v1alpha1.ActionExecution)
	if ae == nil {
		return nil, ""
	}
	return ae, w.lifeOf(ae).ends[unitOf(ae)]
}

func (w *world) lifeOf(ae *v1alpha1.ActionExecution) *life {
	return w.lives[key{"WorkflowExecution", ae.Namespace, ae.Spec.Execution.Name}]
}

// unitOf is the step or the item of it that an attempt is of.
func unitOf(ae *v1alpha1.ActionExecution) string {
	if ae.Spec.Item == nil {
		return ae.Spec.Step
	}
	return run.Unit(ae.Spec.Step, int(*ae.Spec.Item))
}
