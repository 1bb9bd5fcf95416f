package main

import (
	"context"
	"sync/atomic"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/kubernaut/kubernaut/internal/settings"
)

// limiter bounds the requests to the API server by the settings in force: one
// bound for all kinds together. Requests that wait already keep their turn
// when the settings change.
type limiter struct {
	settings func() settings.Settings
	current  atomic.Pointer[bucket]
}

// bucket is the bound for one pair of figures.
type bucket struct {
	flowcontrol.RateLimiter
	qps, burst int
}

var _ flowcontrol.RateLimiter = (*limiter)(nil)

// limited returns a config whose clients all keep to one limit, and one for
// the lease alone, which may not wait behind them.
func limited(config *rest.Config, store *settings.Store) (work, lease *rest.Config) {
	work, lease = rest.CopyConfig(config), rest.CopyConfig(config)
	work.RateLimiter = &limiter{settings: store.Get}
	lease.RateLimiter, lease.QPS = nil, -1
	return work, lease
}

// now returns the bound for the settings in force. A new one begins with all
// its burst.
func (l *limiter) now() *bucket {
	s := l.settings()
	old := l.current.Load()
	if old != nil && old.qps == s.KubernetesQPS && old.burst == s.KubernetesBurst {
		return old
	}
	b := &bucket{qps: s.KubernetesQPS, burst: s.KubernetesBurst}
	if s.KubernetesQPS > 0 {
		b.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(float32(b.qps), b.burst)
	}
	if !l.current.CompareAndSwap(old, b) {
		return l.current.Load() // somebody else saw the change first
	}
	return b
}

// TryAccept says whether a request may be sent at once, and counts it if so.
func (l *limiter) TryAccept() bool {
	b := l.now()
	return b.RateLimiter == nil || b.RateLimiter.TryAccept()
}

// Accept returns when a request may be sent.
func (l *limiter) Accept() {
	if b := l.now(); b.RateLimiter != nil {
		b.RateLimiter.Accept()
	}
}

// Wait returns when a request may be sent, or says that ctx ends before.
func (l *limiter) Wait(ctx context.Context) error {
	if b := l.now(); b.RateLimiter != nil {
		return b.RateLimiter.Wait(ctx)
	}
	return nil
}

// Stop has nothing to stop.
func (*limiter) Stop() {}

// QPS is the bound in requests a second; 0 is none.
func (l *limiter) QPS() float32 { return float32(l.now().qps) }
