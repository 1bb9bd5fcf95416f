// Package cluster configures and describes the processes of a Kubernetes
// cluster of one node.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
	"github.com/kubernaut/kubernaut/test/lab/internal/proc"
)

// Cluster is the lab's Kubernetes.
type Cluster struct {
	Place *place.Place
	// Bin is the folder of Kubernetes' programs, CoreDNS the path of its own.
	Bin, CoreDNS string
}

// Config says how to speak to the cluster as its administrator.
func Config(p *place.Place) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", p.Path("kubeconfig"))
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 100, 200
	return config, nil
}

// Client speaks to the cluster as its administrator.
func Client(p *place.Place) (*clientset.Clientset, error) {
	config, err := Config(p)
	if err != nil {
		return nil, err
	}
	client, err := clientset.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return client, nil
}

// nodeReady waits for the node, as the scheduler will.
func (c Cluster) nodeReady(ctx context.Context) error {
	client, err := Client(c.Place)
	if err != nil {
		return err
	}
	return proc.Poll(ctx, 60*time.Second, func(ctx context.Context) error {
		n, err := client.CoreV1().Nodes().Get(ctx, place.Node, metav1.GetOptions{})
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

// etcdAdvice: etcd does not wait for the disk, which makes the lab fast; the
// price is that a machine that lost its power may have lost half a write.
func etcdAdvice(log string) string {
	for _, word := range []string{"panic", "corrupt", "crc mismatch", "unexpected EOF", "failed to recover", "snap:", "wal:", "file checksum"} {
		if strings.Contains(log, word) {
			return "etcd's data looks damaged, which happens when the machine loses power: run 'down' and then 'up' for an empty lab"
		}
	}
	return ""
}
