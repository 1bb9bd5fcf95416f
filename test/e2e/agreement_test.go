package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
	verifyimage "github.com/kubernaut/kubernaut/internal/verify/image"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/internal/verify/rule"
	"github.com/kubernaut/kubernaut/test/corpus"
	"github.com/kubernaut/kubernaut/test/e2e/harness"
)

// webhookNamespace is where the Policy Controller reads Secrets.
const webhookNamespace = "cosign-system"

// Our verifier and the webhook of Sigstore's Policy Controller are asked about
// the same images under the same policies. Where they differ, the name of the
// image says why.
func TestGateAndAdmissionAgree(t *testing.T) {
	ns := admitted(t)
	c, err := corpus.Make(t.Context(), shared.Registry+"/corpus-"+ns)
	if err != nil {
		t.Fatal(err)
	}
	policies := apply(t, c)
	differ := 0
	// Those that the webhook lets in come first: by then it knows the policies,
	// and a refusal is no longer one for want of them.
	for _, allowed := range []bool{true, false} {
		for _, one := range c.Cases {
			if one.Peer != allowed {
				continue
			}
			if one.Allow != one.Peer {
				differ++
			}
			t.Run(one.Name, func(t *testing.T) {
				err := harness.Until(t.Context(), 20*time.Second, func(ctx context.Context) error { return decided(ctx, ns, one.Image, one.Peer) })
				if err != nil {
					t.Error(err)
				}
				if err := judged(t, policies, one.Image); (err == nil) != one.Allow {
					t.Errorf("our verifier says %v, want allow %t", err, one.Allow)
				}
			})
		}
	}
	t.Logf("%d images, %d of them judged otherwise by the webhook", len(c.Cases), differ)
}

// decided wants the webhook to let a pod in or not.
func decided(ctx context.Context, ns, image string, allow bool) error {
	err := byHand(ctx, ns, image, "")
	if !allow && err == nil {
		return answer{"yes", "a refusal"}
	}
	if !allow {
		return nil
	}
	return err
}

// apply writes everything that the corpus needs, and removes it in the end.
func apply(t *testing.T, c *corpus.Corpus) *policy.Set {
	t.Helper()
	in := policy.Inputs{Rules: rule.Compile, Secrets: func(_, name string) (map[string][]byte, error) {
		if name != corpus.SecretName {
			return nil, errors.New("not found")
		}
		return c.Secret, nil
	}}
	create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: webhookNamespace, Name: corpus.SecretName}, Data: c.Secret})
	in.TrustRoots = append(in.TrustRoots, encoded(t, c.TrustRoot))
	create(t, &unstructured.Unstructured{Object: c.TrustRoot})
	for _, one := range c.Cases {
		for _, p := range one.Policies {
			in.Policies = append(in.Policies, encoded(t, p))
			create(t, &unstructured.Unstructured{Object: p})
		}
	}
	return policy.Compile(in)
}

func encoded(t *testing.T, object any) []byte {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// create writes an object that an earlier run may have left behind.
func create(t *testing.T, o client.Object) {
	t.Helper()
	if err := client.IgnoreNotFound(shared.Client.Delete(t.Context(), o.DeepCopyObject().(client.Object))); err != nil {
		t.Fatal(err)
	}
	if err := shared.Client.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(shared.Client.Delete(context.Background(), o)); err != nil {
			t.Error(err)
		}
	})
}

// judged is what our verifier says.
func judged(t *testing.T, set *policy.Set, image string) error {
	t.Helper()
	ref, err := name.NewDigest(image)
	if err != nil {
		t.Fatal(err)
	}
	verifier := verifyimage.New(func(context.Context) (*policy.Set, error) { return set, nil }, shared.Images)
	_, err = verifier.Verify(t.Context(), verify.Image{Repository: ref.Repository.Name(), Digest: ref.DigestStr()}, verify.Subject{Kind: "Pod", Version: "v1"})
	if _, refused := run.AsRefusal(err); err != nil && !refused {
		t.Fatal("no verdict:", err)
	}
	return err
}
