package workload_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/actions/workload"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	webPath   = "/apis/apps/v1/namespaces/shop/deployments/web"
	scalePath = webPath + "/scale"
	hpaPath   = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers"
	web       = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop","uid":"d1"%s},
		"spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"annotations":{%s}}}%s}}`
	scaleTo5 = `{"namespace":"shop","resource_name":"web","replicas":5}`
)

func scaleObject(version, replicas int) string {
	return fmt.Sprintf(`{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"web","namespace":"shop","uid":"d1","resourceVersion":"%d"},
		"spec":{"replicas":%d},"status":{"replicas":2}}`, version, replicas)
}

func scaleWorld(meta string) map[string]string {
	return map[string]string{
		webPath:   fmt.Sprintf(web, meta, "", ""),
		scalePath: scaleObject(7, 2),
		hpaPath: `{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscalerList","items":[
			{"metadata":{"name":"other"},"spec":{"scaleTargetRef":{"kind":"Deployment","name":"api"}}},
			{"metadata":{"name":"sts"},"spec":{"scaleTargetRef":{"kind":"StatefulSet","name":"web"}}}]}`,
	}
}

func TestScale(t *testing.T) {
	s := newAPIServer(t, scaleWorld(""))
	got, err := s.call(workload.ScaleDeployment(), scaleTo5, entry.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	want := contract.Values{"changed": true, "previousReplicas": int64(2), "newReplicas": int32(5), "observedReplicas": int32(2)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(s.writes) != 1 || !strings.Contains(s.writes[0], `"resourceVersion":"7"`) || !strings.Contains(s.writes[0], `"replicas":5`) {
		t.Errorf("writes %q", s.writes)
	}
	again, err := s.call(workload.ScaleDeployment(), scaleTo5, entry.Facts{})
	if err != nil || again["changed"] != false || len(s.writes) != 1 {
		t.Errorf("second call: %v %v, writes %q", again, err, s.writes)
	}
}

func TestScaleReadsAgainAfterAConflict(t *testing.T) {
	s := newAPIServer(t, scaleWorld(""))
	s.before = func(method, _ string) {
		if method == "PUT" && len(s.writes) == 0 {
			s.objects[scalePath] = scaleObject(8, 3)
		}
	}
	got, err := s.call(workload.ScaleDeployment(), scaleTo5, entry.Facts{})
	if err != nil || got["previousReplicas"] != int64(3) || len(s.writes) != 2 {
		t.Errorf("%v %v, writes %q", got, err, s.writes)
	}
}

func TestScaleGivesUpOnEndlessConflicts(t *testing.T) {
	s := newAPIServer(t, scaleWorld(""))
	version := 7
	s.before = func(method, _ string) {
		if method == "PUT" {
			version++
			s.objects[scalePath] = scaleObject(version, 2)
		}
	}
	_, err := s.call(workload.ScaleDeployment(), scaleTo5, entry.Facts{})
	if _, refused := run.AsRefusal(err); err == nil || refused || len(s.writes) != 3 {
		t.Errorf("%v, writes %q", err, s.writes)
	}
}

func TestScaleRefuses(t *testing.T) {
	flux := `,"labels":{"kustomize.toolkit.fluxcd.io/name":"apps","kustomize.toolkit.fluxcd.io/namespace":"flux-system"}`
	cases := map[string]struct {
		meta   string
		change func(map[string]string)
		inputs string
		reason run.Reason
		text   string
	}{
		"flux":     {meta: flux, reason: v1alpha1.ReasonManagedElsewhere, text: "Flux Kustomization flux-system/apps"},
		"helm":     {meta: `,"labels":{"helm.toolkit.fluxcd.io/name":"web"}`, reason: v1alpha1.ReasonManagedElsewhere, text: "HelmRelease"},
		"argo":     {meta: `,"annotations":{"argocd.argoproj.io/tracking-id":"shop:apps/Deployment:shop/web"}`, reason: v1alpha1.ReasonManagedElsewhere, text: "Argo CD"},
		"flux off": {meta: flux + `,"annotations":{"kustomize.toolkit.fluxcd.io/reconcile":"disabled"}`},
		"allowed":  {meta: flux, inputs: `{"namespace":"shop","resource_name":"web","replicas":5,"allowGitOpsManaged":true}`},
		"autoscaled": {reason: v1alpha1.ReasonPreconditionFailed, text: "autoscaler mine", change: func(o map[string]string) {
			o[hpaPath] = `{"items":[{"metadata":{"name":"mine"},"spec":{"scaleTargetRef":{"kind":"Deployment","name":"web"}}}]}`
		}},
		"absent":     {reason: v1alpha1.ReasonPreconditionFailed, text: "does not exist", change: func(o map[string]string) { delete(o, webPath) }},
		"no rights":  {reason: v1alpha1.ReasonApplyFailed, text: "Forbidden", change: func(o map[string]string) { o[scalePath] = "forbidden" }},
		"hpa hidden": {reason: v1alpha1.ReasonApplyFailed, text: "list autoscalers", change: func(o map[string]string) { o[hpaPath] = "forbidden" }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newAPIServer(t, scaleWorld(c.meta))
			if c.change != nil {
				c.change(s.objects)
			}
			if c.inputs == "" {
				c.inputs = scaleTo5
			}
			_, err := s.call(workload.ScaleDeployment(), c.inputs, entry.Facts{})
			if c.reason == "" {
				if err != nil || len(s.writes) != 1 {
					t.Errorf("%v, writes %q", err, s.writes)
				}
				return
			}
			refusal, ok := run.AsRefusal(err)
			if !ok || refusal.Reason != c.reason || !strings.Contains(err.Error(), c.text) || len(s.writes) != 0 {
				t.Errorf("got %v, writes %q", err, s.writes)
			}
		})
	}
}

func TestServerErrorsAreRetried(t *testing.T) {
	s := newAPIServer(t, scaleWorld(""))
	s.Close()
	_, err := s.call(workload.ScaleDeployment(), scaleTo5, entry.Facts{})
	if _, refused := run.AsRefusal(err); err == nil || refused {
		t.Errorf("got %v", err)
	}
}
