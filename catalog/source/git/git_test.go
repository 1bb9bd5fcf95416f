package git

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/test/gitserver"
)

func TestOpenAndFetch(t *testing.T) {
	ctx := context.Background()
	server := gitserver.New(t, "bot", "password")
	repository := server.Repository("team/catalog")
	first := repository.Commit("main", "first", map[string]string{"a.yaml": "one\n"})
	reader := fake.NewClientBuilder().WithObjects(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "git"},
		Data: map[string][]byte{"username": []byte("bot"), "password": []byte("password")}}).Build()
	dir := t.TempDir()
	s, err := Open(ctx, reader, "ops", v1alpha1.GitSource{URL: repository.URL, SecretRef: &v1alpha1.LocalReference{Name: "git"}}, dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Fetch(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	content, err := fs.ReadFile(got.Tree, "a.yaml")
	if err != nil || string(content) != "one\n" || got.Revision != "main@sha1:"+first || got.Commit == nil || got.Commit.Hash != first {
		t.Errorf("content %q, error %v, snapshot %+v", content, err, got)
	}
	if err := got.Close(); err != nil {
		t.Error(err)
	}
	known(t, s, got.Revision)
	empty(t, dir)
}

// known asks for a revision that the remote still has.
func known(t *testing.T, s *Source, revision string) {
	t.Helper()
	again, err := s.Fetch(context.Background(), revision)
	if err != nil || again.Tree != nil || again.Revision != revision || again.Close() != nil {
		t.Errorf("known revision: %+v, %v", again, err)
	}
}

func empty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFetchSaysWhatIsWrong(t *testing.T) {
	ctx := context.Background()
	server := gitserver.New(t, "bot", "password")
	repository := server.Repository("team/catalog")
	reader := fake.NewClientBuilder().WithObjects(
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "good"}, Data: map[string][]byte{"username": []byte("bot"), "password": []byte("password")}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "wrong"}, Data: map[string][]byte{"username": []byte("bot"), "password": []byte("other")}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: "half"}, Data: map[string][]byte{"username": []byte("bot")}},
	).Build()
	fetch := func(url, secret string, ref *v1alpha1.GitRef) error {
		dir := t.TempDir()
		s, err := Open(ctx, reader, "ops", v1alpha1.GitSource{URL: url, Ref: ref, SecretRef: &v1alpha1.LocalReference{Name: secret}}, dir)
		if err == nil {
			_, err = s.Fetch(ctx, "")
		}
		empty(t, dir)
		return err
	}
	for _, c := range []struct {
		name, url, secret string
		reason            run.Reason
	}{
		{"empty repository", repository.URL, "good", v1alpha1.ReasonEmptySource},
		{"wrong credentials", repository.URL, "wrong", v1alpha1.ReasonAuthenticationFailed},
		{"half of the credentials", repository.URL, "half", v1alpha1.ReasonInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			refusal, ok := run.AsRefusal(fetch(c.url, c.secret, nil))
			if !ok || refusal.Reason != c.reason {
				t.Errorf("got %v", refusal)
			}
		})
	}
	if wait, ok := run.AsWait(fetch(repository.URL, "missing", nil)); !ok || wait.Reason != v1alpha1.ReasonDependencyNotReady || !strings.Contains(wait.Message, "ops/missing") {
		t.Errorf("missing Secret: %v", wait)
	}
	repository.Commit("main", "first", map[string]string{"a.yaml": "one\n"})
	if refusal, ok := run.AsRefusal(fetch(repository.URL, "good", &v1alpha1.GitRef{Branch: "ghost"})); !ok || refusal.Reason != v1alpha1.ReasonReferenceNotFound {
		t.Errorf("missing branch: %v", refusal)
	}
	err := fetch("http://127.0.0.1:1/x", "good", nil)
	if _, refused := run.AsRefusal(err); err == nil || refused {
		t.Errorf("unreachable: %v", err)
	}
}
