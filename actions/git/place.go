// Package git clones a repository, changes files in it, commits and proposes the change.
package git

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/repo"
	"github.com/kubernaut/kubernaut/internal/run"
)

// defaultFolder holds the clone where the destination is the workspace itself,
// which cannot be a clone: it may hold what the volume came with.
const defaultFolder = "repo"

// place is one clone in the workspace and what our steps noted about it.
type place struct {
	workspace string
	// folder is one name; the clone is in it.
	folder string
}

// findPlace resolves the destination, which early workflows wrote as a full path.
func findPlace(env entry.Env, in contract.Values) (place, error) {
	info, err := os.Stat(env.Workspace)
	if err != nil || !info.IsDir() {
		return place{}, run.Refuse(v1alpha1.ReasonPreconditionFailed, "open workspace %s: there is none; set usesWorkspace on the step", env.Workspace)
	}
	folder := in.String("destination")
	if path.IsAbs(folder) {
		rest, inside := strings.CutPrefix(path.Clean(folder)+"/", path.Clean(env.Workspace)+"/")
		if folder = strings.TrimSuffix(rest, "/"); inside && folder == "" {
			folder = defaultFolder
		}
	}
	if strings.Contains(folder, "/") || strings.HasPrefix(folder, ".") {
		return place{}, run.Refuse(v1alpha1.ReasonInvalidParameters,
			"open destination %q: wanted one folder name, or a folder directly in %s", in.String("destination"), env.Workspace)
	}
	return place{workspace: env.Workspace, folder: folder}, nil
}

func (p place) dir() string { return filepath.Join(p.workspace, p.folder) }

// file resolves a path in the repository, which early workflows wrote as a full path.
func (p place) file(name string) string {
	if !path.IsAbs(name) {
		return path.Clean(name)
	}
	for _, prefix := range []string{p.dir(), p.workspace} {
		if rest, ok := strings.CutPrefix(path.Clean(name), path.Clean(prefix)+"/"); ok {
			return rest
		}
	}
	return name
}

// open finds the clone that git-clone made there.
func (p place) open() (*repo.Worktree, error) { return repo.OpenWorktree(p.dir()) }

// remote is the clone's origin with the mounted credentials.
func remote(env entry.Env, url string) (repo.Remote, error) {
	auth, err := credential(env, "git")
	if err != nil {
		return repo.Remote{}, err
	}
	return repo.Remote{URL: url, Auth: auth}, nil
}

func credential(env entry.Env, name string) (repo.Auth, error) {
	return repo.AuthFromDir(filepath.Join(env.Credentials, name))
}
