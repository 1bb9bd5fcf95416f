package git

import (
	"context"
	_ "embed" // the contract file
	"time"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/gitops/repo"
)

//go:embed clone.yaml
var cloneDocument string

// Clone brings a branch of a repository into the workspace.
func Clone() entry.Built { return entry.Built{Document: cloneDocument, Action: clone{}} }

type clone struct{}

// Contract is the embedded document.
func (clone) Contract() contract.Contract { return contract.Must(cloneDocument) }

// Run clones and forgets what was noted about an earlier clone.
func (clone) Run(ctx context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	began := time.Now()
	at, err := findPlace(env, in)
	if err != nil {
		return nil, err
	}
	from, err := remote(env, in.String("repository"))
	if err != nil {
		return nil, err
	}
	n, err := at.notes()
	if err != nil {
		return nil, err
	}
	defer n.close()
	if err := n.clear(); err != nil {
		return nil, err
	}
	tree, err := repo.Clone(ctx, from, at.dir(), repo.CloneOptions{Branch: in.String("branch")})
	if err != nil {
		return nil, err
	}
	base := tree.Base()
	// Not before: a URL with a password in it is refused by Clone.
	env.Log.Info("cloned", "repository", base.URL, "branch", base.Branch, "commit", base.SHA, "access", from.Auth.String())
	return contract.Values{
		"changed":     true,
		"commitSHA":   base.SHA,
		"branch":      base.Branch,
		"repository":  base.URL,
		"destination": at.folder,
		"cloneTime":   time.Since(began).Round(time.Millisecond).String(),
	}, nil
}
