package smoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubernaut/kubernaut/test/lab/internal/proc"
)

// admission asks for a pod that no policy knows, and again under a policy. None
// of the pods is made: it is a dry run.
func (s *suite) admission(ctx context.Context) (err error) {
	const label = `{"metadata":{"labels":{"policy.sigstore.dev/include":%s}}}`
	if err := s.relabel(ctx, fmt.Sprintf(label, `"true"`)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.relabel(context.WithoutCancel(ctx), fmt.Sprintf(label, "null"))) }()
	// The API server hears of a new label in its own time.
	err = proc.Poll(ctx, 10*time.Second, func(ctx context.Context) error {
		if err := s.dryPod(ctx); err == nil || !strings.Contains(err.Error(), "no matching policies") {
			return fmt.Errorf("a pod that no policy knows is answered: %v", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	repository, _, _ := strings.Cut(s.programs.Image, ":v1")
	policy, err := json.Marshal(map[string]any{
		"apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy", "metadata": map[string]any{"name": s.namespace},
		"spec": map[string]any{
			"images":      []any{map[string]any{"glob": repository + "**"}},
			"authorities": []any{map[string]any{"static": map[string]any{"action": "pass"}}},
		},
	})
	if err != nil {
		return fmt.Errorf("encode policy: %w", err)
	}
	const policies = "/apis/policy.sigstore.dev/v1beta1/clusterimagepolicies"
	api := s.client.Discovery().RESTClient()
	if err := api.Post().AbsPath(policies).Body(policy).Do(ctx).Error(); err != nil {
		return fmt.Errorf("create policy: %w", err)
	}
	defer func() {
		err = errors.Join(err, api.Delete().AbsPath(policies, s.namespace).Do(context.WithoutCancel(ctx)).Error())
	}()
	return proc.Poll(ctx, 10*time.Second, s.dryPod)
}

func (s *suite) relabel(ctx context.Context, patch string) error {
	_, err := s.client.CoreV1().Namespaces().Patch(ctx, s.namespace, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("label namespace: %w", err)
	}
	return nil
}

func (s *suite) dryPod(ctx context.Context) error {
	_, err := s.client.CoreV1().Pods(s.namespace).Create(ctx, s.pod("admitted", "nothing"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}
