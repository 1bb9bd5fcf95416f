package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// workflow is a random graph.
func (w *world) workflow() *v1alpha1.Workflow {
	f := &v1alpha1.Workflow{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "flow"},
		Spec:       v1alpha1.WorkflowSpec{Version: "v1.0.0", FailFast: ptr.To(w.rand.IntN(2) == 0)},
	}
	f.Status.ObservedGeneration = 1
	f.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Succeeded", ObservedGeneration: 1}}
	fails := w.rand.IntN(2) == 0
	for i := range 1 + w.rand.IntN(5) {
		s := v1alpha1.WorkflowStep{Name: fmt.Sprintf("s%d", i), Image: "registry.example.com/demo@" + digest(), UsesWorkspace: w.rand.IntN(4) == 0}
		for j := range i {
			w.edge(&s, fmt.Sprintf("s%d", j))
		}
		w.vary(&s)
		if fails && w.rand.IntN(4) == 0 {
			w.ends[s.Name] = "fail"
		}
		f.Spec.Steps = append(f.Spec.Steps, s)
	}
	if w.rand.IntN(2) == 0 {
		f.Spec.OnFailure = []v1alpha1.WorkflowStep{{Name: "undo", Image: f.Spec.Steps[0].Image}}
	}
	if w.rand.IntN(2) == 0 {
		f.Spec.Finally = []v1alpha1.WorkflowStep{{Name: "tell", Image: f.Spec.Steps[0].Image}}
	}
	return f
}

// vary lets some steps be conditional, be repeated for items, not matter when
// they fail, or need a second attempt.
func (w *world) vary(s *v1alpha1.WorkflowStep) {
	w.ends[s.Name] = "succeed"
	switch w.rand.IntN(8) {
	case 0:
		s.OnFailure = v1alpha1.FailureContinues
	case 1:
		s.ForEach = &v1alpha1.ForEach{Items: apiextensionsv1.JSON{Raw: []byte(`[1,2,3]`)}, MaxItems: 3}
	case 2:
		w.ends[s.Name] = "busy"
	case 3:
		if len(s.RunAfter) > 0 {
			s.When = fmt.Sprintf("steps.%s.reason != 'Succeeded'", s.RunAfter[0])
		}
	}
}

func (w *world) edge(s *v1alpha1.WorkflowStep, to string) {
	switch w.rand.IntN(6) {
	case 0, 1:
		s.RunAfter = append(s.RunAfter, to)
	case 2:
		ends := []v1alpha1.EdgeEnd{v1alpha1.EdgeSucceeded, v1alpha1.EdgeFailed, v1alpha1.EdgeSkipped}
		s.After = append(s.After, v1alpha1.Edge{Step: to, Ended: ends[w.rand.IntN(3):]})
	}
}

// play lets things happen until the run has ended and nothing is left to do.
func (w *world) play() {
	for events := 0; len(w.broken) == 0; events++ {
		w.calm = w.calm || events > 150
		if events > 3000 {
			w.violated("no end after %d events and %d passes", events, w.passes)
			return
		}
		if w.calm && w.quiet() {
			break
		}
		w.step()
	}
	if len(w.broken) == 0 {
		w.checkEnd()
	}
}

// quiet says whether all is told and only time could bring more.
func (w *world) quiet() bool {
	for _, kind := range kinds() {
		if len(w.late[kind]) > 0 {
			return false
		}
	}
	return len(w.queue) == 0 && len(w.moves()) == 0
}

// step lets one thing happen.
func (w *world) step() {
	if !w.calm && w.rand.IntN(12) == 0 {
		w.disturb()
		return
	}
	moves, next := w.open()
	switch {
	case len(moves) > 0:
		moves[w.rand.IntN(len(moves))]()
	case len(w.deaf) > 0: // a broken watch is noticed before long
		w.mend()
	case !next.IsZero():
		w.now = next
	default:
		w.calm = true
	}
	w.now = w.now.Add(time.Duration(w.rand.IntN(1000)) * time.Millisecond)
}

// open lists what can happen now, and when the next reconciliation is wanted.
func (w *world) open() (moves []func(), next time.Time) {
	moves = w.moves()
	for _, kind := range kinds() {
		if len(w.late[kind]) > 0 && (w.calm || !w.deaf[kind]) {
			moves = append(moves, func() { w.deliver(kind) })
		}
	}
	for _, k := range w.wanted() {
		d := w.queue[k]
		if !d.at.After(w.now) {
			moves = append(moves, func() { w.reconcile(k) })
		} else if next.IsZero() || d.at.Before(next) {
			next = d.at
		}
	}
	return moves, next
}

// wanted lists the reconciliations that are wanted in a fixed order.
func (w *world) wanted() []key {
	var out []key
	for _, kind := range []string{"ActionExecution", "WorkflowExecution"} {
		o := objects{}
		for k := range w.queue {
			o[k] = nil
		}
		out = append(out, o.names(kind)...)
	}
	return out
}

// moves lists what the cluster can do next.
func (w *world) moves() []func() {
	var out []func()
	for _, k := range w.store.objects.names("Job") {
		out = append(out, w.jobMoves(k, w.store.objects[k].(*batchv1.Job))...)
	}
	for _, k := range w.store.objects.names("Pod") {
		pod := w.store.objects[k].(*corev1.Pod)
		if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			out = append(out, func() { w.kubelet(k) })
		}
	}
	for _, kind := range []string{"ActionExecution", "Job", "PersistentVolumeClaim"} {
		for _, k := range w.store.objects.names(kind) {
			if owner := metav1.GetControllerOf(w.store.objects[k]); owner != nil && !w.exists(owner) {
				out = append(out, func() { w.store.remove(k) })
			}
		}
	}
	return out
}

