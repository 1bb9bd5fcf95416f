package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/prometheus/client_golang/prometheus"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/controllers/execution"
	"github.com/kubernaut/kubernaut/controllers/step"
	"github.com/kubernaut/kubernaut/internal/engine/job"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/report"
	"github.com/kubernaut/kubernaut/internal/settings"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
)

const (
	installed = "kubernaut-system"
	document  = `apiVersion: kubernaut.ai/v1alpha1
kind: ActionContract
metadata: {name: demo, version: v1.0.0}
spec:
  description: Does.
  actionType: demo/first
  rbac:
    permissions:
    - {apiGroups: [apps], resources: [deployments], verbs: [get]}
  resources: {limits: {cpu: 100m, memory: 64Mi}}
`
)

// site is a cluster whose controllers have the gates that ship, in front of a
// real registry. Its nodes run nothing; the test says how a step ends.
type site struct {
	*testing.T
	api       client.WithWatch
	served    *registry.Registry
	reader    *image.Registry
	key       *sign.Signer
	run, step reconcile.Reconciler
	// others are more registries that are reached over plain HTTP.
	others []string
	now    time.Time
	// made lists what the controllers created.
	made []string
	// metrics of the controllers since their start.
	metrics *prometheus.Registry
	// patience of the controllers with a registry.
	patience time.Duration
	// outage is what the API server answers to who lists policies, unread to who
	// reads Secrets.
	outage, unread error
}

func newSite(t *testing.T, o registry.Options) *site {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, served: registry.New(t, o), key: newKey(t), patience: 5 * time.Second, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s.api = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.WorkflowExecution{}, &v1alpha1.ActionExecution{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				if options := (&client.CreateOptions{}).ApplyOptions(opts); len(options.DryRun) > 0 {
					return nil // the fake one writes in a dry run, too
				}
				s.made = append(s.made, fmt.Sprintf("%T %s", o, o.GetName()))
				o.SetUID(types.UID(fmt.Sprintf("uid-%T-%s", o, o.GetName())))
				return c.Create(ctx, o, opts...)
			},
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if _, secret := o.(*corev1.Secret); secret && s.unread != nil {
					return s.unread
				}
				return c.Get(ctx, key, o, opts...)
			},
			List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
				if _, policies := l.(*unstructured.UnstructuredList); policies && s.outage != nil {
					return s.outage
				}
				return c.List(ctx, l, opts...)
			},
		}).Build()
	s.restart()
	return s
}

// restart begins with controllers that remember nothing.
func (s *site) restart() {
	s.Helper()
	s.metrics = prometheus.NewRegistry()
	metrics, err := record.NewMetrics(s.metrics)
	if err != nil {
		s.Fatal(err)
	}
	policies, registry, err := options{namespace: installed, registryTimeout: s.patience, insecureRegistries: strings.Join(append(s.others, s.served.Host()), ",")}.images(s.api, metrics)
	if err != nil {
		s.Fatal(err)
	}
	s.reader = registry
	doors := newDoors(policies, registry, metrics)
	clock := func() time.Time { return s.now }
	s.run = execution.New(s.api, events.NewFakeRecorder(1000), execution.Options{Engine: job.NewEngine(s.api, s.api, clock), Live: s.api, Now: clock,
		Settings: func() settings.Settings { return settings.Merge() }, Gate: doors.ofRun()})
	s.step = step.New(s.api, events.NewFakeRecorder(1000), step.Options{Jobs: job.NewSteps(s.api, s.api, clock), Now: clock, Gate: doors.ofStep()})
}

