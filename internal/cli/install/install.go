// Package install puts a Kustomize tree of ours into a cluster.
package install

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/cli-utils/pkg/object"
	"github.com/fluxcd/pkg/ssa"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// fieldOwner of what is installed; the controller's own writes have another.
const fieldOwner = "kubernaut-install"

// Options of Apply.
type Options struct {
	// Timeout of the whole; 0 means five minutes.
	Timeout time.Duration
	// NoWait returns as soon as the objects are written.
	NoWait bool
	// Log gets one line per object that changed; nil means nowhere.
	Log io.Writer
}

// Build renders the overlay in a folder. With image set, the controller runs
// that image instead of the one the overlay names.
func Build(overlay, image string) ([]*unstructured.Unstructured, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), overlay)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", overlay, err)
	}
	var out []*unstructured.Unstructured
	for _, r := range built.Resources() {
		o := &unstructured.Unstructured{}
		text, err := r.MarshalJSON()
		if err == nil {
			err = o.UnmarshalJSON(text)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", r.CurId(), err)
		}
		out = append(out, o)
	}
	if image == "" {
		return out, nil
	}
	return out, setImage(out, image)
}

// setImage names the image of the controller's container.
func setImage(objects []*unstructured.Unstructured, image string) error {
	for _, o := range objects {
		if o.GetKind() != "Deployment" || o.GetName() != "kubernaut-controller" {
			continue
		}
		path := []string{"spec", "template", "spec", "containers"}
		containers, _, err := unstructured.NestedSlice(o.Object, path...)
		if err != nil || len(containers) != 1 {
			return fmt.Errorf("set image: the controller's Deployment has %d containers, want 1", len(containers))
		}
		containers[0].(map[string]any)["image"] = image
		return unstructured.SetNestedSlice(o.Object, containers, path...)
	}
	return fmt.Errorf("set image: the overlay has no Deployment kubernaut-controller")
}

// Apply writes the objects, definitions first, and waits until all are ready.
// Doing it twice is doing it once.
func Apply(ctx context.Context, config *rest.Config, objects []*unstructured.Unstructured, o Options) error {
	timeout := o.Timeout
	if timeout == 0 {
		timeout = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := client.New(config, client.Options{})
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	manager := ssa.NewResourceManager(c,
		polling.NewStatusPoller(c, c.RESTMapper(), polling.Options{}),
		ssa.Owner{Field: fieldOwner, Group: "kubernaut.ai"})
	apply := ssa.DefaultApplyOptions()
	apply.WaitInterval = 200 * time.Millisecond
	changes, err := manager.ApplyAllStaged(ctx, objects, apply)
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	for _, entry := range changes.Entries {
		if o.Log != nil && entry.Action != ssa.UnchangedAction {
			fmt.Fprintln(o.Log, entry.Subject, entry.Action)
		}
	}
	if o.NoWait {
		return nil
	}
	set := object.UnstructuredSetToObjMetadataSet(objects)
	if err := manager.WaitForSetWithContext(ctx, set, ssa.WaitOptions{Interval: apply.WaitInterval, Timeout: timeout}); err != nil {
		return fmt.Errorf("wait until everything is ready: %w", err)
	}
	return nil
}
