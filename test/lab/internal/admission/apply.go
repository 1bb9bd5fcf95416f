package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"github.com/kubernaut/kubernaut/test/lab/internal/cluster"
	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

// apply puts the manifests of a folder into the cluster.
func (a Admission) apply(ctx context.Context, dir string) error {
	objects, err := read(dir)
	if err != nil {
		return err
	}
	config, err := cluster.Config(a.Place)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	groups, err := restmapper.GetAPIGroupResources(kinds)
	if err != nil {
		return fmt.Errorf("list kinds: %w", err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	for _, o := range objects {
		gvk := o.GroupVersionKind()
		to, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		_, err = client.Resource(to.Resource).Namespace(o.GetNamespace()).Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "lab", Force: true})
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

// read is what the folder's kustomization installs, with a Service that leads
// to the process on the host. The Deployment is not part of it.
func read(dir string) ([]*unstructured.Unstructured, error) {
	list, err := objectsOf(filepath.Join(dir, "kustomization.yaml"))
	if err != nil || len(list) == 0 {
		return nil, errors.Join(fmt.Errorf("read the list in %s", dir), err)
	}
	files, _, err := unstructured.NestedStringSlice(list[0].Object, "resources")
	if err != nil {
		return nil, fmt.Errorf("read the list in %s: %w", dir, err)
	}
	var out []*unstructured.Unstructured
	for _, file := range files {
		objects, err := objectsOf(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		out = append(out, objects...)
	}
	for _, o := range out {
		if o.GetKind() == "Service" {
			// No pod is behind it: with a selector its end would be kept empty.
			unstructured.RemoveNestedField(o.Object, "spec", "selector")
		}
	}
	return append(out, outside()), nil
}

// outside is the end of the webhooks' Service.
func outside() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
		"metadata":  map[string]any{"name": "webhook-lab", "namespace": namespace, "labels": map[string]any{"kubernetes.io/service-name": "webhook"}},
		"endpoints": []any{map[string]any{"addresses": []any{place.IP}, "conditions": map[string]any{"ready": true}}},
		"ports":     []any{map[string]any{"name": "", "port": int64(port), "protocol": "TCP"}},
	}}
}

// objectsOf reads a file of YAML documents; empty ones are left out.
func objectsOf(path string) ([]*unstructured.Unstructured, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	var out []*unstructured.Unstructured
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		var raw json.RawMessage
		err := documents.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		o := &unstructured.Unstructured{}
		if err == nil && len(raw) > 0 && string(raw) != "null" {
			err = json.Unmarshal(raw, &o.Object)
			out = append(out, o)
		}
		if err != nil {
			return nil, fmt.Errorf("read manifest %s: %w", path, err)
		}
	}
}
