package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// publish builds, pushes and signs as anybody would with the CLI.
func (d *demo) publish(ctx context.Context) error {
	key := filepath.Join(d.dir, "kubernaut")
	if _, err := os.Stat(key + ".key"); err != nil {
		if _, err := d.kubernaut(ctx, true, "actions", "keys", "--output", key); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(d.dir, "actions")); err != nil {
		return err
	}
	digests, err := d.kubernaut(ctx, false, "actions", "push", "--insecure-registries", d.Registry, "--registry", d.Registry+"/kubernaut", "--with-controller", "--catalog", filepath.Join(d.dir, "actions"))
	if err != nil {
		return err
	}
	_, err = d.kubernaut(ctx, true, append([]string{"actions", "sign", "--insecure-registries", d.Registry, "--key", key + ".key"}, strings.Fields(digests)...)...)
	return err
}

func (d *demo) install(ctx context.Context) error {
	image, err := d.controllerImage(ctx)
	if err != nil {
		return err
	}
	if _, err := d.kubernaut(ctx, true, "install", "kustomize/overlays/lab", "--image", image); err != nil {
		return err
	}
	public, err := os.ReadFile(filepath.Join(d.dir, "kubernaut.pub"))
	if err != nil {
		return err
	}
	if err := d.Policy(ctx, "demo", d.Registry+"/kubernaut/**", public); err != nil {
		return err
	}
	_, err = d.kubernaut(ctx, true, "check")
	return err
}

// repositories puts the application and the catalog on the forge and lets
// Kubernaut read the catalog.
func (d *demo) repositories(ctx context.Context) error {
	catalog, err := d.catalog()
	if err != nil {
		return err
	}
	image, err := d.shopImage(ctx)
	if err != nil {
		return err
	}
	c := &v1alpha1.Catalog{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "demo"}, Spec: v1alpha1.CatalogSpec{
		Interval: metav1.Duration{Duration: time.Minute}, Path: "catalog",
		Git: &v1alpha1.GitSource{URL: d.CloneURL(catalogRepo), SecretRef: &v1alpha1.LocalReference{Name: "git-credentials"}},
	}}
	for _, step := range []func() error{
		func() error { return d.Namespace(ctx, namespace) },
		func() error { return d.Credentials(ctx, namespace) },
		func() error { return d.EnsureRepo(ctx, appRepo) },
		func() error { return d.EnsureRepo(ctx, catalogRepo) },
		func() error {
			return d.Commit(ctx, appRepo, "main", "shop: run with 64Mi", map[string]*string{manifest: harness.Text(fmt.Sprintf(shop, image))})
		},
		func() error { return d.Commit(ctx, catalogRepo, "main", "publish the catalog", catalog) },
		func() error { return client.IgnoreAlreadyExists(d.Client.Create(ctx, c)) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	fmt.Println("  application:", d.CloneURL(appRepo))
	fmt.Println("  catalog:    ", d.CloneURL(catalogRepo))
	if _, err := d.kubernaut(ctx, true, "reconcile", "catalog", "demo", "-n", namespace); err != nil {
		return err
	}
	_, err = d.kubernaut(ctx, true, "get", "workflows", "-n", namespace)
	return err
}

// incident deploys what the repository says, as a GitOps tool would, and waits
// until the kernel has killed the container at its limit.
func (d *demo) incident(ctx context.Context) error {
	if err := d.deploy(ctx); err != nil {
		return err
	}
	return harness.Until(ctx, 2*time.Minute, func(ctx context.Context) error {
		pods, err := d.pods(ctx)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			if t := killed(pod); t != nil {
				fmt.Printf("  pod %s: %s, exit code %d, limit %s\n", pod.Name, t.Reason, t.ExitCode, pod.Spec.Containers[0].Resources.Limits.Memory())
				return nil
			}
		}
		return errors.New("no container was killed yet")
	})
}

// killed finds how a container of a pod was killed for its memory.
func killed(pod corev1.Pod) *corev1.ContainerStateTerminated {
	for _, s := range pod.Status.ContainerStatuses {
		for _, t := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
			if t != nil && t.Reason == "OOMKilled" {
				return t
			}
		}
	}
	return nil
}

func (d *demo) remediate(ctx context.Context) error {
	_, err := d.kubernaut(ctx, true, "run", "raise-memory-limit", "-n", namespace, "--reason", "shop was OOMKilled at its limit of 64Mi",
		"-p", "repository="+d.CloneURL(appRepo), "-p", "file="+manifest, "-p", "deployment=shop", "-p", "container=shop", "-p", "memory=160Mi")
	if err != nil {
		return err
	}
	pull, err := d.pull(ctx)
	if err != nil {
		return err
	}
	diff, err := d.Diff(ctx, appRepo, pull.Number)
	if err != nil {
		return err
	}
	fmt.Printf("\n  %s\n  %s\n\n%s\n", pull.URL, pull.Title, diff)
	return nil
}

// merge merges the pull request on the forge, shows that Kubernaut saw it, and
// deploys what the repository says now.
func (d *demo) merge(ctx context.Context) error {
	pull, err := d.pull(ctx)
	if err != nil {
		return err
	}
	if err := d.Merge(ctx, appRepo, pull.Number); err != nil {
		return err
	}
	name, err := d.followed(ctx, pull.Number)
	if err != nil {
		return err
	}
	if _, err := d.kubernaut(ctx, true, "reconcile", "pullrequest", name, "-n", namespace); err != nil {
		return err
	}
	if _, err := d.kubernaut(ctx, true, "get", "pullrequests", name, "-n", namespace); err != nil {
		return err
	}
	if err := d.deploy(ctx); err != nil {
		return err
	}
	return harness.Until(ctx, 2*time.Minute, func(ctx context.Context) error {
		pods, err := d.pods(ctx)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			if pod.Spec.Containers[0].Resources.Limits.Memory().String() == "160Mi" && len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].Ready {
				fmt.Printf("  pod %s runs with a limit of 160Mi\n", pod.Name)
				return nil
			}
		}
		return errors.New("the application does not run yet")
	})
}

// deploy applies the manifest as it stands on the main branch.
func (d *demo) deploy(ctx context.Context) error {
	text, err := d.File(ctx, appRepo, "main", manifest)
	if err != nil {
		return err
	}
	deployment := &appsv1.Deployment{}
	if err := yaml.UnmarshalStrict([]byte(text), deployment); err != nil {
		return err
	}
	deployment.Namespace = namespace
	existing := &appsv1.Deployment{}
	err = d.Client.Get(ctx, client.ObjectKeyFromObject(deployment), existing)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil {
		return d.Client.Create(ctx, deployment)
	}
	existing.Spec.Template = deployment.Spec.Template
	return d.Client.Update(ctx, existing)
}
