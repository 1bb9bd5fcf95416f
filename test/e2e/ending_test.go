package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// ending is all that can be told of a run after its end.
type ending struct {
	Run          v1alpha1.WorkflowExecutionStatus
	Steps        map[string]v1alpha1.ActionExecutionStatus
	PullRequests map[string]v1alpha1.PullRequestStatus
	// Created counts what the controller made, by resource, over all its lives.
	Created map[string]int
	// Left are the Jobs, pods and claims that are still there, as words.
	Left []string
	// Forge are the branches with their commits, and the pull requests.
	Forge []string
}

// settled waits until all that can be told is what is wanted, or for a while,
// and returns it as text. Without a wish it waits until nothing is under way.
func (s site) settled(t *testing.T, we *v1alpha1.WorkflowExecution, want string) string {
	t.Helper()
	var text string
	_ = harness.Until(t.Context(), 20*time.Second, func(ctx context.Context) error {
		e, err := s.end(ctx, we)
		if err != nil {
			return err
		}
		text = s.plain(yamlOf(e))
		if want != "" && text != want || want == "" && e.moves() {
			return errors.New("not yet")
		}
		return nil
	}) // the caller compares
	return text
}

// moves says whether something of the run is still to be given back or asked.
func (e ending) moves() bool {
	for _, pr := range e.PullRequests {
		if pr.State == "" {
			return true
		}
	}
	return e.Run.WorkspacePVC != "" || slices.ContainsFunc(e.Left, func(l string) bool {
		return strings.HasPrefix(l, "claim") || strings.HasSuffix(l, string(corev1.PodRunning)) || strings.Contains(l, "going") || strings.Contains(l, "0 succeeded, 0 failed")
	})
}

func (s site) end(ctx context.Context, we *v1alpha1.WorkflowExecution) (ending, error) {
	e := ending{Steps: map[string]v1alpha1.ActionExecutionStatus{}, PullRequests: map[string]v1alpha1.PullRequestStatus{}, Created: map[string]int{}}
	var steps v1alpha1.ActionExecutionList
	var pulls v1alpha1.PullRequestList
	var jobs batchv1.JobList
	var pods corev1.PodList
	var claims corev1.PersistentVolumeClaimList
	for _, list := range []client.ObjectList{&steps, &pulls, &jobs, &pods, &claims} {
		if err := shared.Client.List(ctx, list, client.InNamespace(s.namespace)); err != nil {
			return e, err
		}
	}
	if err := shared.Client.Get(ctx, client.ObjectKeyFromObject(we), we); err != nil {
		return e, err
	}
	e.Run = we.Status
	for _, x := range steps.Items {
		e.Steps[x.Name] = x.Status
	}
	for _, x := range pulls.Items {
		e.PullRequests[x.Spec.Branch] = x.Status
	}
	for _, w := range s.proxy.Writes() {
		if w.Verb == http.MethodPost && w.Code == http.StatusCreated {
			e.Created[w.Resource]++
		}
	}
	e.Left = left(jobs.Items, pods.Items, claims.Items)
	if len(e.PullRequests) == 0 {
		return e, nil
	}
	var err error
	e.Forge, err = s.forge(ctx)
	return e, err
}

// left says in words what the run left behind.
func left(jobs []batchv1.Job, pods []corev1.Pod, claims []corev1.PersistentVolumeClaim) []string {
	var out []string
	for _, x := range jobs {
		out = append(out, fmt.Sprintf("Job of %s, %d succeeded, %d failed%s", x.Labels[v1alpha1.LabelStep], x.Status.Succeeded, x.Status.Failed, going(&x)))
	}
	for _, x := range pods {
		out = append(out, fmt.Sprintf("pod of %s%s, %s", x.Labels[v1alpha1.LabelStep], going(&x), x.Status.Phase))
	}
	for _, x := range claims {
		out = append(out, "claim "+x.Name)
	}
	slices.Sort(out)
	return out
}

// forge tells what the application's repository holds.
func (s site) forge(ctx context.Context) ([]string, error) {
	branches, err := shared.Branches(ctx, s.app)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, b := range branches {
		n, err := shared.Commits(ctx, s.app, b)
		if err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintf("branch %s, %d commits", b, n))
	}
	pulls, err := shared.Pulls(ctx, s.app)
	for _, p := range pulls {
		diff, err := shared.Diff(ctx, s.app, p.Number)
		if err != nil {
			return nil, err
		}
		minus, plus := changes(diff)
		out = append(out, fmt.Sprintf("pull request %d, %s, from %s: %s\n%s\n%s%s", p.Number, p.State, p.Head.Ref, p.Title, p.Body, minus, plus))
	}
	slices.SortFunc(out, cmp.Compare[string])
	return out, err
}

func going(o client.Object) string {
	if o.GetDeletionTimestamp().IsZero() {
		return ""
	}
	return ", going"
}

// different are the words in which two equal runs differ.
var different = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`), "TIME"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UID"},
	{regexp.MustCompile(`\b[0-9a-f]{40}\b`), "SHA"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "KEY"}, // of a cause, which names the repository
	{regexp.MustCompile(`NAMESPACE-app-1-[0-9a-f]{6}`), "PULL-REQUEST"},
	{regexp.MustCompile(`"cloneTime": "[0-9.ms]+"`), `"cloneTime": "SOME"`},
	{regexp.MustCompile(`"podName": "(.*)-[a-z0-9]{5}"`), `"podName": "$1"`},
}

// plain takes from a text what differs between two equal runs.
func (s site) plain(text string) string {
	text = strings.ReplaceAll(text, s.namespace, "NAMESPACE")
	for _, d := range different {
		text = d.what.ReplaceAllString(text, d.with)
	}
	return text
}
