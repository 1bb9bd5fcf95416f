package git

import (
	"context"
	_ "embed" // the contract file
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/gitops/message"
	"github.com/kubernaut/kubernaut/gitops/repo"
	"github.com/kubernaut/kubernaut/gitops/signing"
)

//go:embed commit.yaml
var commitDocument string

// maxMessage is how much of a commit message is kept.
const maxMessage = 8 << 10

// committer is the same for all runs with one signing key, since the push knows
// our commits by it. A forge shows a signature as verified only if the key is
// that of the committer.
func committer(key *signing.Key) repo.Person {
	if key == nil || key.Mail == "" {
		return repo.Person{Name: "Kubernaut", Email: "kubernaut@noreply.kubernaut.ai"}
	}
	return repo.Person{Name: key.Name, Email: key.Mail}
}

// Commit commits what steps of the same run have changed.
func Commit() entry.Built { return entry.Built{Document: commitDocument, Action: commit{}} }

type commit struct{}

// Contract is the embedded document.
func (commit) Contract() contract.Contract { return contract.Must(commitDocument) }

// Run commits the noted files only. Time and text of the commit come from the
// run, so that a repetition, even on a fresh clone, makes the same commit.
func (commit) Run(_ context.Context, in contract.Values, env entry.Env) (contract.Values, error) {
	key, err := signing.FromDir(filepath.Join(env.Credentials, "signing"))
	if err != nil {
		return nil, err
	}
	at, err := findPlace(env, in)
	if err != nil {
		return nil, err
	}
	tree, err := at.open()
	if err != nil {
		return nil, err
	}
	n, err := at.notes()
	if err != nil {
		return nil, err
	}
	defer n.close()
	unlock, err := n.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	changes, err := n.edits()
	if err != nil {
		return nil, err
	}
	if len(changes) == 0 {
		return noCommit(tree, env)
	}
	note := describe(in, env, tree.Base(), changes)
	note.SHA, err = tree.CommitPaths(files(changes), signed(options(in, env, note), key))
	if errors.Is(err, repo.ErrNoChange) {
		return noCommit(tree, env)
	}
	if err != nil {
		return nil, err
	}
	env.Log.Info("commit", "sha", note.SHA, "signed", key != nil, "files", len(files(changes)), "cause", note.Cause)
	if err := n.write(commitNote, note); err != nil {
		return nil, err
	}
	return contract.Values{"changed": true, "commitSHA": note.SHA, "causeKey": note.Cause}, nil
}

func noCommit(tree *repo.Worktree, env entry.Env) (contract.Values, error) {
	head, err := tree.Head()
	if err != nil {
		return nil, fmt.Errorf("read clone: %w", err)
	}
	env.Log.Info("no change to commit")
	return contract.Values{"changed": false, "commitSHA": head, "causeKey": ""}, nil
}

func describe(in contract.Values, env entry.Env, base repo.Base, changes []edited) committed {
	cause := in.String("causeKey")
	if cause == "" {
		cause = message.Cause(placeOf(env.Facts, base, changes)...)
	}
	subject, _, _ := strings.Cut(strings.TrimSpace(in.String("message")), "\n")
	return committed{Subject: strings.TrimSpace(subject), Cause: cause, Marker: message.Marker(cause), Edits: changes}
}

// placeOf is where in the world a workflow changes something, without the new
// values: a later run that finds another value for the same place updates the
// pull request of the first, and one for another place opens its own.
func placeOf(facts entry.Facts, base repo.Base, changes []edited) []string {
	out := []string{base.URL, base.Branch, workflowName(facts)}
	var places []string
	for _, c := range changes {
		for _, e := range c.Edits {
			places = append(places, strings.Join([]string{c.File, c.Selector.Kind, c.Selector.Namespace, c.Selector.Name, e.Path}, "\x00"))
		}
	}
	slices.Sort(places)
	return append(out, slices.Compact(places)...)
}

func workflowName(facts entry.Facts) string {
	name, _, _ := strings.Cut(facts.Workflow, "@")
	return name
}

func files(changes []edited) []string {
	var out []string
	for _, c := range changes {
		out = append(out, path.Clean(c.File))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func options(in contract.Values, env entry.Env, note committed) repo.CommitOptions {
	text := strings.ToValidUTF8(in.String("message")[:min(len(in.String("message")), maxMessage)], "")
	_, body, _ := strings.Cut(strings.TrimSpace(text), "\n")
	trailers := []message.Trailer{
		{Key: "Kubernaut-Execution", Value: env.Facts.Execution},
		{Key: "Kubernaut-Workflow", Value: env.Facts.Workflow},
		{Key: "Kubernaut-Revision", Value: env.Facts.Revision},
		message.CauseTrailer(note.Cause),
	}
	name, mail, _ := strings.Cut(in.String("author"), " <")
	when := env.Facts.StartedAt
	if when.IsZero() {
		when = time.Now()
	}
	return repo.CommitOptions{
		Message: message.Commit(note.Subject, strings.TrimSpace(body), trailers...),
		Author:  repo.Person{Name: name, Email: strings.TrimSuffix(mail, ">")},
		When:    when.UTC(),
	}
}

// signed has a key, if there is one, sign the commit in its committer's name.
func signed(o repo.CommitOptions, key *signing.Key) repo.CommitOptions {
	o.Committer = committer(key)
	if key != nil {
		o.Signer = key.At(o.When)
	}
	return o
}
