package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// readTime bounds one reading from the API server, which has bounds of its own
// that are no longer.
const readTime = 30 * time.Second

// shared lets all who ask for the same at about the same time wait for one
// reading. It remembers nothing: a reading began after each of those who get it
// had asked, so that what changed before counts. While one goes on, those who
// come later wait for the one after it. A run of 50 images so reads its policies
// a few times and not a hundred.
type shared[K comparable, V any] struct {
	read func(ctx context.Context, key K) (V, error)

	mu    sync.Mutex
	lines map[K]*line[V]
}

// line is the reading that goes on for a key, and the one after it, nil while
// nobody waits for that.
type line[V any] struct{ next *reading[V] }

// reading is closed once value and err are there.
type reading[V any] struct {
	done  chan struct{}
	value V
	err   error
}

func share[K comparable, V any](read func(context.Context, K) (V, error)) *shared[K, V] {
	return &shared[K, V]{read: read, lines: map[K]*line[V]{}}
}

// get waits until a reading that begins from now on is done, or ctx is.
func (s *shared[K, V]) get(ctx context.Context, key K) (V, error) {
	r := s.join(ctx, key)
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		var none V
		return none, context.Cause(ctx)
	}
}

func (s *shared[K, V]) join(ctx context.Context, key K) *reading[V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, goesOn := s.lines[key]
	if !goesOn {
		l = &line[V]{}
		s.lines[key] = l
	}
	if l.next == nil {
		l.next = &reading[V]{done: make(chan struct{})}
	}
	r := l.next
	if !goesOn {
		l.next = nil
		// Whoever asked first may give up, and others wait for the same.
		go s.serve(context.WithoutCancel(ctx), key, r)
	}
	return r
}

// serve reads for a key as long as somebody waits.
func (s *shared[K, V]) serve(ctx context.Context, key K, r *reading[V]) {
	for r != nil {
		s.one(ctx, key, r)
		s.mu.Lock()
		r, s.lines[key].next = s.lines[key].next, nil
		if r == nil {
			delete(s.lines, key)
		}
		s.mu.Unlock()
	}
}

func (s *shared[K, V]) one(ctx context.Context, key K, r *reading[V]) {
	defer close(r.done)
	defer func() {
		if p := recover(); p != nil { // in a goroutine of its own it would end the process
			r.err = fmt.Errorf("read from the cluster: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	r.value, r.err = s.read(ctx, key)
}
