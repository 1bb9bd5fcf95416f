package forgeserver

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/gitops/forge/forgetest"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Door makes a forge that reaches the server with a token.
type Door func(t *testing.T, server *Server, token string) forge.Forge

const token = "canary-token-do-not-leak"

// Contract holds a forge that is reached over the network against the
// contract and against what goes wrong there.
func Contract(t *testing.T, door Door) {
	forgetest.Run(t, func(t *testing.T) forgetest.Repository {
		return forgetest.Repository{Forge: door(t, New(t, token), token)}
	})
	for name, check := range map[string]func(*testing.T, *Server, forge.Forge){
		"wrong-token": func(t *testing.T, s *Server, _ forge.Forge) { wrongToken(t, door(t, s, token+"x")) },
		"lost-answer": lostAnswer, "rate-limit": rateLimit, "permission": permission, "server-fault": serverFault,
		"merged": merged, "labels": labels, "comment": comment, "no-branch": noBranch, "refused": refused, "no-secret-in-urls": noSecret,
		"fork": fork,
	} {
		t.Run(name, func(t *testing.T) {
			s := New(t, token)
			check(t, s, door(t, s, token))
		})
	}
}

func open(t *testing.T, f forge.Forge, branch string) forge.Pull {
	t.Helper()
	pull, err := f.Open(t.Context(), forgetest.Proposal(branch))
	if err != nil {
		t.Fatalf("open %s: %v", branch, err)
	}
	return pull
}

func wantReason(t *testing.T, err error, reason run.Reason) {
	t.Helper()
	r, ok := run.AsRefusal(err)
	if !ok || r.Reason != reason || strings.Contains(err.Error(), token) {
		t.Errorf("want refusal %s, got %v", reason, err)
	}
}

func wrongToken(t *testing.T, f forge.Forge) {
	_, err := f.Find(t.Context(), forgetest.Proposal("fix/one").Key)
	wantReason(t, err, v1alpha1.ReasonAuthenticationFailed)
	_, err = f.Open(t.Context(), forgetest.Proposal("fix/one"))
	wantReason(t, err, v1alpha1.ReasonAuthenticationFailed)
}

// The pull request was opened but the answer did not arrive.
func lostAnswer(t *testing.T, s *Server, f forge.Forge) {
	p := forgetest.Proposal("fix/one")
	p.Labels = nil
	s.FailLate(http.MethodPost)
	_, err := f.Open(t.Context(), p)
	if _, refused := run.AsRefusal(err); err == nil || refused {
		t.Fatalf("want an error worth a retry, got %v", err)
	}
	if _, err = f.Open(t.Context(), p); err != nil || len(s.Pulls()) != 1 {
		t.Errorf("after a retry: %d pull requests, %v", len(s.Pulls()), err)
	}
}

func rateLimit(t *testing.T, s *Server, f forge.Forge) {
	for name, answer := range map[string]struct {
		status int
		header map[string]string
	}{
		"too many":  {http.StatusTooManyRequests, map[string]string{"Retry-After": "120"}},
		"secondary": {http.StatusForbidden, map[string]string{"Retry-After": "120"}},
		"endless":   {http.StatusTooManyRequests, map[string]string{"Retry-After": "99999999"}},
	} {
		s.Fail(http.MethodGet, answer.status, answer.header)
		_, err := f.Get(t.Context(), 1)
		w, ok := run.AsWait(err)
		if !ok || time.Until(w.Until) < time.Minute || time.Until(w.Until) > 2*time.Hour {
			t.Errorf("%s: want to wait a bounded time, got %v", name, err)
		}
	}
}

func permission(t *testing.T, s *Server, f forge.Forge) {
	s.Fail(http.MethodGet, http.StatusForbidden, nil)
	_, err := f.Get(t.Context(), 1)
	wantReason(t, err, v1alpha1.ReasonAuthenticationFailed)
}

func serverFault(t *testing.T, s *Server, f forge.Forge) {
	id := open(t, f, "fix/one").ID
	s.Fail(http.MethodGet, http.StatusInternalServerError, nil)
	_, err := f.Get(t.Context(), id)
	_, refused := run.AsRefusal(err)
	if _, waits := run.AsWait(err); err == nil || refused || waits {
		t.Errorf("want an error worth a retry, got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = f.Get(ctx, id); err == nil {
		t.Error("a call outlives its context")
	}
}

func merged(t *testing.T, s *Server, f forge.Forge) {
	p := forgetest.Proposal("fix/one")
	id := open(t, f, "fix/one").ID
	s.Merge(int(id))
	got, err := f.Get(t.Context(), id)
	if err != nil || got.State != forge.Merged || got.MergeSHA == "" {
		t.Errorf("after the merge: %+v, %v", got, err)
	}
	// People delete the branch when they merge.
	if found, err := f.Find(t.Context(), p.Key); err != nil || found.ID != id || found.Head != p.Head {
		t.Errorf("find after the merge: %+v, %v", found, err)
	}
	if err = f.Close(t.Context(), id, "too late"); err != nil || len(s.Pulls()[id-1].Comments) != 0 {
		t.Errorf("closing a merged one: %v, %v", s.Pulls()[id-1].Comments, err)
	}
}

func labels(t *testing.T, s *Server, f forge.Forge) {
	open(t, f, "fix/one")
	open(t, f, "fix/two")
	for _, p := range s.Pulls() {
		if !slices.Equal(p.Labels, []string{"remediation"}) {
			t.Errorf("labels of %s: %v", p.Head, p.Labels)
		}
	}
}

func comment(t *testing.T, s *Server, f forge.Forge) {
	id := open(t, f, "fix/one").ID
	for range 2 {
		if err := f.Close(t.Context(), id, "not needed any more"); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Pulls()[0].Comments; !slices.Equal(got, []string{"not needed any more"}) {
		t.Errorf("comments %v", got)
	}
}

func noBranch(t *testing.T, s *Server, f forge.Forge) {
	_, err := f.Open(t.Context(), forgetest.Proposal("fix/none"))
	if _, refused := run.AsRefusal(err); !refused || len(s.Pulls()) != 0 {
		t.Errorf("want a refusal, got %v", err)
	}
}

func refused(t *testing.T, s *Server, f forge.Forge) {
	s.Fail(http.MethodPatch, http.StatusUnprocessableEntity, nil)
	_, err := f.Update(t.Context(), open(t, f, "fix/one").ID, forgetest.Proposal("fix/one"))
	wantReason(t, err, v1alpha1.ReasonForgeRefused)
}

func noSecret(t *testing.T, s *Server, f forge.Forge) {
	open(t, f, "fix/one")
	if text := strings.Join(s.Requests(), "\n"); strings.Contains(text, token) {
		t.Errorf("a URL holds the token:\n%s", text)
	}
}

// Somebody's fork has a branch that is named as ours. Its pull request is not
// ours: neither found, nor written, nor in the way.
func fork(t *testing.T, s *Server, f forge.Forge) {
	p := forgetest.Proposal("fix/one")
	s.Fork(p.Head, "theirs")
	if found, err := f.Find(t.Context(), p.Key); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("find: %+v, %v, want ErrNotFound", found, err)
	}
	mine := open(t, f, p.Head)
	again := open(t, f, p.Head)
	if pulls := s.Pulls(); mine.ID != 2 || again.ID != 2 || len(pulls) != 2 || pulls[0].Body != "theirs" {
		t.Errorf("opened %d and %d of %+v", mine.ID, again.ID, pulls)
	}
}
