package git

import (
	"context"
	_ "embed" // the contract file
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/gitops/message"
	"github.com/kubernaut/kubernaut/gitops/repo"
	"github.com/kubernaut/kubernaut/internal/run"
)

//go:embed propose.yaml
var proposeDocument string

// noChange is the state of a run that had nothing to propose.
const noChange = "NoChange"

// Host is one repository on a forge and the way to its API.
type Host struct {
	// Kind is forge.GitHub or forge.Gitea.
	Kind   string
	APIURL string
	// Owner and Name of the repository.
	Owner, Name string
	Auth        repo.Auth
}

// Forges makes the client for a host. The main program chooses what it knows.
type Forges func(Host) (forge.Forge, error)

// CreatePR pushes the commit of a run and proposes it. Without forges, as for
// somebody who only reads the contract, it refuses to run.
func CreatePR(forges Forges) entry.Built {
	return entry.Built{Document: proposeDocument, Action: createPR{forges}}
}

type createPR struct{ forges Forges }

// Contract is the embedded document.
func (createPR) Contract() contract.Contract { return contract.Must(proposeDocument) }

// Run pushes and proposes. It reads before it writes at every point, so a
// repetition finds the branch and the pull request of the first try.
func (a createPR) Run(ctx context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	c, err := a.prepare(in, env)
	if err != nil {
		return nil, err
	}
	if c.note.SHA == "" {
		env.Log.Info("no change to propose")
		return c.outputs(noChange, false, forge.Pull{}), nil
	}
	if err := c.build(in); err != nil {
		return nil, err
	}
	if a.forges == nil {
		return nil, run.Refuse(v1alpha1.ReasonInvalid, "open pull request: this program knows no forge")
	}
	f, err := a.forges(c.host)
	if err != nil {
		return nil, fmt.Errorf("open forge: %w", err)
	}
	return c.propose(ctx, f)
}

// change is one commit on its way to a pull request.
type change struct {
	env      entry.Env
	tree     *repo.Worktree
	base     repo.Base
	head     string
	note     committed
	host     Host
	patch    string
	proposal forge.Proposal
}

// prepare reads everything that is there already and refuses what contradicts
// the inputs.
func (a createPR) prepare(in contract.Values, env entry.Env) (*change, error) {
	at, err := findPlace(env, in)
	if err != nil {
		return nil, err
	}
	c := &change{env: env}
	if c.tree, err = at.open(); err != nil {
		return nil, err
	}
	c.base = c.tree.Base()
	if c.head, err = c.tree.Head(); err != nil {
		return nil, fmt.Errorf("read clone: %w", err)
	}
	n, err := at.notes()
	if err != nil {
		return nil, err
	}
	defer n.close()
	if _, err := n.read(commitNote, &c.note); err != nil {
		return nil, err
	}
	if err := c.agree(in); err != nil {
		return nil, err
	}
	c.host, err = findHost(in, env, c.base.URL)
	return c, err
}

// agree refuses inputs that contradict the clone and its commit.
func (c *change) agree(in contract.Values) error {
	refuse := func(name, found, want string) error {
		return run.Refuse(v1alpha1.ReasonInvalidParameters, "check inputs.%s: found %q, wanted %q as before in this run", name, found, want)
	}
	if c.note.SHA != "" && c.note.SHA != c.head {
		return run.Refuse(v1alpha1.ReasonPreconditionFailed, "read clone: it is at commit %s and git-commit made %s", c.head, c.note.SHA)
	}
	if v := in.String("repository"); v != "" && plainURL(v) != plainURL(c.base.URL) {
		return refuse("repository", "another URL", c.base.URL)
	}
	if v := in.String("base"); v != "" && v != c.base.Branch {
		return refuse("base", v, c.base.Branch)
	}
	if v := in.String("causeKey"); v != "" && c.note.SHA != "" && v != c.note.Cause {
		return refuse("causeKey", v, c.note.Cause)
	}
	return nil
}

func plainURL(s string) string {
	return strings.TrimSuffix(strings.TrimSuffix(s, "/"), ".git")
}

