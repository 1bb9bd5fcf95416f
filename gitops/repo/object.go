package repo

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

const maxFiles = 200_000

// Commit is one commit with what a check of its signature needs.
type Commit struct {
	// Hash is the SHA-1 in hex; Author and Committer are "name <email>".
	Hash, Author, Committer, Message string
	// Signature is the armored PGP or SSH signature, empty if unsigned.
	Signature string
	// Encoded is the commit object exactly as signed: without the signature.
	Encoded []byte
}

// readCommit takes the object apart byte by byte. A library's decode and
// encode would drop headers it does not know, and with them the signature's truth.
func readCommit(store storage.Storer, hash plumbing.Hash) (Commit, error) {
	obj, err := store.EncodedObject(plumbing.CommitObject, hash)
	if err != nil {
		return Commit{}, fmt.Errorf("read commit %s: %w", hash, err)
	}
	raw, err := readObject(obj)
	if err != nil {
		return Commit{}, err
	}
	c := parseCommit(string(raw))
	c.Hash = hash.String()
	return c, nil
}

// parseCommit splits the signature from a raw commit object as Git does:
// headers gpgsig and gpgsig-sha256 with their continuation lines are not signed.
func parseCommit(raw string) Commit {
	var c Commit
	var signed, signature strings.Builder
	head, message, hasMessage := strings.Cut(raw, "\n\n")
	if hasMessage {
		head += "\n"
	}
	current := ""
	for _, l := range strings.SplitAfter(head, "\n") {
		if !strings.HasPrefix(l, " ") {
			current, _, _ = strings.Cut(l, " ")
		}
		switch current {
		case "gpgsig":
			signature.WriteString(strings.TrimPrefix(strings.TrimPrefix(l, "gpgsig"), " "))
		case "gpgsig-sha256":
		default:
			signed.WriteString(l)
		}
		if current == "author" && c.Author == "" {
			c.Author = person(l)
		}
		if current == "committer" && c.Committer == "" {
			c.Committer = person(l)
		}
	}
	c.Message, c.Signature = message, signature.String()
	if hasMessage {
		signed.WriteString("\n" + message)
	}
	c.Encoded = []byte(signed.String())
	return c
}

// person returns "name <email>" of an author or committer header.
func person(header string) string {
	_, rest, _ := strings.Cut(header, " ")
	if end := strings.LastIndex(rest, ">"); end >= 0 {
		rest = rest[:end+1]
	}
	return strings.TrimSpace(rest)
}

// writeTree writes the files of a commit below dir, through a root handle so
// that no link can lead a write elsewhere.
func writeTree(ctx context.Context, store storage.Storer, hash plumbing.Hash, dir string, limit *budget) error {
	commit, err := object.GetCommit(store, hash)
	if err != nil {
		return fmt.Errorf("read commit: %w", err)
	}
	tree, err := commit.Tree()
	if err != nil {
		return fmt.Errorf("read tree: %w", err)
	}
	if err = os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("create directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer func() { _ = root.Close() }()
	count := 0
	return tree.Files().ForEach(func(f *object.File) error {
		if count++; count > maxFiles {
			return errTooLarge
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := limit.spend(int(f.Size)); err != nil {
			return err
		}
		return writeFile(root, f)
	})
}

func writeFile(root *os.Root, f *object.File) error {
	if err := plainPath(f.Name); err != nil {
		return err
	}
	if dir := path.Dir(f.Name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("create %s: %w", dir, err)
		}
	}
	r, err := f.Reader()
	if err != nil {
		return fmt.Errorf("read %s: %w", f.Name, err)
	}
	defer func() { _ = r.Close() }()
	if f.Mode == filemode.Symlink {
		target, err := io.ReadAll(io.LimitReader(r, 4096))
		if err != nil {
			return fmt.Errorf("read link %s: %w", f.Name, err)
		}
		return root.Symlink(string(target), f.Name)
	}
	mode := os.FileMode(0o644)
	if f.Mode == filemode.Executable {
		mode = 0o755
	}
	out, err := root.OpenFile(f.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("create %s: %w", f.Name, err)
	}
	_, err = io.Copy(out, r)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", f.Name, err)
	}
	return nil
}

// plainPath refuses names that leave the tree or reach Git's own files.
func plainPath(name string) error {
	bad := name == "" || path.IsAbs(name) || path.Clean(name) != name || name == "." || strings.ContainsAny(name, "\\\x00")
	for _, part := range strings.Split(name, "/") {
		p := strings.TrimRight(strings.ToLower(part), ". ")
		bad = bad || part == ".." || p == ".git" || p == "git~1"
	}
	if bad {
		return refuse(v1alpha1.ReasonPathRefused, "path %q is not a plain relative path inside the repository", name)
	}
	return nil
}
