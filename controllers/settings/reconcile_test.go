package settings

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubernaut/kubernaut/internal/record"
	"github.com/kubernaut/kubernaut/internal/settings"
)

// site is an API server with the ConfigMap, and the controller.
type site struct {
	t      *testing.T
	client client.Client
	events *events.FakeRecorder
	store  *settings.Store
	r      *Reconciler
	err    error
}

// newSite has the ConfigMap, unless data is nil, and a controller that began.
func newSite(t *testing.T, flags, data map[string]string) *site {
	t.Helper()
	fixed, findings := settings.Parse(flags)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	s := &site{t: t, events: events.NewFakeRecorder(10), store: settings.NewStore(settings.Merge(fixed))}
	s.client = fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if s.err != nil {
				return s.err
			}
			return c.Get(ctx, key, o, opts...)
		},
	}).Build()
	if data != nil {
		if err := s.client.Create(t.Context(), object(data)); err != nil {
			t.Fatal(err)
		}
	}
	s.r = &Reconciler{
		client: s.client, record: record.New(s.client, s.events),
		options: Options{Namespace: "kubernaut-system", Store: s.store, Fixed: []settings.Layer{fixed}},
	}
	if err := s.r.begin(t.Context(), s.client); err != nil {
		t.Fatal(err)
	}
	return s
}

func object(data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kubernaut-system", Name: settings.ConfigMap}, Data: maps.Clone(data)}
}

// set writes the ConfigMap as a person does.
func (s *site) set(data map[string]string) {
	s.t.Helper()
	if err := s.client.Update(s.t.Context(), object(data)); err != nil {
		s.t.Fatal(err)
	}
}

// told reconciles twice, as after a restart of the watch, and returns the events.
func (s *site) told() (out []string) {
	s.t.Helper()
	for range 2 {
		if _, err := s.r.Reconcile(s.t.Context(), ctrl.Request{}); err != nil {
			s.t.Fatal(err)
		}
	}
	for len(s.events.Events) > 0 {
		out = append(out, <-s.events.Events)
	}
	return out
}

func (s *site) expect(what string, parallel int, events ...string) {
	s.t.Helper()
	told := s.told()
	if diff := cmp.Diff(events, told); diff != "" {
		s.t.Errorf("%s: events (-want +got):\n%s", what, diff)
	}
	if got := s.store.Get().MaxParallelSteps; got != parallel {
		s.t.Errorf("%s: %d parallel steps, want %d", what, got, parallel)
	}
}

const key = "max-parallel-steps"

func TestChangesAreTakenAndToldOnce(t *testing.T) {
	s := newSite(t, nil, map[string]string{key: "7"})
	if got := s.store.Get().MaxParallelSteps; got != 7 {
		t.Errorf("before the first reconciliation: %d", got)
	}
	s.expect("as at the start", 7)
	s.set(map[string]string{"preset": "large", key: "8"})
	s.expect("changed", 8, "Normal SettingsApplied max-parallel-steps is now 8, was 7, kubernetes-qps is now 40, was 0, kubernetes-burst is now 60, was 30")
	if err := s.client.Delete(t.Context(), object(nil)); err != nil {
		t.Fatal(err)
	}
	s.expect("deleted", 5)
	if got := s.store.Get(); got != settings.Merge() {
		t.Errorf("deleted: %+v", got)
	}
	if err := s.client.Create(t.Context(), object(map[string]string{key: "9"})); err != nil {
		t.Fatal(err)
	}
	s.expect("made again", 9, "Normal SettingsApplied max-parallel-steps is now 9, was 5")
}

// Who waits for room is told when there is something new, and only then.
func TestWhoListensIsTold(t *testing.T) {
	s := newSite(t, nil, map[string]string{key: "7"})
	var heard []int
	s.r.options.Changed = func() { heard = append(heard, s.store.Get().MaxConcurrentRuns) }
	s.told()
	for _, n := range []string{"5", "5", "many", "6"} {
		s.set(map[string]string{"max-concurrent-runs": n, key: "7"})
		s.told()
	}
	if diff := cmp.Diff([]int{5, 6}, heard); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
}

func TestWrongSettingsLeaveThoseInForce(t *testing.T) {
	s := newSite(t, nil, map[string]string{key: "7"})
	s.expect("as at the start", 7)
	s.set(map[string]string{key: "8", "kubernetes-qps": "-1", "colour": "blue"})
	told := s.told()
	if len(told) != 1 || s.store.Get().MaxParallelSteps != 7 {
		t.Fatalf("%q, %+v", told, s.store.Get())
	}
	for _, want := range []string{"Warning SettingsInvalid nothing of it is taken, the settings in force stay: ",
		`kubernetes-qps: found "-1", want a whole number from 0 to 10000`, `colour: found "blue", want one of the keys preset, max-parallel-steps,`} {
		if !strings.Contains(told[0], want) {
			t.Errorf("%s\ndoes not say: %s", told[0], want)
		}
	}
	s.set(map[string]string{key: "0"})
	s.expect("wrong in another way", 7, `Warning SettingsInvalid nothing of it is taken, the settings in force stay: max-parallel-steps: found "0", want a whole number from 1 to 64`)
	s.set(map[string]string{key: "7"})
	s.expect("mended", 7, "Normal SettingsApplied nothing differs from what was in force: a flag or an environment variable counts more, or it says what held before")
}

func TestWrongFromTheStart(t *testing.T) {
	s := newSite(t, nil, map[string]string{key: "many", "kubernetes-qps": "1"})
	s.expect("wrong", 5, `Warning SettingsInvalid nothing of it is taken, the settings in force stay: max-parallel-steps: found "many", want a whole number from 1 to 64`)
	if got := s.store.Get(); got != settings.Merge() {
		t.Errorf("%+v", got)
	}
}

func TestBytesAreJudgedLikeText(t *testing.T) {
	s := newSite(t, nil, map[string]string{})
	o := object(nil)
	o.BinaryData = map[string][]byte{key: []byte("8"), "x": {0xff}}
	if err := s.client.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if told := s.told(); len(told) != 1 || !strings.Contains(told[0], `x: found "\xff"`) {
		t.Errorf("%q", told)
	}
}

func TestFlagsCountMoreThanTheConfigMap(t *testing.T) {
	s := newSite(t, map[string]string{key: "3"}, map[string]string{key: "7", "kubernetes-qps": "1"})
	s.expect("at the start", 3)
	s.set(map[string]string{key: "9", "kubernetes-qps": "1"})
	s.expect("changed", 3, "Normal SettingsApplied nothing differs from what was in force: a flag or an environment variable counts more, or it says what held before")
	if s.store.Get().KubernetesQPS != 1 {
		t.Errorf("%+v", s.store.Get())
	}
}

// What cannot be read is not missing.
func TestAnOutageChangesNothing(t *testing.T) {
	s := newSite(t, nil, map[string]string{key: "7"})
	s.err = errors.New("connection lost")
	if _, err := s.r.Reconcile(t.Context(), ctrl.Request{}); err == nil || s.store.Get().MaxParallelSteps != 7 {
		t.Errorf("%v, %+v", err, s.store.Get())
	}
	if err := s.r.begin(t.Context(), s.client); err == nil || !strings.Contains(err.Error(), "kubernaut-system/"+settings.ConfigMap) {
		t.Errorf("it begins without knowing its settings: %v", err)
	}
}