// findHost says which API the credentials go to. An address of its own must be
// on the repository's host, or anybody who may write a workflow could have the
// token sent to himself.
func findHost(in contract.Values, env entry.Env, repository string) (Host, error) {
	at, err := forge.ParseURL(repository)
	if err != nil {
		return Host{}, err
	}
	kind := in.String("provider")
	if kind == "auto" {
		kind = at.Kind()
	}
	h := Host{Kind: kind, APIURL: at.APIURL(kind), Owner: at.Owner, Name: at.Name}
	if given := in.String("apiURL"); given != "" {
		if !sameSite(given, at) {
			return Host{}, run.Refuse(v1alpha1.ReasonInvalidParameters,
				"check inputs.apiURL: found %q, wanted an address on the repository's host %s by %s", given, at.Host, at.Scheme)
		}
		h.APIURL = given
	}
	if h.Auth, err = credential(env, "forge"); err != nil {
		return Host{}, err
	}
	if h.Auth.Token() == "" {
		h.Auth, err = credential(env, "git")
	}
	return h, err
}

func sameSite(api string, at forge.Location) bool {
	u, err := url.Parse(api)
	if err != nil || u.User != nil || (u.Scheme != "https" && u.Scheme != at.Scheme) {
		return false
	}
	host := (&url.URL{Host: at.Host}).Hostname()
	return u.Hostname() == host || u.Hostname() == "api."+host
}

// build composes what the pull request shall say.
func (c *change) build(in contract.Values) error {
	labels, err := in.Strings("labels")
	if err != nil {
		return run.Refuse(v1alpha1.ReasonInvalidParameters, "check inputs: %v", err)
	}
	diff, err := c.tree.DiffBase()
	if err != nil {
		return fmt.Errorf("compare commit with its base: %w", err)
	}
	title := in.String("title")
	if title == "" {
		title = c.note.Subject
	}
	branch := in.String("branch")
	if branch == "" {
		branch = message.Branch(workflowName(c.env.Facts), c.base.Branch, c.note.Cause)
	}
	c.patch = patchHash(c.note.Edits)
	c.proposal = forge.Proposal{
		Key:     forge.Key{Head: branch, Base: c.base.Branch, Cause: c.note.Cause},
		Title:   message.Title(title),
		Body:    message.Body(c.text(in.String("body"), diff)),
		Labels:  labels,
		HeadSHA: c.head,
	}
	return nil
}

// patchHash is the same for every run that wants the same values in the same
// places, whatever commit it starts from.
func patchHash(changes []edited) string {
	var parts [][]byte
	for _, c := range changes {
		for _, e := range c.Edits {
			for _, s := range []string{c.File, c.Selector.Kind, c.Selector.Namespace, c.Selector.Name, e.Path, e.New} {
				parts = append(parts, []byte(s))
			}
		}
	}
	return digest(parts...)
}

func (c *change) text(more string, diff repo.Diff) message.Proposal {
	facts := c.env.Facts
	workflow, version, _ := strings.Cut(facts.Workflow, "@")
	p := message.Proposal{
		Summary:   c.note.Subject,
		Why:       strings.TrimSpace(facts.Reason + "\n\n" + more),
		Diff:      diff.Unified(),
		Workflow:  message.Workflow{Name: workflow, Version: version, Revision: facts.Revision, Hash: facts.WorkflowHash},
		Execution: facts.Execution,
		Commit:    c.head,
		Metadata: message.Metadata{Schema: 1, Cause: c.note.Cause, RunUID: facts.UID, WorkflowHash: facts.WorkflowHash,
			BaseSHA: c.base.SHA, PatchHash: c.patch},
	}
	for _, f := range c.note.Edits {
		for _, e := range f.Edits {
			p.Changes = append(p.Changes, message.Change{File: f.File, Path: e.Path, Old: e.Old, New: e.New})
		}
	}
	for _, s := range facts.Provenance {
		p.Steps = append(p.Steps, message.Step{Name: s.Step, Image: s.Image})
	}
	return p
}

// proposeRounds bounds how often a run begins again because somebody merged,
// closed or pushed meanwhile. Each round that is lost means that another has
// won, so three are more than two runs and a person can need.
const proposeRounds = 3

