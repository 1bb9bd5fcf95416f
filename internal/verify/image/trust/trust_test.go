package trust

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

func logKey(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := cryptoutils.MarshalPublicKeyToPEM(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRootsFromWhatPoliciesName(t *testing.T) {
	s := sigstore.New(t)
	chain, err := cryptoutils.MarshalCertificatesToPEM(append(s.Root.FulcioCertificateAuthorities()[0].(*root.FulcioCertificateAuthority).Intermediates,
		s.Root.FulcioCertificateAuthorities()[0].(*root.FulcioCertificateAuthority).Root))
	if err != nil {
		t.Fatal(err)
	}
	keys := &policy.RootKeys{
		Authorities: []policy.RootAuthority{{URI: "https://ca.example.com", Chain: chain}}, Stamps: []policy.RootAuthority{{Chain: chain}},
		Logs:            []policy.RootLog{{BaseURL: "https://log.example.com", PublicKey: logKey(t)}, {PublicKey: logKey(t)}},
		CertificateLogs: []policy.RootLog{{BaseURL: "https://ct.example.com", PublicKey: logKey(t)}},
	}
	for name, from := range map[string]*policy.Root{"file": policy.TrustedRoot(s.RootJSON(t)), "keys": {Hash: "keys", Keys: keys}} {
		got, err := New(Options{}).Material(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.FulcioCertificateAuthorities()) != 1 || len(got.TimestampingAuthorities()) != 1 || len(got.RekorLogs()) < 2 {
			t.Errorf("%s: %d authorities, %d timestamp authorities, %d logs", name, len(got.FulcioCertificateAuthorities()), len(got.TimestampingAuthorities()), len(got.RekorLogs()))
		}
		for id, log := range got.RekorLogs() {
			if fmt.Sprintf("%x", log.ID) != id || log.ValidityPeriodStart.IsZero() {
				t.Errorf("%s: log %s is called %x and counts from %s", name, id, log.ID, log.ValidityPeriodStart)
			}
		}
	}
}

func TestRootsThatCannotBeUsed(t *testing.T) {
	for want, from := range map[string]*policy.Root{
		"the root of trust is empty":   {Hash: "a"},
		"read trusted root":            {Hash: "b", TrustedRoot: []byte("{")},
		"read certificate authority":   {Hash: "c", Keys: &policy.RootKeys{Authorities: []policy.RootAuthority{{Chain: []byte("x")}}}},
		"read timestamp authority":     {Hash: "d", Keys: &policy.RootKeys{Stamps: []policy.RootAuthority{{}}}},
		"read transparency log":        {Hash: "e", Keys: &policy.RootKeys{Logs: []policy.RootLog{{PublicKey: []byte("x")}}}},
		"read certificate log":         {Hash: "f", Keys: &policy.RootKeys{CertificateLogs: []policy.RootLog{{}}}},
		"unpack mirrorFS: unexpected":  {Hash: "g", Repository: &policy.RootRepository{Mirror: []byte("x")}},
		"unpack mirrorFS: more than 1": {Hash: "h", Repository: &policy.RootRepository{Mirror: packed(t, "big", make([]byte, maxCopy+1))}},
	} {
		_, err := New(Options{}).Material(t.Context(), from)
		var wrong *Unusable
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func packed(t testing.TB, name string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestNamesInACopy(t *testing.T) {
	for name, want := range map[string]string{
		"repository/1.root.json": "1.root.json", "./repository/targets/a": "targets/a", "targets/a": "targets/a", "../../etc/passwd": "etc/passwd", "mine/a": "targets/a",
	} {
		targets := "targets"
		if strings.HasPrefix(name, "mine") {
			targets = "mine"
		}
		if got := place(name, targets); got != want {
			t.Errorf("%s is at %s, want %s", name, got, want)
		}
	}
}

// A server that does not answer is no verdict, and is not asked at each call.
func TestServersThatDoNotAnswer(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	roots := New(Options{})
	from := &policy.Root{Hash: "a", Remote: &policy.RootRemote{Root: tuf.DefaultRoot(), Mirror: server.URL, Target: "trusted_root.json"}}
	for range 3 {
		_, err := roots.Material(t.Context(), from)
		var wrong *Unusable
		if err == nil || errors.As(err, &wrong) || !strings.Contains(err.Error(), server.URL) {
			t.Errorf("error %v, want one that is worth a retry", err)
		}
	}
	if n := asked.Load(); n == 0 || n > 2 {
		t.Errorf("%d requests", n)
	}
}

func TestWhoGivesUpDoesNotWait(t *testing.T) {
	held := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	defer server.Close()
	defer close(held)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	from := &policy.Root{Hash: "a", Remote: &policy.RootRemote{Root: tuf.DefaultRoot(), Mirror: server.URL, Target: "trusted_root.json"}}
	if _, err := New(Options{}).Material(ctx, from); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestAttack22_OldTimestamps(t *testing.T) {
	f := &fetcher{least: 7}
	for text, good := range map[string]bool{`{"signed":{"version":7}}`: true, `{"signed":{"version":8}}`: true, `{"signed":{"version":6}}`: false, `{}`: false, `[`: false} {
		if err := f.compare([]byte(text)); (err == nil) != good {
			t.Errorf("%s: error %v", text, err)
		}
	}
}

func FuzzTrustedRoot(f *testing.F) {
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := New(Options{}).guarded(&policy.Root{TrustedRoot: append([]byte{}, data...), Hash: "a"})
		if (got == nil) == (err == nil) {
			t.Errorf("material %v, error %v", got, err)
		}
	})
}
