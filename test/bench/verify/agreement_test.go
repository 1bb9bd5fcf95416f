package main

import (
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/test/corpus"
	"github.com/kubernaut/kubernaut/test/registry"
)

func TestPeerAgrees(t *testing.T) {
	served := registry.New(t, registry.Options{})
	c, err := corpus.Make(t.Context(), served.Image("corpus"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPeer(t.Context(), c.TrustRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range c.Cases {
		if strings.Contains(one.Name, "Secret") {
			continue
		}
		err := p.judge(t.Context(), one.Image, one.Policies)
		if (err == nil) != one.Peer {
			t.Errorf("%s: said %v, want allow %v", one.Name, err, one.Peer)
		}
	}
	t.Log(len(c.Cases))
}
