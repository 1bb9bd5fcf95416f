// Package policies reads image policies, and what they name, from files and from
// a cluster.
package policies

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/internal/verify/rule"
)

// maxFile bounds what is read of a file, in bytes: an API server takes objects
// of 1.5 MiB, and a file may hold several.
const maxFile = 16 << 20

// ErrElsewhere ends a message about what only the cluster has.
var ErrElsewhere = errors.New("it is not in these files, so that the rest was not judged")

// Inputs are what policies are compiled from, and what they name besides.
type Inputs struct {
	policy.Inputs
	// Logins of a Secret that signatures are read with; see image.Options.
	Logins func(ctx context.Context, namespace, name string) ([]byte, error)
}

// found is what the files hold.
type found struct {
	in      Inputs
	secrets map[string]corev1.Secret
	maps    map[string]map[string]string
	// others lets objects of other kinds lie beside.
	others bool
}

// Files reads ClusterImagePolicy and TrustRoot objects from files, and the
// Secrets and ConfigMaps that they name from the same. Of a folder it reads all
// files that end with .yaml, .yml or .json, and leaves out other kinds.
func Files(names []string) (Inputs, error) {
	f := &found{secrets: map[string]corev1.Secret{}, maps: map[string]map[string]string{}}
	for _, name := range names {
		list, err := f.list(name)
		if err != nil {
			return Inputs{}, err
		}
		for _, file := range list {
			if err := f.read(file); err != nil {
				return Inputs{}, fmt.Errorf("read %s: %w", file, err)
			}
		}
	}
	f.in.Rules, f.in.Public = rule.Compile, &policy.Root{Public: true}
	f.in.Secrets = func(_, name string) (map[string][]byte, error) {
		secret, err := look(f.secrets, name)
		return secret.Data, err
	}
	f.in.Logins = func(_ context.Context, _, name string) ([]byte, error) {
		secret, err := look(f.secrets, name)
		if err != nil {
			return nil, run.Refuse(v1alpha1.ReasonPolicyUnusable, "%v", err)
		}
		return image.SecretLogins(string(secret.Type), secret.Data), nil
	}
	f.in.ConfigMaps = func(_, name string) (map[string]string, error) { return look(f.maps, name) }
	return f.in, nil
}

func (f *found) list(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	f.others = info.IsDir()
	if !f.others {
		return []string{name}, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, entry := range entries {
		if entry.Type().IsRegular() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(entry.Name())) {
			out = append(out, filepath.Join(name, entry.Name()))
		}
	}
	return out, nil
}

func look[V any](from map[string]V, name string) (V, error) {
	value, ok := from[name]
	if !ok {
		return value, ErrElsewhere
	}
	return value, nil
}

func (f *found) read(file string) error {
	data, err := os.Open(file)
	if err != nil {
		return err
	}
	defer data.Close()
	documents := utilyaml.NewYAMLReader(bufio.NewReader(io.LimitReader(data, maxFile)))
	for n := 1; ; n++ {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && len(bytes.TrimSpace(text)) > 0 {
			err = f.document(text)
		}
		if err != nil {
			return fmt.Errorf("document %d: %w", n, err)
		}
	}
}

func (f *found) document(text []byte) error {
	object, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	return f.add(object)
}

// add sorts objects by their kind; of a List, as kubectl prints it, its items.
func (f *found) add(object []byte) error {
	var o struct {
		Kind     string                `json:"kind"`
		Metadata struct{ Name string } `json:"metadata"`
		Items    []json.RawMessage     `json:"items"`
	}
	if err := json.Unmarshal(object, &o); err != nil {
		return err
	}
	switch o.Kind {
	case "ClusterImagePolicy":
		f.in.Policies = append(f.in.Policies, object)
	case "TrustRoot":
		f.in.TrustRoots = append(f.in.TrustRoots, object)
	case "Secret":
		return f.secret(object)
	case "ConfigMap":
		var m corev1.ConfigMap
		err := json.Unmarshal(object, &m)
		f.maps[m.Name] = m.Data
		return err
	case "List":
		for _, item := range o.Items {
			if err := f.add(item); err != nil {
				return err
			}
		}
	case "": // a comment alone
	default:
		if f.others {
			return nil
		}
		return fmt.Errorf("kind %s is not judged; take ClusterImagePolicy, TrustRoot, and the Secrets and ConfigMaps that they name", o.Kind)
	}
	return nil
}

func (f *found) secret(object []byte) error {
	var s corev1.Secret
	if err := json.Unmarshal(object, &s); err != nil {
		return err
	}
	if s.Data == nil {
		s.Data = map[string][]byte{}
	}
	for key, text := range s.StringData {
		s.Data[key] = []byte(text)
	}
	f.secrets[s.Name] = s
	return nil
}
