package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

const pushAttempts = 3

// PushOptions says where a commit goes.
type PushOptions struct {
	// Branch is the branch of the proposal; never the base branch.
	Branch string
	// Marker is a line that HEAD's message carries. A commit at the tip of
	// Branch by the same committer and with the same line is ours and may be
	// replaced; any other is somebody's work.
	Marker string
	// Timeout limits the whole push; 0 means three minutes.
	Timeout time.Duration
}

// Pushed is what the remote has after a push.
type Pushed struct {
	Branch, SHA string
	// Updated is false if the remote had the commit already.
	Updated bool
	// BaseSHA is where the base branch is now; BaseMoved says that this is
	// not what was cloned.
	BaseSHA   string
	BaseMoved bool
}

// Push makes Branch on the remote equal to HEAD. It creates the branch,
// leaves it if it is equal, and replaces an earlier commit of ours, on
// condition that the remote still has what was seen. A foreign tip is a
// Refusal, a race lost three times ErrStaleBase, nothing to push ErrNoChange.
// The remote must be the one that was cloned, so that credentials go nowhere else.
func (w *Worktree) Push(ctx context.Context, remote Remote, o PushOptions) (Pushed, error) {
	l, err := remote.link()
	if err != nil {
		return Pushed{}, err
	}
	if o.Timeout == 0 {
		o.Timeout = fetchTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	head, err := w.pushable(remote, o)
	if err != nil {
		return Pushed{}, err
	}
	for range pushAttempts {
		var out Pushed
		out, err = w.pushOnce(ctx, l, head, o)
		if !errors.Is(err, ErrStaleBase) {
			return out, err
		}
	}
	return Pushed{}, err
}

// Stands says whether a branch of the remote is at HEAD now. It reads only.
func (w *Worktree) Stands(ctx context.Context, remote Remote, branch string) (bool, error) {
	if plain(remote.URL) != plain(w.base.URL) {
		return false, refuse(v1alpha1.ReasonWorktreeInvalid, "read %s: the work tree was cloned from %s", remote.URL, w.base.URL)
	}
	l, err := remote.link()
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	head, err := w.head()
	if err != nil {
		return false, err
	}
	seen, err := l.list(ctx)
	if err != nil {
		return false, err
	}
	return seen.hashes[plumbing.NewBranchReferenceName(branch)] == head.Hash, nil
}

func (w *Worktree) pushable(remote Remote, o PushOptions) (*object.Commit, error) {
	if plain(remote.URL) != plain(w.base.URL) {
		return nil, refuse(v1alpha1.ReasonWorktreeInvalid, "push to %s: the work tree was cloned from %s", remote.URL, w.base.URL)
	}
	if o.Branch == w.base.Branch {
		return nil, refuse(v1alpha1.ReasonBranchProtected, "push to %s: it is the branch that the change is proposed for", o.Branch)
	}
	name := plumbing.NewBranchReferenceName(o.Branch)
	if err := name.Validate(); err != nil || strings.ContainsAny(o.Branch, " *:+^~?[\\") {
		return nil, refuse(v1alpha1.ReasonInvalid, "branch name %q is not allowed by Git", o.Branch)
	}
	head, err := w.head()
	if err != nil {
		return nil, err
	}
	if head.Hash.String() == w.base.SHA {
		return nil, ErrNoChange
	}
	if !carries(head, o.Marker) {
		return nil, refuse(v1alpha1.ReasonInvalid, "commit %s does not carry the line %q by which it is known as ours", head.Hash, o.Marker)
	}
	return head, nil
}

func plain(url string) string { return strings.TrimSuffix(strings.TrimSuffix(url, "/"), ".git") }

func carries(c *object.Commit, marker string) bool {
	return marker != "" && slices.Contains(strings.Split(c.Message, "\n"), marker)
}

func (w *Worktree) pushOnce(ctx context.Context, l link, head *object.Commit, o PushOptions) (Pushed, error) {
	seen, err := l.list(ctx)
	if err != nil {
		return Pushed{}, err
	}
	base, ok := seen.hashes[plumbing.NewBranchReferenceName(w.base.Branch)]
	if !ok {
		return Pushed{}, refuse(v1alpha1.ReasonReferenceNotFound, "push to %s: base branch %s is gone", l.remote.URL, w.base.Branch)
	}
	target := plumbing.NewBranchReferenceName(o.Branch)
	tip, exists := seen.hashes[target]
	out := Pushed{Branch: o.Branch, SHA: head.Hash.String(), BaseSHA: base.String(), BaseMoved: base.String() != w.base.SHA}
	if tip == head.Hash {
		return out, nil
	}
	if exists {
		if err = w.mayReplace(ctx, l, head, tip, o); err != nil {
			return Pushed{}, err
		}
	}
	if err = w.send(ctx, l, target, tip); err != nil {
		return Pushed{}, err
	}
	out.Updated = true
	return out, nil
}

// mayReplace looks at the remote branch's tip and refuses other people's work.
func (w *Worktree) mayReplace(ctx context.Context, l link, head *object.Commit, tip plumbing.Hash, o PushOptions) error {
	if err := l.fetch(ctx, w.git.Storer, plumbing.NewBranchReferenceName(o.Branch).String(), 1); err != nil {
		return err
	}
	there, err := w.git.CommitObject(tip)
	if err != nil {
		return fmt.Errorf("read tip %s of %s: %w", tip, o.Branch, ErrStaleBase)
	}
	same := there.Committer.Name == head.Committer.Name && there.Committer.Email == head.Committer.Email
	if !same || !carries(there, o.Marker) {
		return refuse(v1alpha1.ReasonHumanCommitsOnBranch,
			"push to %s: %s <%s> committed %s there and nothing is overwritten: merge it, or delete the branch and run again",
			o.Branch, there.Committer.Name, there.Committer.Email, tip)
	}
	return nil
}

// send pushes HEAD's branch. seen is the tip that may be replaced, zero if the
// branch did not exist; Git's protocol makes the exchange atomic.
func (w *Worktree) send(ctx context.Context, l link, target plumbing.ReferenceName, seen plumbing.Hash) error {
	local, err := w.git.Head()
	if err != nil {
		return fmt.Errorf("read HEAD: %w", err)
	}
	spec := local.Name().String() + ":" + target.String()
	cert, key := l.cert()
	o := &git.PushOptions{RemoteName: remoteName, Auth: l.auth, CABundle: l.ca, ClientCert: cert, ClientKey: key, ProxyOptions: l.proxy()}
	if !seen.IsZero() {
		spec = "+" + spec
		o.RequireRemoteRefs = []config.RefSpec{config.RefSpec(seen.String() + ":" + target.String())}
	}
	o.RefSpecs = []config.RefSpec{config.RefSpec(spec)}
	err = l.git(w.git.Storer).PushContext(ctx, o)
	switch {
	case err == nil || isUpToDate(err):
		return nil
	case isRace(err):
		return fmt.Errorf("push to %s: %w", target.Short(), ErrStaleBase)
	case isDeclined(err):
		return refuse(v1alpha1.ReasonBranchProtected, "push to %s: the host declines: %s", target.Short(), l.clean(err))
	}
	return l.explain("push to", err)
}

// isRace knows the words that the library and hosts have for a branch that
// moved. On a shallow clone even the library only says "object not found".
func isRace(err error) bool {
	if errors.Is(err, plumbing.ErrObjectNotFound) || errors.Is(err, git.ErrNonFastForwardUpdate) {
		return true
	}
	text := err.Error()
	for _, words := range []string{"object not found", "non-fast-forward", "required to be", "reference already exists",
		"cannot lock ref", "failed to update ref", "fetch first", "stale info", "reference has changed"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

func isDeclined(err error) bool {
	text := err.Error()
	return strings.Contains(text, "hook declined") || strings.Contains(text, "protected branch") || strings.Contains(text, "prohibited")
}
