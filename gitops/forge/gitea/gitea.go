// Package gitea reaches the pull requests of a Gitea or Forgejo repository.
package gitea

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"code.gitea.io/sdk/gitea"

	"github.com/kubernaut/kubernaut/gitops/forge"
)

// Options of one repository's door.
type Options struct {
	// APIURL is the forge's address, "https://git.example.com".
	APIURL string
	// Owner and Repo name the repository.
	Owner, Repo string
	// Token, or Username and Password.
	Token, Username, Password string
	// Client for transport; nil means the default one. It is bounded anyway.
	Client *http.Client
}

// maxPages bounds the search for a pull request that has ended: beyond 500 of
// them a new one is opened.
const maxPages = 10

// Forge is one repository on Gitea.
type Forge struct{ options Options }

// New returns the door to a repository. Nothing is sent before the first call.
func New(o Options) (*Forge, error) {
	o.Client = forge.Client(o.Client)
	return &Forge{options: o}, nil
}

// client makes an API client for one call, which then ends with its context.
func (f *Forge) client(ctx context.Context) (*gitea.Client, error) {
	o := []gitea.ClientOption{gitea.SetContext(ctx), gitea.SetHTTPClient(f.options.Client), gitea.SetGiteaVersion("")}
	switch {
	case f.options.Username != "" && f.options.Password != "":
		o = append(o, gitea.SetBasicAuth(f.options.Username, f.options.Password))
	case f.options.Token != "":
		o = append(o, gitea.SetToken(f.options.Token))
	}
	return gitea.NewClient(f.options.APIURL, o...)
}

func (f *Forge) failed(what string, resp *gitea.Response, err error) error {
	var answer *http.Response
	if resp != nil {
		answer = resp.Response
	}
	return forge.Classify(what+" in "+f.options.Owner+"/"+f.options.Repo, answer, err, time.Now())
}

// Find looks through the newest pull requests, open ones first.
func (f *Forge) Find(ctx context.Context, key forge.Key) (forge.Pull, error) {
	for _, state := range []gitea.StateType{gitea.StateOpen, gitea.StateClosed} {
		pull, err := f.search(ctx, state, key)
		if !errors.Is(err, forge.ErrNotFound) {
			return pull, err
		}
	}
	return forge.Pull{}, forge.ErrNotFound
}

func (f *Forge) search(ctx context.Context, state gitea.StateType, key forge.Key) (forge.Pull, error) {
	c, err := f.client(ctx)
	if err != nil {
		return forge.Pull{}, err
	}
	for page := 1; page <= maxPages; page++ {
		list, resp, err := c.ListRepoPullRequests(f.options.Owner, f.options.Repo,
			gitea.ListPullRequestsOptions{ListOptions: gitea.ListOptions{Page: page, PageSize: 50}, State: state, Sort: "recentupdate"})
		if err != nil {
			return forge.Pull{}, f.failed("list pull requests", resp, err)
		}
		for _, pr := range list {
			if p := pullOf(pr); own(pr) && p.Head == key.Head && p.Base == key.Base {
				return p, nil
			}
		}
		if len(list) == 0 {
			break
		}
	}
	return forge.Pull{}, forge.ErrNotFound
}

// Get reads one pull request.
func (f *Forge) Get(ctx context.Context, id forge.ID) (forge.Pull, error) {
	c, err := f.client(ctx)
	if err != nil {
		return forge.Pull{}, err
	}
	pr, resp, err := c.GetPullRequest(f.options.Owner, f.options.Repo, int64(id))
	if err != nil {
		return forge.Pull{}, f.failed("read a pull request", resp, err)
	}
	return pullOf(pr), nil
}

// Open creates the pull request, or returns the open one of the same key.
func (f *Forge) Open(ctx context.Context, p forge.Proposal) (forge.Pull, error) {
	if found, err := f.search(ctx, gitea.StateOpen, p.Key); !errors.Is(err, forge.ErrNotFound) {
		return found, err
	}
	c, err := f.client(ctx)
	if err != nil {
		return forge.Pull{}, err
	}
	labels, err := f.labels(c, p.Labels)
	if err != nil {
		return forge.Pull{}, err
	}
	pr, resp, err := c.CreatePullRequest(f.options.Owner, f.options.Repo,
		gitea.CreatePullRequestOption{Head: p.Head, Base: p.Base, Title: p.Title, Body: p.Body, Labels: labels})
	if err != nil && resp != nil && resp.Response != nil && resp.StatusCode == http.StatusConflict {
		return f.search(ctx, gitea.StateOpen, p.Key) // somebody was faster
	}
	if err != nil {
		return forge.Pull{}, f.failed("open a pull request from "+p.Head+" to "+p.Base, resp, err)
	}
	return pullOf(pr), nil
}

