package git

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/kubernaut/kubernaut/gitops/edit"
)

// Our notes about a clone stand beside it in the workspace, where no commit can
// catch them.
const (
	notesFolder = ".kubernaut/git"
	commitNote  = "commit.json"
	lockFile    = "lock"
	maxNote     = 4 << 20
)

// edited is the note about one file that one step changed.
type edited struct {
	File     string        `json:"file"`
	Selector edit.Selector `json:"selector"`
	// Before and After are hashes of the file's content.
	Before string      `json:"before"`
	After  string      `json:"after"`
	Edits  []edit.Edit `json:"edits"`
	Diff   string      `json:"diff"`
}

// committed is the note about the commit of a run.
type committed struct {
	SHA     string `json:"sha"`
	Subject string `json:"subject"`
	Cause   string `json:"cause"`
	// Marker is the line by which the push knows our own commits.
	Marker string   `json:"marker"`
	Edits  []edited `json:"edits"`
}

// notes is the folder with the notes about one clone.
type notes struct{ root *os.Root }

func (p place) notes() (*notes, error) {
	workspace, err := os.OpenRoot(p.workspace)
	if err != nil {
		return nil, fmt.Errorf("open workspace: %w", err)
	}
	defer workspace.Close()
	folder := notesFolder + "/" + p.folder
	if err := workspace.MkdirAll(folder, 0o777); err != nil {
		return nil, fmt.Errorf("create folder for notes: %w", err)
	}
	root, err := workspace.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("open folder for notes: %w", err)
	}
	return &notes{root}, nil
}

func (n *notes) close() { _ = n.root.Close() }

// lock keeps steps that run at the same time from writing over each other. The
// system gives it back when the process ends, however it ends.
func (n *notes) lock() (unlock func(), err error) {
	file, err := n.root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("take lock: %w", err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

// clear forgets everything, since a new clone has nothing of ours.
func (n *notes) clear() error {
	names, err := n.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := n.root.Remove(name); err != nil {
			return fmt.Errorf("remove note: %w", err)
		}
	}
	return nil
}

func (n *notes) names() ([]string, error) {
	dir, err := n.root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("open notes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list notes: %w", err)
	}
	slices.Sort(names)
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".json") }), nil
}

// write replaces a note in one step, so that a reader finds the old or the new.
func (n *notes) write(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode note: %w", err)
	}
	if err := n.root.WriteFile(name+".new", raw, 0o666); err != nil {
		return fmt.Errorf("write note: %w", err)
	}
	if err := n.root.Rename(name+".new", name); err != nil {
		return fmt.Errorf("replace note: %w", err)
	}
	return nil
}

// read says whether there is such a note.
func (n *notes) read(name string, v any) (bool, error) {
	file, err := n.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open note: %w", err)
	}
	defer file.Close()
	if err := json.NewDecoder(io.LimitReader(file, maxNote)).Decode(v); err != nil {
		return false, fmt.Errorf("read note %s: %w", name, err)
	}
	return true, nil
}

// edits lists what the steps of this run changed, in a fixed order.
func (n *notes) edits() ([]edited, error) {
	names, err := n.names()
	if err != nil {
		return nil, err
	}
	var out []edited
	for _, name := range names {
		var e edited
		if !strings.HasPrefix(name, "edit-") {
			continue
		}
		if _, err := n.read(name, &e); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// editNote names the note of one call, so that its repetition finds it again.
func editNote(step, file string, request []byte) string {
	return "edit-" + digest([]byte(step), []byte(file), request)[:16] + ".json"
}

func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}