func (w *world) exists(ref *metav1.OwnerReference) bool {
	o := w.store.objects[key{ref.Kind, ref.Name}]
	return o != nil && o.GetUID() == ref.UID
}

// jobMoves makes the pod of a Job, and takes it when the Job goes.
func (w *world) jobMoves(k key, job *batchv1.Job) []func() {
	podKey := key{"Pod", k.name + "-x"}
	pod := w.store.objects[podKey]
	switch {
	case !job.DeletionTimestamp.IsZero() && pod != nil:
		return []func(){func() { w.note("pod of %s is deleted with its Job", k.name); w.store.remove(podKey) }}
	case !job.DeletionTimestamp.IsZero():
		return []func(){func() { w.store.change(k, func(o client.Object) { o.SetFinalizers(nil) }) }}
	case pod == nil && job.Status.StartTime == nil:
		return []func(){func() { w.begin(k, podKey, job) }}
	case pod == nil && len(job.Status.Conditions) == 0:
		return []func(){func() {
			w.store.change(k, func(o client.Object) {
				o.(*batchv1.Job).Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded", LastTransitionTime: metav1.NewTime(w.now)}}
			})
		}}
	}
	return nil
}

func (w *world) begin(k, podKey key, job *batchv1.Job) {
	w.note("pod of %s is created", k.name)
	w.store.change(k, func(o client.Object) { o.(*batchv1.Job).Status.StartTime = ptr.To(metav1.NewTime(w.now)) })
	w.store.put(podKey, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: podKey.name, Labels: job.Spec.Template.Labels, CreationTimestamp: metav1.NewTime(w.now),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID, Controller: ptr.To(true)}}},
		Spec:   corev1.PodSpec{NodeName: "node-1"},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	})
}

// kubelet brings a pod one phase further.
func (w *world) kubelet(k key) {
	w.store.change(k, func(o client.Object) {
		pod := o.(*corev1.Pod)
		if pod.Status.Phase == corev1.PodPending {
			pod.Status.Phase, pod.Status.StartTime = corev1.PodRunning, ptr.To(metav1.NewTime(w.now))
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "action", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		} else {
			exit := int32(0)
			pod.Status.Phase = corev1.PodSucceeded
			switch end := w.ends[pod.Labels[v1alpha1.LabelStep]]; {
			case end == "fail":
				pod.Status.Phase, exit = corev1.PodFailed, 3
			case end == "busy" && w.attempt(k) == 1:
				pod.Status.Phase, exit = corev1.PodFailed, busy
			}
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "action", State: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{ExitCode: exit, Message: "{}", FinishedAt: metav1.NewTime(w.now)}}}}
		}
		w.note("%s is %s", k.name, pod.Status.Phase)
	})
}

// busy is the exit code that the contract calls retryable.
const busy = 4

// attempt is which one a pod is of.
func (w *world) attempt(pod key) int {
	ae, ok := w.store.objects[key{"ActionExecution", strings.TrimSuffix(pod.name, "-x")}].(*v1alpha1.ActionExecution)
	if !ok {
		return 0
	}
	return max(1, int(ae.Spec.Attempt))
}

// disturb lets something go wrong, or a person change something.
func (w *world) disturb() {
	switch n := w.rand.IntN(24); {
	case n < 5:
		w.restart()
	case n < 10:
		kind := kinds()[w.rand.IntN(3)]
		w.note("the watch of %s breaks", kind)
		w.deaf[kind] = true
	case n < 15:
		w.mend()
	case n < 18:
		w.evict()
	default:
		w.person(n)
	}
}

// mend lists again what is no longer watched.
func (w *world) mend() {
	for _, kind := range kinds() {
		if w.deaf[kind] {
			w.note("%s are listed again", kind)
			w.relist(kind)
		}
	}
}

func (w *world) evict() {
	pods := slices.DeleteFunc(w.store.objects.names("Pod"), func(k key) bool {
		phase := w.store.objects[k].(*corev1.Pod).Status.Phase
		return phase == corev1.PodSucceeded || phase == corev1.PodFailed
	})
	if len(pods) == 0 {
		return
	}
	k := pods[w.rand.IntN(len(pods))]
	w.meddled = true
	if w.rand.IntN(2) == 0 {
		w.note("%s is lost", k.name)
		w.store.remove(k)
		return
	}
	w.note("%s is evicted", k.name)
	w.store.change(k, func(o client.Object) {
		o.(*corev1.Pod).Status.Phase, o.(*corev1.Pod).Status.Reason = corev1.PodFailed, "Evicted"
	})
}

// person suspends, resumes, cancels or deletes the run.
func (w *world) person(n int) {
	k := key{"WorkflowExecution", runName}
	if w.store.objects[k] == nil {
		return
	}
	w.store.change(k, func(o client.Object) {
		e := o.(*v1alpha1.WorkflowExecution)
		e.Generation++
		switch {
		case n < 21:
			e.Spec.Suspend, w.meddled = !e.Spec.Suspend, true
		case w.rand.IntN(8) == 0:
			e.Spec.Cancel, w.meddled = true, true
		case w.rand.IntN(16) == 0:
			w.meddled = true
			if e.DeletionTimestamp.IsZero() {
				e.DeletionTimestamp = ptr.To(metav1.NewTime(w.now))
			}
		}
		w.note("a person: suspend=%t cancel=%t deleted=%t", e.Spec.Suspend, e.Spec.Cancel, !e.DeletionTimestamp.IsZero())
	})
}