func newKey(t testing.TB) *sign.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.LoadSigner(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func public(t testing.TB, key *sign.Signer) string {
	t.Helper()
	text, err := key.GetPublicKeyPem()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// apply creates or replaces an object; the test does so, not a controller.
func (s *site) apply(o client.Object) {
	s.Helper()
	before := len(s.made)
	old := o.DeepCopyObject().(client.Object)
	err := s.api.Get(s.Context(), client.ObjectKeyFromObject(o), old)
	if err == nil {
		o.SetResourceVersion(old.GetResourceVersion())
		err = s.api.Update(s.Context(), o)
	} else if client.IgnoreNotFound(err) == nil {
		err = s.api.Create(s.Context(), o)
	}
	if err != nil {
		s.Fatal(err)
	}
	s.made = s.made[:before]
}

func (s *site) remove(o client.Object) {
	s.Helper()
	if err := s.api.Delete(s.Context(), o); err != nil {
		s.Fatal(err)
	}
}

// policy replaces the one policy, which names every image and has these
// authorities, as YAML of one line.
func (s *site) policy(authorities string) *unstructured.Unstructured {
	s.Helper()
	o := &unstructured.Unstructured{}
	text := fmt.Sprintf(`{apiVersion: policy.sigstore.dev/v1beta1, kind: ClusterImagePolicy, metadata: {name: ours}, spec: {images: [{glob: "**"}], authorities: %s}}`, authorities)
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		s.Fatal(err)
	}
	s.apply(o)
	return o
}

// trust replaces the one policy by one that trusts keys.
func (s *site) trust(keys ...*sign.Signer) {
	s.Helper()
	var all []string
	for _, k := range keys {
		all = append(all, fmt.Sprintf("{key: {data: %q}}", public(s, k)))
	}
	s.policy("[" + strings.Join(all, ", ") + "]")
}

// build makes an image with this contract; content makes its digest its own.
func (s *site) build(content, contract string) v1.Image {
	s.Helper()
	img, err := image.Build(image.Spec{Files: []image.File{{Path: "/action", Content: []byte(content)}}, Contract: []byte(contract)})
	if err != nil {
		s.Fatal(err)
	}
	return img
}

// push writes an image under a tag of a repository named after its content.
func (s *site) push(content, contract string) verify.Image {
	s.Helper()
	pushed, err := s.reader.Push(s.Context(), s.served.Image("actions/"+content)+":v1", s.build(content, contract))
	if err != nil {
		s.Fatal(err)
	}
	return pushed
}

func (s *site) sign(img verify.Image, f policy.Format) verify.Image {
	s.Helper()
	if err := sign.Sign(s.Context(), s.reader, img, s.key, f); err != nil {
		s.Fatal(err)
	}
	return img
}

// placed reads "namespace/name"; without a namespace it is ops.
func placed(name string) types.NamespacedName {
	if namespace, rest, found := strings.Cut(name, "/"); found {
		return types.NamespacedName{Namespace: namespace, Name: rest}
	}
	return types.NamespacedName{Namespace: "ops", Name: name}
}

// start creates a run with a step for each image, one after the other.
func (s *site) start(name string, images ...string) {
	s.Helper()
	at := placed(name)
	e := &v1alpha1.WorkflowExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: at.Namespace, Name: at.Name, Generation: 1},
		Spec:       v1alpha1.WorkflowExecutionSpec{WorkflowType: "demo", Reason: "because"},
		Status:     v1alpha1.WorkflowExecutionStatus{ObservedGeneration: -1},
	}
	for i, ref := range images {
		one := v1alpha1.WorkflowStep{Name: string(rune('a' + i)), Image: ref}
		if i > 0 {
			one.RunAfter = []string{string(rune('a' + i - 1))}
		}
		e.Spec.Steps = append(e.Spec.Steps, one)
	}
	s.apply(e)
}

// settle has every run and step looked at until the controllers create nothing
// more. What they answer an error to is looked at again.
func (s *site) settle() {
	s.Helper()
	for range 10 {
		before := len(s.made)
		for _, o := range s.all() {
			to := s.run
			if _, isStep := o.(*v1alpha1.ActionExecution); isStep {
				to = s.step
			}
			for range 3 {
				_, _ = to.Reconcile(s.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(o)})
			}
		}
		if len(s.made) == before {
			return
		}
	}
	s.Fatalf("no end in sight: %v", s.made)
}

func (s *site) all() (out []client.Object) {
	s.Helper()
	var runs v1alpha1.WorkflowExecutionList
	var steps v1alpha1.ActionExecutionList
	if err := errors.Join(s.api.List(s.Context(), &runs), s.api.List(s.Context(), &steps)); err != nil {
		s.Fatal(err)
	}
	for i := range runs.Items {
		out = append(out, &runs.Items[i])
	}
	for i := range steps.Items {
		out = append(out, &steps.Items[i])
	}
	return out
}

// succeed ends a running step as its pod would.
func (s *site) succeed(name string) {
	s.Helper()
	ae := &v1alpha1.ActionExecution{}
	if err := s.api.Get(s.Context(), types.NamespacedName{Namespace: "ops", Name: name}, ae); err != nil {
		s.Fatal(err)
	}
	ae.Status.Phase = v1alpha1.StepSucceeded
	if err := s.api.Status().Update(s.Context(), ae); err != nil {
		s.Fatal(err)
	}
}

// ready returns the reason and message of Ready of a run.
func (s *site) ready(name string) (reason, message string) {
	s.Helper()
	e := &v1alpha1.WorkflowExecution{}
	if err := s.api.Get(s.Context(), placed(name), e); err != nil {
		s.Fatal(err)
	}
	if c := report.Find(e.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return c.Reason, c.Message
	}
	return "", ""
}

// nothing wants that a run of these images makes nothing, for this reason, and
// that the controllers go on to run a good one once the trouble is over.
func (s *site) nothing(reason string, over func(), images ...string) {
	s.Helper()
	s.start("bad", images...)
	s.settle()
	got, message := s.ready("bad")
	if len(s.made) > 0 || got != reason {
		s.Errorf("made %v, Ready is %s: %s; want nothing made and %s", s.made, got, message, reason)
	}
	over()
	s.trust(s.key)
	good := s.sign(s.push("good", document), policy.Bundle)
	s.start("good", good.String())
	s.settle()
	if jobs := s.jobs(); !slices.Contains(jobs, "good-a "+good.String()) {
		_, message := s.ready("good")
		s.Errorf("after it Jobs %v: %s", jobs, message)
	}
}

// jobs lists the Jobs with the images they run.
func (s *site) jobs() (out []string) {
	s.Helper()
	var list batchv1.JobList
	if err := s.api.List(s.Context(), &list); err != nil {
		s.Fatal(err)
	}
	for _, j := range list.Items {
		for _, c := range j.Spec.Template.Spec.Containers {
			out = append(out, j.Name+" "+c.Image)
		}
	}
	return out
}
