package workload_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/actions/workload"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	podPath  = "/api/v1/namespaces/shop/pods/web-1"
	podsPath = "/api/v1/namespaces/shop/pods"
	owned    = `,"ownerReferences":[{"kind":"ReplicaSet","name":"web","controller":true}]`
	pod      = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-1","namespace":"shop","uid":"p1","creationTimestamp":"2026-01-01T00:00:10Z"%s}}`
	restart  = `{"namespace":"shop","resource_name":"web-1"%s}`
	roll     = `{"namespace":"shop","resource_name":"web","resource_type":"deployment"}`
)

func TestRestartPod(t *testing.T) {
	s := newAPIServer(t, map[string]string{podPath: fmt.Sprintf(pod, owned)})
	got, err := s.call(workload.RestartPod(), fmt.Sprintf(restart, `,"grace_period_seconds":5`), entry.Facts{})
	want := contract.Values{"changed": true, "podsRestarted": 1, "restartedPods": []string{"web-1"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if len(s.writes) != 1 || !strings.Contains(s.writes[0], `"uid":"p1"`) || !strings.Contains(s.writes[0], `"gracePeriodSeconds":5`) {
		t.Errorf("writes %q", s.writes)
	}
}

func TestRestartPodTwiceIsOnce(t *testing.T) {
	for name, c := range map[string]struct {
		objects map[string]string
		more    string
		started time.Time
	}{
		"gone":             {objects: map[string]string{}, more: `,"uid":"p1"`},
		"other uid":        {objects: map[string]string{podPath: fmt.Sprintf(pod, owned)}, more: `,"uid":"p0"`},
		"ending":           {objects: map[string]string{podPath: fmt.Sprintf(pod, owned+`,"deletionTimestamp":"2026-01-01T00:00:20Z"`)}},
		"newer than start": {objects: map[string]string{podPath: fmt.Sprintf(pod, owned)}, started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		s := newAPIServer(t, c.objects)
		got, err := s.call(workload.RestartPod(), fmt.Sprintf(restart, c.more), entry.Facts{StartedAt: c.started})
		if err != nil || got["changed"] != false || len(s.writes) != 0 {
			t.Errorf("%s: %v %v, writes %q", name, got, err, s.writes)
		}
	}
}

func TestRestartPodThatIsReplacedMeanwhile(t *testing.T) {
	s := newAPIServer(t, map[string]string{podPath: fmt.Sprintf(pod, owned)})
	s.before = func(method, _ string) {
		if method == "DELETE" {
			s.objects[podPath] = strings.Replace(fmt.Sprintf(pod, owned), `"p1"`, `"p2"`, 1)
		}
	}
	got, err := s.call(workload.RestartPod(), fmt.Sprintf(restart, ""), entry.Facts{})
	if err != nil || got["changed"] != false || s.objects[podPath] == "" {
		t.Errorf("%v %v", got, err)
	}
}

func TestRestartPodRefuses(t *testing.T) {
	for name, c := range map[string]struct{ meta, text string }{
		"bare":   {"", "no controller"},
		"static": {`,"ownerReferences":[{"kind":"Node","name":"n1","controller":true}]`, "static pod of node n1"},
		"absent": {"absent", "does not exist"},
	} {
		s := newAPIServer(t, map[string]string{podPath: fmt.Sprintf(pod, c.meta)})
		if c.meta == "absent" {
			delete(s.objects, podPath)
		}
		_, err := s.call(workload.RestartPod(), fmt.Sprintf(restart, ""), entry.Facts{})
		refusal, ok := run.AsRefusal(err)
		if !ok || refusal.Reason != v1alpha1.ReasonPreconditionFailed || !strings.Contains(err.Error(), c.text) || len(s.writes) != 0 {
			t.Errorf("%s: %v, writes %q", name, err, s.writes)
		}
	}
}

func TestRollDeployment(t *testing.T) {
	facts := entry.Facts{UID: "e1", Step: "roll", StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s := newAPIServer(t, map[string]string{
		webPath:  fmt.Sprintf(web, "", "", ""),
		podsPath: `{"items":[{"metadata":{"name":"web-1"}},{"metadata":{"name":"web-2"}},{"metadata":{"name":"web-0","deletionTimestamp":"2026-01-01T00:00:20Z"}}]}`,
	})
	got, err := s.call(workload.RestartPod(), roll, facts)
	want := contract.Values{"changed": true, "podsRestarted": 2, "restartedPods": []string{"web-1", "web-2"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	wantWrite := `PATCH ` + webPath + ` {"metadata":{"uid":"d1"},"spec":{"template":{"metadata":{"annotations":` +
		`{"kubectl.kubernetes.io/restartedAt":"2026-01-02T03:04:05Z","kubernaut.ai/restarted-by":"e1/roll"}}}}}`
	if diff := cmp.Diff([]string{wantWrite}, s.writes); diff != "" {
		t.Error(diff)
	}
	s.objects[webPath] = fmt.Sprintf(web, "", `"kubernaut.ai/restarted-by":"e1/roll"`, "")
	again, err := s.call(workload.RestartPod(), roll, facts)
	if err != nil || again["changed"] != false || len(s.writes) != 1 {
		t.Errorf("second call: %v %v, writes %q", again, err, s.writes)
	}
}

func TestRollRefuses(t *testing.T) {
	for name, c := range map[string]struct{ uid, spec, text string }{
		"no execution": {"", "", "KUBERNAUT_EXECUTION_UID is not set"},
		"paused":       {"e1", `,"paused":true`, "it is paused"},
	} {
		s := newAPIServer(t, map[string]string{webPath: fmt.Sprintf(web, "", "", c.spec), podsPath: `{"items":[]}`})
		_, err := s.call(workload.RestartPod(), roll, entry.Facts{UID: c.uid})
		if _, ok := run.AsRefusal(err); !ok || !strings.Contains(err.Error(), c.text) || len(s.writes) != 0 {
			t.Errorf("%s: %v, writes %q", name, err, s.writes)
		}
	}
}
