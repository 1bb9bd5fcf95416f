package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubernaut/kubernaut/internal/settings"
)

// atOnce counts the requests that are let through without a wait; one comes
// back each second at most, which no run of this test takes.
func atOnce(l *limiter) int {
	n := 0
	for n < 1000 && l.TryAccept() {
		n++
	}
	return n
}

func TestLimitsChangeWithTheSettings(t *testing.T) {
	store := settings.NewStore(settings.Settings{KubernetesQPS: 1, KubernetesBurst: 3})
	l := &limiter{settings: store.Get}
	if got := atOnce(l); got != 3 || l.QPS() != 1 {
		t.Errorf("%d at once at %v a second, want 3 at 1", got, l.QPS())
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := l.Wait(soon); err == nil {
		t.Error("a request beyond the burst did not wait")
	}
	store.Set(settings.Settings{KubernetesQPS: 0, KubernetesBurst: 3})
	if got := atOnce(l); got != 1000 || l.QPS() != 0 {
		t.Errorf("%d at once without a limit", got)
	}
	if err := l.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	l.Accept()
	store.Set(settings.Settings{KubernetesQPS: 1, KubernetesBurst: 5})
	if got := atOnce(l); got != 5 {
		t.Errorf("%d at once after the change, want 5", got)
	}
}

// Nobody is let through twice because two saw the change at the same time.
func TestOneLimitForAllWhoAsk(t *testing.T) {
	for range 50 {
		l := &limiter{settings: settings.NewStore(settings.Settings{KubernetesQPS: 1, KubernetesBurst: 10}).Get}
		var passed atomic.Int32
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() { passed.Add(int32(atOnce(l))) })
		}
		wait.Wait()
		if n := passed.Load(); n != 10 {
			t.Fatalf("%d at once, want 10", n)
		}
	}
}

// The lease must be renewed in time however many requests wait.
func TestClientsOfAConfigKeepToTheLimitButNotTheLease(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"PodList","apiVersion":"v1"}`))
	}))
	defer server.Close()
	store := settings.NewStore(settings.Settings{KubernetesQPS: 1, KubernetesBurst: 2})
	work, lease := limited(&rest.Config{Host: server.URL}, store)
	ask := func(config *rest.Config, patience time.Duration) (n int) {
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		for ; n < 10; n++ {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			_, err := client.CoreV1().Pods("ops").List(ctx, metav1.ListOptions{})
			cancel()
			if err != nil {
				return n
			}
		}
		return n
	}
	if got := ask(work, 100*time.Millisecond); got == 10 {
		t.Error("nothing bounds the requests")
	}
	if got := ask(lease, time.Minute); got != 10 {
		t.Errorf("%d requests for the lease, want 10", got)
	}
	store.Set(settings.Settings{KubernetesQPS: 0, KubernetesBurst: 2})
	if got := ask(work, time.Minute); got != 10 {
		t.Errorf("%d requests without a limit, want 10", got)
	}
}
