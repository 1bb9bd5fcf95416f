package cluster

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

func TestConfigure(t *testing.T) {
	c := Cluster{Place: &place.Place{State: t.TempDir()}}
	if err := c.Configure(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(c.Place.State, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(data), "%!") {
			t.Errorf("%s was not filled in:\n%s", path, data)
		}
		var parsed map[string]any
		switch {
		case strings.HasSuffix(path, "yaml"), strings.HasSuffix(path, "kubeconfig"):
			err = yaml.UnmarshalStrict(data, &parsed)
		case strings.HasSuffix(path, "conflist"):
			err = json.Unmarshal(data, &parsed)
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile(c.Place.Path("certs.d", place.Registry, "hosts.toml"))
	if err != nil || !strings.Contains(string(data), `[host."http://10.88.0.1:5000"]`) {
		t.Errorf("the registry: %s, %v", data, err)
	}
}

func TestComponents(t *testing.T) {
	c := Cluster{Place: &place.Place{State: "/state"}, Bin: "/bin", CoreDNS: "/coredns"}
	names, ports := map[string]bool{}, map[string]string{}
	for _, p := range c.Components() {
		if names[p.Name] || p.Path == "" || p.Ready == nil {
			t.Errorf("component %+v", p)
		}
		names[p.Name] = true
		for _, port := range p.Ports {
			if other := ports[port]; other != "" {
				t.Errorf("%s and %s both listen on %s", other, p.Name, port)
			}
			ports[port] = p.Name
		}
	}
}

func TestEtcdAdvice(t *testing.T) {
	for log, advised := range map[string]bool{
		`{"level":"panic","msg":"failed to recover v3 backend from snapshot"}`: true, "walpb: crc mismatch": true, "bind: address already in use": false, "": false,
	} {
		if got := etcdAdvice(log); (got != "") != advised {
			t.Errorf("%q: %q", log, got)
		}
	}
}
