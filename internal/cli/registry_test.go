package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/test/registry"
	"github.com/kubernaut/kubernaut/test/sigstore"
)

// serve gives a script a registry, at $REGISTRY, and what signing by identity
// asks, with the root of trust in trusted_root.json.
func serve(t *testing.T, s *testscript.Env) error {
	services := sigstore.New(t)
	s.Setenv("REGISTRY", registry.New(t, registry.Options{}).Host())
	s.Setenv("FULCIO", services.Fulcio)
	s.Setenv("REKOR", services.Rekor)
	s.Setenv("TSA", services.Timestamp)
	if err := os.WriteFile(filepath.Join(s.WorkDir, "trusted_root.json"), services.RootJSON(t), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.WorkDir, "token"), []byte(sigstore.Token("builder@example.com")+"\n"), 0o600)
}

// push is the command "push VARIABLE NAME [index]" of the scripts: it pushes an
// image, or an index of two, as NAME:v1 and puts name@digest into the variable;
// of an index, those of the images go into VARIABLE_0 and VARIABLE_1.
func push(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("want: push VARIABLE NAME [index]")
	}
	ref := ts.Getenv("REGISTRY") + "/" + args[1]
	door := image.New(image.Options{Insecure: []string{ts.Getenv("REGISTRY")}})
	index := v1.ImageIndex(empty.Index)
	for i, platform := range []string{"amd64", "arm64"} {
		img, err := image.Build(image.Spec{Files: []image.File{{Path: "/name", Content: []byte(args[1])}}, Architecture: platform})
		ts.Check(err)
		at, err := door.Push(context.Background(), ref+":v1", img)
		ts.Check(err)
		if len(args) == 2 {
			ts.Setenv(args[0], at.String())
			return
		}
		ts.Setenv(args[0]+"_"+string(rune('0'+i)), at.String())
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: platform}}})
	}
	tag, err := name.NewTag(ref + ":v1")
	ts.Check(err)
	ts.Check(remote.WriteIndex(tag, index))
	digest, err := index.Digest()
	ts.Check(err)
	ts.Setenv(args[0], ref+"@"+digest.String())
}

// trust is the command "policy FILE NAME KEY" of the scripts: it writes a policy
// that trusts a public key for the images $REGISTRY/NAME.
func trust(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("want: policy FILE NAME KEY")
	}
	data, err := json.Marshal(map[string]any{
		"apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy", "metadata": map[string]any{"name": "trusted"},
		"spec": map[string]any{
			"images":      []any{map[string]any{"glob": ts.Getenv("REGISTRY") + "/" + args[1]}},
			"authorities": []any{map[string]any{"name": "us", "key": map[string]any{"data": ts.ReadFile(args[2])}}},
		},
	})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

// expand is the command "expand FILE..." of the scripts: it puts in the values of
// variables.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range args {
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(os.Expand(ts.ReadFile(file), ts.Getenv)), 0o600))
	}
}

// exits is the command "exits CODE" of the scripts: how the last call ended.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if got := strconv.Itoa(ts.Value(clusterKey{}).(*cluster).code); len(args) != 1 || got != args[0] {
		ts.Fatalf("the last call ended with %s, want %v", got, args)
	}
}
