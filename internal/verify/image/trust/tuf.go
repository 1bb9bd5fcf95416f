package trust

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

const (
	// maxCopy bounds what a copy of a repository unpacks to; Sigstore's public one
	// has less than a megabyte.
	maxCopy = 16 << 20
	// maxFiles of a copy.
	maxFiles = 1024
	// copyFolder is where Policy Controller expects a repository in its archive.
	copyFolder = "repository/"
)

// update follows a TUF repository from the first root to today's, in memory. TUF
// itself refuses what has expired.
func update(o *tuf.Options, target string) (root.TrustedMaterial, error) {
	o.DisableLocalCache = true
	client, err := tuf.New(o)
	if err != nil {
		return nil, fmt.Errorf("update root of trust from %s: %w", o.RepositoryBaseURL, err)
	}
	text, err := client.GetTarget(target)
	if err != nil {
		return nil, fmt.Errorf("read %s of the root of trust at %s: %w", target, o.RepositoryBaseURL, err)
	}
	return fromJSON(text)
}

// fetcher reads files from a server.
type fetcher struct {
	ctx    context.Context
	client *http.Client
	// least version of the timestamp that is taken, version what was found.
	least, version int64
}

// DownloadFile returns a file of at most limit bytes.
func (f *fetcher) DownloadFile(address string, limit int64, _ time.Duration) ([]byte, error) {
	request, err := http.NewRequestWithContext(f.ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: answer.StatusCode, URL: address}
	}
	data, err := readBounded(answer.Body, limit)
	if err == nil && path.Base(request.URL.Path) == "timestamp.json" {
		err = f.compare(data)
	}
	return data, err
}

// compare refuses an older timestamp than was seen before: TUF would, if it
// kept files on a disk. That somebody signed it is checked afterwards.
func (f *fetcher) compare(timestamp []byte) error {
	var t struct {
		Signed struct {
			Version int64 `json:"version"`
		} `json:"signed"`
	}
	if err := json.Unmarshal(timestamp, &t); err != nil {
		return fmt.Errorf("parse timestamp.json: %w", err)
	}
	if f.version = t.Signed.Version; f.version < f.least {
		return fmt.Errorf("timestamp.json has version %d, and %d was seen before: the server gives out an old state", f.version, f.least)
	}
	return nil
}

func readBounded(from io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &metadata.ErrDownloadLengthMismatch{Msg: fmt.Sprintf("more than %d bytes", limit)}
	}
	return data, nil
}

// files are a repository in memory.
type files map[string][]byte

// DownloadFile returns a file of at most limit bytes.
func (f files) DownloadFile(address string, limit int64, _ time.Duration) ([]byte, error) {
	at, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	data, found := f[strings.TrimPrefix(path.Clean(at.Path), "/")]
	if !found {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: http.StatusNotFound, URL: address}
	}
	return readBounded(bytes.NewReader(data), limit)
}

// unpack reads an archive; names in it are keys and no places on a disk.
func unpack(from *policy.RootRepository) (files, error) {
	zipped, err := gzip.NewReader(bytes.NewReader(from.Mirror))
	if err != nil {
		return nil, fmt.Errorf("unpack mirrorFS: %w", err)
	}
	archive := tar.NewReader(io.LimitReader(zipped, 2*maxCopy))
	all, left := files{}, int64(maxCopy)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("unpack mirrorFS: %w", err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(archive, left+1))
		if err != nil {
			return nil, fmt.Errorf("unpack mirrorFS: read %s: %w", header.Name, err)
		}
		if left -= int64(len(data)); left < 0 || len(all) == maxFiles {
			return nil, fmt.Errorf("unpack mirrorFS: more than %d bytes or %d files", maxCopy, maxFiles)
		}
		all[place(header.Name, from.Targets)] = data
	}
}

// place is the path below the repository; targets may have a folder of another
// name there than TUF's.
func place(name, targets string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	name = strings.TrimPrefix(name, copyFolder)
	if rest, found := strings.CutPrefix(name, targets+"/"); found {
		return "targets/" + rest
	}
	return name
}
