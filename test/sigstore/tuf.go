package sigstore

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Repository is a TUF repository with one key for all roles.
type Repository struct {
	key  ed25519.PrivateKey
	name *metadata.Key
}

// State is what the repository says at one time.
type State struct {
	// Roots is the version of the newest root, Version that of all the rest.
	Roots, Version int64
	// Expires is when the timestamp does; a day later if zero. The rest is good
	// for a year.
	Expires time.Time
	// Target and Content are the one file in it.
	Target  string
	Content []byte
}

// NewRepository makes the key.
func NewRepository(t testing.TB) *Repository {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name, err := metadata.KeyFromPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &Repository{key: key, name: name}
}

// Files are the repository's by their path, such as "1.root.json".
func (r *Repository) Files(t testing.TB, s State) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	year := time.Now().AddDate(1, 0, 0)
	for version := int64(1); version <= s.Roots; version++ {
		root := metadata.Root(year)
		root.Signed.Version, root.Signed.ConsistentSnapshot = version, true
		for _, role := range metadata.TOP_LEVEL_ROLE_NAMES {
			if err := root.Signed.AddKey(r.name, role); err != nil {
				t.Fatal(err)
			}
		}
		files[fmt.Sprintf("%d.root.json", version)] = sealed(t, r, root)
	}
	file, err := metadata.TargetFile().FromBytes(s.Target, s.Content, "sha256")
	if err != nil {
		t.Fatal(err)
	}
	targets := metadata.Targets(year)
	targets.Signed.Version, targets.Signed.Targets[s.Target] = s.Version, file
	snapshot := metadata.Snapshot(year)
	snapshot.Signed.Version, snapshot.Signed.Meta["targets.json"] = s.Version, metadata.MetaFile(s.Version)
	expires := s.Expires
	if expires.IsZero() {
		expires = time.Now().Add(24 * time.Hour)
	}
	timestamp := metadata.Timestamp(expires)
	timestamp.Signed.Version, timestamp.Signed.Meta["snapshot.json"] = s.Version, metadata.MetaFile(s.Version)
	files["timestamp.json"] = sealed(t, r, timestamp)
	files[fmt.Sprintf("%d.snapshot.json", s.Version)] = sealed(t, r, snapshot)
	files[fmt.Sprintf("%d.targets.json", s.Version)] = sealed(t, r, targets)
	files["targets/"+hex.EncodeToString(file.Hashes["sha256"])+"."+s.Target] = s.Content
	return files
}

// Packed are files as Policy Controller takes a copy of a repository: a gzipped
// tar file with one folder.
func Packed(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for name, data := range files {
		if err := archive.WriteHeader(&tar.Header{Name: "repository/" + name, Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// sealed signs a document of the repository.
func sealed[T metadata.Roles](t testing.TB, r *Repository, document *metadata.Metadata[T]) []byte {
	t.Helper()
	signer, err := signature.LoadSigner(r.key, crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	_, err = document.Sign(signer)
	text, encoding := document.ToBytes(false)
	if err := errors.Join(err, encoding); err != nil {
		t.Fatal(err)
	}
	return text
}