// labels finds the numbers of labels by name and creates the missing ones.
func (f *Forge) labels(c *gitea.Client, names []string) ([]int64, error) {
	if len(names) == 0 {
		return nil, nil
	}
	known, err := f.known(c)
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, name := range names {
		if _, ok := known[name]; !ok {
			l, resp, err := c.CreateLabel(f.options.Owner, f.options.Repo, gitea.CreateLabelOption{Name: name, Color: "#0e8a16"})
			if err != nil {
				return nil, f.failed("create label "+name, resp, err)
			}
			known[name] = l.ID
		}
		out = append(out, known[name])
	}
	return out, nil
}

// known reads the repository's labels by name. Beyond maxPages a label is
// created again, which the forge takes.
func (f *Forge) known(c *gitea.Client) (map[string]int64, error) {
	out := map[string]int64{}
	for page := 1; page <= maxPages; page++ {
		list, resp, err := c.ListRepoLabels(f.options.Owner, f.options.Repo, gitea.ListLabelsOptions{ListOptions: gitea.ListOptions{Page: page, PageSize: 50}})
		if err != nil {
			return nil, f.failed("list labels", resp, err)
		}
		for _, l := range list {
			out[l.Name] = l.ID
		}
		if len(list) == 0 {
			break
		}
	}
	return out, nil
}

// Update makes title and body equal to p.
func (f *Forge) Update(ctx context.Context, id forge.ID, p forge.Proposal) (forge.Pull, error) {
	c, err := f.client(ctx)
	if err != nil {
		return forge.Pull{}, err
	}
	pr, resp, err := c.EditPullRequest(f.options.Owner, f.options.Repo, int64(id), gitea.EditPullRequestOption{Title: p.Title, Body: &p.Body})
	if err != nil {
		return forge.Pull{}, f.failed("update a pull request", resp, err)
	}
	return pullOf(pr), nil
}

// Close says why in a comment and closes; a closed one is left as it is.
func (f *Forge) Close(ctx context.Context, id forge.ID, why string) error {
	pull, err := f.Get(ctx, id)
	if err != nil || pull.State != forge.Open {
		return err
	}
	c, err := f.client(ctx)
	if err != nil {
		return err
	}
	if _, resp, err := c.CreateIssueComment(f.options.Owner, f.options.Repo, int64(id), gitea.CreateIssueCommentOption{Body: why}); err != nil {
		return f.failed("comment on a pull request", resp, err)
	}
	closed := gitea.StateClosed
	if _, resp, err := c.EditPullRequest(f.options.Owner, f.options.Repo, int64(id), gitea.EditPullRequestOption{State: &closed}); err != nil {
		return f.failed("close a pull request", resp, err)
	}
	return nil
}

// own says whether the head branch is the repository's own. Anybody may name a
// branch of a fork as ours are named. The repository is compared by number; a
// fork that was deleted has none that is the base's.
func own(pr *gitea.PullRequest) bool {
	return pr.Head != nil && pr.Base != nil && pr.Head.RepoID != 0 && pr.Head.RepoID == pr.Base.RepoID
}

func pullOf(pr *gitea.PullRequest) forge.Pull {
	p := forge.Pull{ID: forge.ID(pr.Index), URL: pr.HTMLURL, Title: pr.Title, Body: pr.Body, State: forge.Open}
	switch {
	case pr.HasMerged:
		p.State = forge.Merged
	case pr.State == gitea.StateClosed:
		p.State = forge.Closed
	}
	if pr.Head != nil {
		p.Head, p.HeadSHA = pr.Head.Ref, pr.Head.Sha
		if strings.HasPrefix(p.Head, "refs/pull/") {
			p.Head = pr.Head.Name // the branch is gone
		}
	}
	if pr.Base != nil {
		p.Base = pr.Base.Ref
	}
	if pr.MergedCommitID != nil && p.State == forge.Merged {
		p.MergeSHA = *pr.MergedCommitID
	}
	if pr.Poster != nil {
		p.Author = pr.Poster.UserName
	}
	if pr.Updated != nil {
		p.UpdatedAt = *pr.Updated
	}
	return p
}
