// Package tree finds the one file of a folder that holds an object.
package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/edit"
	"github.com/kubernaut/kubernaut/internal/run"
)

const (
	// maxFiles bounds the files that are read; ten times what large
	// repositories of manifests have.
	maxFiles = 100_000
	// maxFile is how large the editor takes files.
	maxFile = 1 << 20
	// maxNamed is how many files a message lists.
	maxNamed = 5
)

// Find returns the name of the one file below a folder that has the selected
// document, and its content. Links, hidden folders and what is not called
// .yaml, .yml or .json are not looked at. It refuses to guess: where several
// files fit, the message names them. Errors that are no *run.Refusal come from
// reading.
func Find(files fs.FS, folder string, sel edit.Selector) (name string, content []byte, err error) {
	if sel.Kind == "" || sel.Name == "" {
		return "", nil, run.Refuse(v1alpha1.ReasonEditInvalid, "search in folder %s: wanted at least kind and name, found %s", folder, sel)
	}
	if !fs.ValidPath(path.Clean(folder)) {
		return "", nil, run.Refuse(v1alpha1.ReasonPathRefused, "folder %q is not a path inside the repository", folder)
	}
	s := search{files: files, sel: sel}
	if err := fs.WalkDir(files, path.Clean(folder), s.visit); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil, run.Refuse(v1alpha1.ReasonEditTargetNotFound, "folder %s is not in the repository", folder)
		}
		return "", nil, err
	}
	switch {
	case len(s.found) == 1:
		return s.found[0], s.content, nil
	case len(s.found) > 1:
		return "", nil, run.Refuse(v1alpha1.ReasonEditTargetAmbiguous, "folder %s has %s in %d files: %s: name one of them",
			folder, sel, len(s.found), strings.Join(s.found[:min(len(s.found), maxNamed)], ", "))
	case s.unread != nil:
		return "", nil, s.unread
	}
	return "", nil, run.Refuse(v1alpha1.ReasonEditTargetNotFound, "folder %s has no %s in its %d manifests", folder, sel, s.read)
}

type search struct {
	files   fs.FS
	sel     edit.Selector
	read    int
	found   []string
	content []byte
	// unread is why a file that speaks of the object could not be read.
	unread error
}

func (s *search) visit(name string, entry fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("look at %s: %w", name, err)
	case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && name != ".":
		return fs.SkipDir
	case !entry.Type().IsRegular():
		return nil
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return s.look(name)
	}
	return nil
}

func (s *search) look(name string) error {
	if s.read++; s.read > maxFiles {
		return run.Refuse(v1alpha1.ReasonEditUnsupported, "search for %s: more than %d manifests: name a smaller folder", s.sel, maxFiles)
	}
	content, err := read(s.files, name)
	if err != nil || !s.speaksOfIt(content) {
		return err
	}
	_, err = edit.Read(name, content, s.sel)
	refusal, refused := run.AsRefusal(err)
	switch {
	case err == nil, refused && refusal.Reason == v1alpha1.ReasonEditTargetAmbiguous:
		s.found = append(s.found, name)
		s.content = content
	case refused && refusal.Reason == v1alpha1.ReasonEditTargetNotFound:
	case refused && s.unread == nil:
		s.unread = err
	}
	return nil
}

// speaksOfIt is a quick look before a file is parsed, which takes a hundred
// times as long.
func (s *search) speaksOfIt(content []byte) bool {
	for _, word := range []string{s.sel.Name, s.sel.Kind, s.sel.Namespace, s.sel.APIVersion} {
		if !hasWord(content, []byte(word)) {
			return false
		}
	}
	return true
}

// hasWord finds a word that is not part of a longer name.
func hasWord(content, word []byte) bool {
	for at := 0; ; at++ {
		i := bytes.Index(content[at:], word)
		if i < 0 {
			return false
		}
		at += i
		end := at + len(word)
		if (at == 0 || !inName(content[at-1])) && (end == len(content) || !inName(content[end])) {
			return true
		}
	}
}

func inName(c byte) bool {
	return c == '-' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func read(files fs.FS, name string) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return content, nil
}
