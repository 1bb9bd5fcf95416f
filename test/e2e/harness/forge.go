package harness

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Pull is a pull request as the forge tells it to anybody.
type Pull struct {
	Number int64  `json:"number"`
	State  string `json:"state"`
	Merged bool   `json:"merged"`
	Title  string `json:"title"`
	Body   string `json:"body"`
	URL    string `json:"html_url"`
	Head   struct {
		Ref string `json:"ref"`
		SHA string `json:"sha"`
	} `json:"head"`
}

// errMissing is the forge's 404.
var errMissing = errors.New("not found on the forge")

// call asks the forge's API; in and out may be nil, out may be *string.
func (l *Lab) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, l.Forge.URL+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "token "+l.Forge.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s %s: %w", method, path, errMissing)
	case resp.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	if text, ok := out.(*string); ok {
		*text = string(answer)
		return nil
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func (l *Lab) repo(name string) string { return "/repos/" + l.Forge.User + "/" + name }

// CloneURL is where a repository is cloned from.
func (l *Lab) CloneURL(name string) string {
	return l.Forge.URL + "/" + l.Forge.User + "/" + name + ".git"
}

// NewRepo makes a repository anew; one of the same name is removed first.
func (l *Lab) NewRepo(ctx context.Context, name string, empty bool) error {
	if err := l.call(ctx, http.MethodDelete, l.repo(name), nil, nil); err != nil && !errors.Is(err, errMissing) {
		return err
	}
	return l.call(ctx, http.MethodPost, "/user/repos", map[string]any{"name": name, "auto_init": !empty, "default_branch": "main"}, nil)
}

// EnsureRepo makes a repository with a first commit if there is none.
func (l *Lab) EnsureRepo(ctx context.Context, name string) error {
	err := l.call(ctx, http.MethodGet, l.repo(name), nil, nil)
	if !errors.Is(err, errMissing) {
		return err
	}
	return l.NewRepo(ctx, name, false)
}

// File reads a file of a branch.
func (l *Lab) File(ctx context.Context, repo, branch, path string) (string, error) {
	var out string
	err := l.call(ctx, http.MethodGet, l.repo(repo)+"/raw/"+path+"?ref="+url.QueryEscape(branch), nil, &out)
	return out, err
}

// Commit writes files to a branch in one commit; a nil content deletes one.
func (l *Lab) Commit(ctx context.Context, repo, branch, message string, files map[string]*string) error {
	var changes []map[string]any
	for path, content := range files {
		var old struct {
			SHA string `json:"sha"`
		}
		err := l.call(ctx, http.MethodGet, l.repo(repo)+"/contents/"+path+"?ref="+url.QueryEscape(branch), nil, &old)
		if err != nil && !errors.Is(err, errMissing) {
			return err
		}
		change := map[string]any{"path": path, "operation": "create"}
		if err == nil {
			change["operation"], change["sha"] = "update", old.SHA
		}
		if content == nil {
			change["operation"] = "delete"
		} else {
			change["content"] = base64.StdEncoding.EncodeToString([]byte(*content))
		}
		changes = append(changes, change)
	}
	slices.SortFunc(changes, func(a, b map[string]any) int { return strings.Compare(a["path"].(string), b["path"].(string)) })
	return l.call(ctx, http.MethodPost, l.repo(repo)+"/contents", map[string]any{"branch": branch, "message": message, "files": changes}, nil)
}

// Text makes the content of a file for Commit.
func Text(s string) *string { return &s }

// Pulls lists all pull requests of a repository.
func (l *Lab) Pulls(ctx context.Context, repo string) ([]Pull, error) {
	var out []Pull
	err := l.call(ctx, http.MethodGet, l.repo(repo)+"/pulls?state=all&limit=50", nil, &out)
	return out, err
}

// Diff is a pull request's diff as the forge shows it.
func (l *Lab) Diff(ctx context.Context, repo string, number int64) (string, error) {
	var out string
	err := l.call(ctx, http.MethodGet, fmt.Sprintf("%s/pulls/%d.diff", l.repo(repo), number), nil, &out)
	return out, err
}

// Merge merges a pull request as a person would.
func (l *Lab) Merge(ctx context.Context, repo string, number int64) error {
	return Until(ctx, 20*time.Second, func(ctx context.Context) error { // the forge first checks whether it can
		return l.call(ctx, http.MethodPost, fmt.Sprintf("%s/pulls/%d/merge", l.repo(repo), number), map[string]string{"Do": "merge"}, nil)
	})
}

// Close closes a pull request without merging.
func (l *Lab) Close(ctx context.Context, repo string, number int64) error {
	return l.call(ctx, http.MethodPatch, fmt.Sprintf("%s/pulls/%d", l.repo(repo), number), map[string]string{"state": "closed"}, nil)
}

// Commits counts the commits of a branch.
func (l *Lab) Commits(ctx context.Context, repo, branch string) (int, error) {
	var out []struct {
		SHA string `json:"sha"`
	}
	err := l.call(ctx, http.MethodGet, l.repo(repo)+"/commits?limit=50&stat=false&sha="+url.QueryEscape(branch), nil, &out)
	return len(out), err
}

// Branches names all branches of a repository.
func (l *Lab) Branches(ctx context.Context, repo string) ([]string, error) {
	var list []struct {
		Name string `json:"name"`
	}
	err := l.call(ctx, http.MethodGet, l.repo(repo)+"/branches?limit=50", nil, &list)
	var out []string
	for _, b := range list {
		out = append(out, b.Name)
	}
	return out, err
}

// Verification is what the forge says of a commit's signature.
type Verification struct {
	Verified  bool   `json:"verified"`
	Reason    string `json:"reason"`
	Signature string `json:"signature"`
	Signer    struct {
		Email string `json:"email"`
	} `json:"signer"`
}

// Verification of the newest commit of a branch.
func (l *Lab) Verification(ctx context.Context, repo, branch string) (Verification, error) {
	var out []struct {
		Commit struct {
			Verification Verification `json:"verification"`
		} `json:"commit"`
	}
	err := l.call(ctx, http.MethodGet, l.repo(repo)+"/commits?limit=1&verification=true&sha="+url.QueryEscape(branch), nil, &out)
	if err != nil || len(out) == 0 {
		return Verification{}, fmt.Errorf("read the newest of %d commits of %s: %w", len(out), branch, err)
	}
	return out[0].Commit.Verification, nil
}

// Mail is the address of the forge's user.
func (l *Lab) Mail(ctx context.Context) (string, error) {
	var out struct {
		Email string `json:"email"`
	}
	err := l.call(ctx, http.MethodGet, "/user", nil, &out)
	return out.Email, err
}

// Signs tells the forge an OpenPGP key of its user, as armored text; forget takes
// it back.
func (l *Lab) Signs(ctx context.Context, public string) (forget func(context.Context) error, err error) {
	var made struct {
		ID int64 `json:"id"`
	}
	if err := l.call(ctx, http.MethodPost, "/user/gpg_keys", map[string]string{"armored_public_key": public}, &made); err != nil {
		return nil, fmt.Errorf("tell the forge a signing key: %w", err)
	}
	return func(ctx context.Context) error {
		return l.call(ctx, http.MethodDelete, fmt.Sprintf("/user/gpg_keys/%d", made.ID), nil, nil)
	}, nil
}
