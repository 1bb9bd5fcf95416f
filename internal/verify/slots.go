package verify

import (
	"context"
	"sync"
)

// slots bounds what goes on at once for each name. Names that nobody uses take
// no room, since strangers choose them.
type slots struct {
	each int

	mu    sync.Mutex
	named map[string]*slot
}

type slot struct {
	places chan struct{}
	users  int
}

func newSlots(each int) *slots { return &slots{each: each, named: map[string]*slot{}} }

// take waits for a place until ctx ends. Whoever has one calls release, once.
func (s *slots) take(ctx context.Context, name string) (release func(), err error) {
	s.mu.Lock()
	one := s.named[name]
	if one == nil {
		one = &slot{places: make(chan struct{}, s.each)}
		s.named[name] = one
	}
	one.users++
	s.mu.Unlock()
	select {
	case one.places <- struct{}{}:
		return func() { <-one.places; s.leave(name, one) }, nil
	case <-ctx.Done():
		s.leave(name, one)
		return nil, context.Cause(ctx)
	}
}

func (s *slots) leave(name string, one *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.users--; one.users == 0 {
		delete(s.named, name)
	}
}
