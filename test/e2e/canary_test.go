package e2e

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// noCanary looks for the forge's token, in every form that it could take, in
// all that a run leaves behind: objects, events, logs, branch and pull request.
func (s setting) noCanary(t *testing.T, we *v1alpha1.WorkflowExecution, pull harness.Pull) {
	t.Helper()
	token := shared.Forge.Token
	basic := base64.StdEncoding.EncodeToString([]byte(shared.Forge.User + ":" + token))
	forms := []string{token, base64.StdEncoding.EncodeToString([]byte(token)), url.QueryEscape(token), basic}
	places := s.traces(t)
	places["pull request"] = pull.Title + pull.Body
	diff, err := shared.Diff(t.Context(), s.app, pull.Number)
	if err != nil {
		t.Fatal(err)
	}
	places["diff"] = diff
	if len(places) < 10 {
		t.Errorf("looked at %d places, want at least 10", len(places))
	}
	bytes := 0
	for place, text := range places {
		bytes += len(text)
		for _, form := range forms {
			if strings.Contains(text, form) {
				t.Errorf("%s holds the forge's token", place)
			}
		}
	}
	t.Logf("no token in %d places, %d bytes", len(places), bytes)
}

func (s setting) traces(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for kind, list := range map[string]client.ObjectList{
		"runs": &v1alpha1.WorkflowExecutionList{}, "steps": &v1alpha1.ActionExecutionList{}, "pulls": &v1alpha1.PullRequestList{},
		"catalogs": &v1alpha1.CatalogList{}, "events": &eventsv1.EventList{}, "pods": &corev1.PodList{},
	} {
		if err := shared.Client.List(t.Context(), list, client.InNamespace(s.namespace)); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		out[kind] = string(data)
	}
	set, err := kubernetes.NewForConfig(shared.Config)
	if err != nil {
		t.Fatal(err)
	}
	_, pods := jobs(t, s.namespace)
	for _, pod := range pods {
		stream, err := set.CoreV1().Pods(s.namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).Stream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		log, err := io.ReadAll(stream)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Close(); err != nil {
			t.Fatal(err)
		}
		out["log of "+pod.Name] = string(log)
	}
	return out
}
