package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// shop is the application's manifest with the comments that people leave.
const shop = `# The web shop. Deployed from this repository; nothing is changed by hand.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
spec:
  replicas: 1
  selector:
    matchLabels: {app: shop}
  template:
    metadata:
      labels: {app: shop}
    spec:
      containers:
        - name: shop
          image: %s
          env:
            - {name: ACTION_INPUTS, value: '{"mode":"eat"}'} # what it does all day
          resources:
            requests: {cpu: 10m, memory: 32Mi}
            limits:
              memory: 64Mi # enough in 2024
`

// shopImage builds the application: a program that keeps 96 MiB.
func (d *demo) shopImage(ctx context.Context) (verify.Image, error) {
	img, err := d.Probe(ctx, d.dir, "shop", "")
	if err != nil {
		return verify.Image{}, err
	}
	return d.Images.Push(ctx, d.Registry+"/shop/shop:v3", img)
}

// controllerImage is the digest that was pushed.
func (d *demo) controllerImage(ctx context.Context) (string, error) {
	img, err := d.Images.Resolve(ctx, d.Registry+"/kubernaut/controller:latest", verify.Subject{})
	return img.String(), err
}

// catalog is the shipped workflows beside the Actions that push wrote.
func (d *demo) catalog() (map[string]*string, error) {
	out := map[string]*string{"catalog/kustomization.yaml": harness.Text("resources:\n  - actions\n  - workflows\n")}
	for from, to := range map[string]string{filepath.Join(d.Root, "workflows"): "workflows", filepath.Join(d.dir, "actions"): "actions"} {
		files, err := filepath.Glob(filepath.Join(from, "*.yaml"))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				return nil, err
			}
			out["catalog/"+to+"/"+filepath.Base(f)] = harness.Text(string(data))
		}
	}
	return out, nil
}

func (d *demo) pods(ctx context.Context) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := d.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{"app": "shop"})
	return list.Items, err
}

// pull is the open pull request of the application's repository.
func (d *demo) pull(ctx context.Context) (harness.Pull, error) {
	pulls, err := d.Pulls(ctx, appRepo)
	if err != nil {
		return harness.Pull{}, err
	}
	for _, p := range pulls {
		if p.State == "open" {
			return p, nil
		}
	}
	return harness.Pull{}, fmt.Errorf("repository %s has no open pull request", appRepo)
}

// followed is the name of the object that follows a pull request.
func (d *demo) followed(ctx context.Context, number int64) (string, error) {
	var list v1alpha1.PullRequestList
	if err := d.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return "", err
	}
	for _, pr := range list.Items {
		if pr.Spec.Number == number {
			return pr.Name, nil
		}
	}
	return "", fmt.Errorf("no PullRequest object follows number %d", number)
}
