package main

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/policy-controller/pkg/apis/glob"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// Globs mean what Policy Controller takes them for.
func TestGlobsAgree(t *testing.T) {
	parts := []string{"*", "**", "*/*", "/", "@", ":", ".", "a", "b", "sha256:", "registry.example.com", "index.docker.io", "docker.io", "library", "busybox", "localhost", "localhost:5000", "[", "+"}
	names := []string{"registry.example.com/a", "registry.example.com/a/b", "registry.example.com:5000/a", "busybox", "user/app", "docker.io/busybox", "localhost/a", "localhost:5000/a"}
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	random := rand.New(rand.NewPCG(1, 1))
	matches := 0
	for range 20_000 {
		text := ""
		for range 1 + random.IntN(5) {
			text += parts[random.IntN(len(parts))]
		}
		ref, err := name.ParseReference(names[random.IntN(len(names))] + "@" + digest)
		if err != nil {
			t.Fatal(err)
		}
		theirs, refused := glob.Match(text, ref.Name())
		object := fmt.Sprintf(`{"apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy", "metadata": {"name": "p"}, "spec": {"images": [{"glob": %q}], "authorities": [{"static": {"action": "pass"}}]}}`, text)
		set := policy.Compile(policy.Inputs{Policies: [][]byte{[]byte(object)}})
		ours := len(set.Match(ref.Context().Name(), digest, policy.Object{})) == 1
		switch closed := len(set.Problems()) > 0; {
		case closed != (refused != nil):
			t.Errorf("glob %q: closed %t, theirs is refused with %v", text, closed, refused)
		case !closed && ours != theirs:
			t.Errorf("glob %q names %s: %t, theirs %t", text, ref.Name(), ours, theirs)
		case !closed && ours:
			matches++
		}
	}
	if matches < 100 {
		t.Errorf("%d matches are too few to tell", matches)
	}
}