// propose makes branch and pull request what they should be, and believes so
// only when it has read it after the last write: branch and pull request live
// in two systems, and no write covers both.
func (c *change) propose(ctx context.Context, f forge.Forge) (contract.Values, error) {
	from, err := remote(c.env, c.base.URL)
	if err != nil {
		return nil, err
	}
	for range proposeRounds {
		there, err := c.find(ctx, f)
		if err != nil {
			return nil, err
		}
		if out, err := c.settled(there); out != nil || err != nil {
			return out, err
		}
		pushed, err := c.tree.Push(ctx, from, repo.PushOptions{Branch: c.proposal.Head, Marker: c.note.Marker})
		if err != nil {
			return nil, err
		}
		c.env.Log.Info("pushed", "branch", pushed.Branch, "sha", pushed.SHA, "updated", pushed.Updated, "baseMoved", pushed.BaseMoved)
		if there, err = c.write(ctx, f); err != nil {
			return nil, err
		}
		stands, err := c.stands(ctx, f, from, there.ID)
		if err != nil {
			return nil, err
		}
		if stands {
			c.env.Log.Info("proposed", "number", int64(there.ID), "url", there.URL)
			return c.outputs(string(forge.Open), true, there), nil
		}
		c.env.Log.Info("branch or pull request changed meanwhile: looking again", "number", int64(there.ID), "url", there.URL)
	}
	return nil, fmt.Errorf("propose commit %s: branch %s or its pull request was changed by others %d times while it was written; nothing of theirs was lost, run again",
		c.head, c.proposal.Head, proposeRounds)
}

// find is the pull request of this branch, without State if there is none.
func (c *change) find(ctx context.Context, f forge.Forge) (forge.Pull, error) {
	there, err := f.Find(ctx, c.proposal.Key)
	if errors.Is(err, forge.ErrNotFound) {
		return forge.Pull{}, nil
	}
	if err != nil {
		return forge.Pull{}, fmt.Errorf("find pull request: %w", err)
	}
	return there, nil
}

// write opens the pull request unless it is open, and makes an open one, which
// may be another run's and tell of an earlier commit, say what it should.
func (c *change) write(ctx context.Context, f forge.Forge) (forge.Pull, error) {
	there, err := c.find(ctx, f)
	if err != nil {
		return there, err
	}
	if there.State != forge.Open {
		if there, err = f.Open(ctx, c.proposal); err != nil {
			return there, fmt.Errorf("open pull request: %w", err)
		}
	}
	if c.told(there) {
		return there, nil
	}
	if there, err = f.Update(ctx, there.ID, c.proposal); err != nil {
		return there, fmt.Errorf("update pull request: %w", err)
	}
	return there, nil
}

// stands says whether the open pull request tells of the commit that its
// branch has. The branch is asked last: who pushes after that writes the text
// after that too.
func (c *change) stands(ctx context.Context, f forge.Forge, from repo.Remote, id forge.ID) (bool, error) {
	there, err := f.Get(ctx, id)
	if err != nil {
		return false, fmt.Errorf("read pull request %d: %w", id, err)
	}
	if there.State != forge.Open || !c.told(there) {
		return false, nil
	}
	return c.tree.Stands(ctx, from, c.proposal.Head)
}

// told says whether a pull request has the text that it should.
func (c *change) told(there forge.Pull) bool {
	return there.Title == c.proposal.Title && unixLines(there.Body) == unixLines(c.proposal.Body)
}

func unixLines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// settled says whether the pull request that is there needs nothing more; nil
// if it does.
func (c *change) settled(there forge.Pull) (contract.Values, error) {
	meta, ours := message.ParseMetadata(there.Body)
	switch {
	case there.State == forge.Merged && there.HeadSHA == c.head:
		return c.outputs(string(forge.Merged), false, there), nil
	case there.State == forge.Closed && there.HeadSHA == c.head:
		return nil, run.Refuse(v1alpha1.ReasonClosed, "open pull request: %s proposed this very commit and was closed by a person", there.URL)
	case there.State == forge.Open && ours && meta.Cause == c.note.Cause && meta.PatchHash == c.patch && strings.Contains(there.Body, there.HeadSHA):
		// The same values in the same places are proposed already. The body names
		// the branch's tip, so both were written by one run to its end.
		c.env.Log.Info("the same change is proposed already", "number", int64(there.ID), "url", there.URL)
		c.head = there.HeadSHA
		return c.outputs(string(forge.Open), meta.RunUID != "" && meta.RunUID == c.env.Facts.UID, there), nil
	}
	return nil, nil
}

func (c *change) outputs(state string, changed bool, pull forge.Pull) contract.Values {
	return contract.Values{
		"changed":    changed,
		"state":      state,
		"prNumber":   int64(pull.ID),
		"prURL":      pull.URL,
		"repository": c.base.URL,
		"provider":   c.host.Kind,
		"base":       c.base.Branch,
		"branch":     c.proposal.Head,
		"causeKey":   c.note.Cause,
		"headSHA":    c.head,
	}
}
