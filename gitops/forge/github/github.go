// Package github reaches the pull requests of a GitHub repository.
package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/kubernaut/kubernaut/gitops/forge"
)

// Options of one repository's door.
type Options struct {
	// APIURL ends in a slash, "https://api.github.com/".
	APIURL string
	// Owner and Repo name the repository.
	Owner, Repo string
	// Token with the right to write pull requests.
	Token string
	// Client for transport; nil means the default one. It is bounded anyway.
	Client *http.Client
}

// Forge is one repository on GitHub.
type Forge struct {
	client      *github.Client
	owner, repo string
}

// New returns the door to a repository. Nothing is sent before the first call.
func New(o Options) (*Forge, error) {
	base, err := url.Parse(strings.TrimSuffix(o.APIURL, "/") + "/")
	if err != nil {
		return nil, fmt.Errorf("read the address of GitHub's API: %w", err)
	}
	c := github.NewClient(forge.Client(o.Client))
	if o.Token != "" {
		c = c.WithAuthToken(o.Token)
	}
	c.BaseURL = base
	return &Forge{client: c, owner: o.Owner, repo: o.Repo}, nil
}

func (f *Forge) failed(what string, resp *github.Response, err error) error {
	var answer *http.Response
	if resp != nil {
		answer = resp.Response
	}
	return forge.Classify(what+" in "+f.owner+"/"+f.repo, answer, err, time.Now())
}

// Find asks for the pull requests of a head branch, open ones first.
func (f *Forge) Find(ctx context.Context, key forge.Key) (forge.Pull, error) {
	for _, state := range []string{"open", "closed"} {
		pull, err := f.search(ctx, state, key)
		if !errors.Is(err, forge.ErrNotFound) {
			return pull, err
		}
	}
	return forge.Pull{}, forge.ErrNotFound
}

func (f *Forge) search(ctx context.Context, state string, key forge.Key) (forge.Pull, error) {
	list, resp, err := f.client.PullRequests.List(ctx, f.owner, f.repo, &github.PullRequestListOptions{
		State: state, Head: f.owner + ":" + key.Head, Base: key.Base, Sort: "updated", Direction: "desc", ListOptions: github.ListOptions{PerPage: 10},
	})
	if err != nil {
		return forge.Pull{}, f.failed("list pull requests", resp, err)
	}
	for _, pr := range list {
		if p := pullOf(pr); p.Head == key.Head && p.Base == key.Base {
			return p, nil
		}
	}
	return forge.Pull{}, forge.ErrNotFound
}

// Get reads one pull request.
func (f *Forge) Get(ctx context.Context, id forge.ID) (forge.Pull, error) {
	pr, resp, err := f.client.PullRequests.Get(ctx, f.owner, f.repo, int(id))
	if err != nil {
		return forge.Pull{}, f.failed("read a pull request", resp, err)
	}
	return pullOf(pr), nil
}

// Open creates the pull request, or returns the open one of the same key.
func (f *Forge) Open(ctx context.Context, p forge.Proposal) (forge.Pull, error) {
	if found, err := f.search(ctx, "open", p.Key); !errors.Is(err, forge.ErrNotFound) {
		return found, err
	}
	pr, resp, err := f.client.PullRequests.Create(ctx, f.owner, f.repo, &github.NewPullRequest{
		Title: &p.Title, Head: &p.Head, Base: &p.Base, Body: &p.Body, MaintainerCanModify: github.Bool(true),
	})
	if err != nil && resp != nil && resp.StatusCode == http.StatusUnprocessableEntity {
		if found, again := f.search(ctx, "open", p.Key); again == nil {
			return found, nil // somebody was faster
		}
	}
	if err != nil {
		return forge.Pull{}, f.failed("open a pull request from "+p.Head+" to "+p.Base, resp, err)
	}
	if len(p.Labels) > 0 {
		if _, resp, err := f.client.Issues.AddLabelsToIssue(ctx, f.owner, f.repo, pr.GetNumber(), p.Labels); err != nil {
			return forge.Pull{}, f.failed("label a pull request", resp, err)
		}
	}
	return pullOf(pr), nil
}

// Update makes title and body equal to p.
func (f *Forge) Update(ctx context.Context, id forge.ID, p forge.Proposal) (forge.Pull, error) {
	pr, resp, err := f.client.PullRequests.Edit(ctx, f.owner, f.repo, int(id), &github.PullRequest{Title: &p.Title, Body: &p.Body})
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
	if _, resp, err := f.client.Issues.CreateComment(ctx, f.owner, f.repo, int(id), &github.IssueComment{Body: &why}); err != nil {
		return f.failed("comment on a pull request", resp, err)
	}
	if _, resp, err := f.client.PullRequests.Edit(ctx, f.owner, f.repo, int(id), &github.PullRequest{State: github.String("closed")}); err != nil {
		return f.failed("close a pull request", resp, err)
	}
	return nil
}

func pullOf(pr *github.PullRequest) forge.Pull {
	p := forge.Pull{
		ID: forge.ID(pr.GetNumber()), URL: pr.GetHTMLURL(), Title: pr.GetTitle(), Body: pr.GetBody(), State: forge.Open,
		Head: pr.GetHead().GetRef(), HeadSHA: pr.GetHead().GetSHA(), Base: pr.GetBase().GetRef(),
		Author: pr.GetUser().GetLogin(), UpdatedAt: pr.GetUpdatedAt().Time,
	}
	switch {
	case !pr.GetMergedAt().IsZero():
		p.State, p.MergeSHA = forge.Merged, pr.GetMergeCommitSHA()
	case pr.GetState() == "closed":
		p.State = forge.Closed
	}
	return p
}
