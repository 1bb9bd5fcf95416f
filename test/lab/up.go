package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func (l *lab) up(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("the lab starts containers and bridges: run it as root")
	}
	if err := l.install(ctx); err != nil {
		return err
	}
	if err := l.build(ctx, l.binaries()...); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return os.MkdirAll(l.state, 0o755) },
		l.pki, l.configure, func() error { return l.network(ctx) },
		func() error { _, err := l.env(); return err },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	for _, c := range l.components() {
		if err := l.start(ctx, c); err != nil {
			return err
		}
	}
	if err := l.storageClass(ctx); err != nil {
		return err
	}
	l.say("the lab is up: export KUBECONFIG=%s", l.path("kubeconfig"))
	return nil
}

// network makes the bridge before the first pod does, because the API server
// and the node live at its address.
func (l *lab) network(ctx context.Context) error {
	if exec.CommandContext(ctx, "ip", "link", "show", bridge).Run() != nil {
		before, err := netns()
		if err != nil {
			return err
		}
		if err := l.write("netns.before", []byte(strings.Join(before, "\n")), 0o644); err != nil {
			return err
		}
		if err := run(ctx, "ip", "link", "add", bridge, "type", "bridge"); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"ip", "addr", "replace", bridgeIP + "/24", "dev", bridge}, {"ip", "link", "set", bridge, "up"},
		{"sysctl", "-qw", "net.ipv4.ip_forward=1"},
	} {
		if err := run(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (l *lab) clients() (*clientset.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", l.path("kubeconfig"))
	if err != nil {
		return nil, err
	}
	return clientset.NewForConfig(config)
}

// nodeReady waits for the node, as the scheduler will.
func (l *lab) nodeReady(ctx context.Context) error {
	client, err := l.clients()
	if err != nil {
		return err
	}
	return poll(ctx, 60*time.Second, func(ctx context.Context) error {
		n, err := client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return errors.New("the node is not ready")
	})
}

const storageClassName = "lab-local"

func (l *lab) storageClass(ctx context.Context) error {
	client, err := l.clients()
	if err != nil {
		return err
	}
	reclaim, mode := corev1.PersistentVolumeReclaimDelete, storagev1.VolumeBindingWaitForFirstConsumer
	_, err = client.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: storageClassName, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner: provisionerName, ReclaimPolicy: &reclaim, VolumeBindingMode: &mode,
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create storage class: %w", err)
	}
	return nil
}

// one stops or starts a single component; the registry only closes its doors,
// so that what it holds is there when they open again.
func (l *lab) one(ctx context.Context, command, name string) error {
	for _, c := range l.components() {
		if c.name != name {
			continue
		}
		if name == "registry" {
			if r, ok := l.alive(name); ok {
				return l.doors(ctx, r, command == "start")
			}
		}
		if command == "start" {
			return l.start(ctx, c)
		}
		return l.stop(ctx, name)
	}
	return fmt.Errorf("%s %q: no such component; 'status' lists them", command, name)
}
