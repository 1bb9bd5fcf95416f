package repo

import (
	"os"
	"sync/atomic"

	"github.com/go-git/go-billy/v5"
)

// budget counts what may still be written to disk, shared by all files of one
// clone, so that a hostile or huge repository cannot fill the volume.
type budget struct{ left atomic.Int64 }

func newBudget(n int64) *budget {
	b := &budget{}
	b.left.Store(n)
	return b
}

func (b *budget) spend(n int) error {
	if b.left.Add(-int64(n)) < 0 {
		return errTooLarge
	}
	return nil
}

// limited is a file system whose files spend a budget.
type limited struct {
	billy.Filesystem
	budget *budget
}

func (l limited) wrap(f billy.File, err error) (billy.File, error) {
	if err != nil {
		return nil, err
	}
	return limitedFile{f, l.budget}, nil
}

func (l limited) Create(name string) (billy.File, error) { return l.wrap(l.Filesystem.Create(name)) }

func (l limited) OpenFile(name string, flag int, perm os.FileMode) (billy.File, error) {
	return l.wrap(l.Filesystem.OpenFile(name, flag, perm))
}

func (l limited) TempFile(dir, prefix string) (billy.File, error) {
	return l.wrap(l.Filesystem.TempFile(dir, prefix))
}

func (l limited) Chroot(path string) (billy.Filesystem, error) {
	fs, err := l.Filesystem.Chroot(path)
	if err != nil {
		return nil, err
	}
	return limited{fs, l.budget}, nil
}

type limitedFile struct {
	billy.File
	budget *budget
}

func (f limitedFile) Write(p []byte) (int, error) {
	if err := f.budget.spend(len(p)); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}
