package kinds_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/gitops/edit/kinds"
)

func TestCheckKnowsTheTypesOfFields(t *testing.T) {
	for object, want := range map[string]string{
		`{"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": "3"}}`:                                                                       "spec.replicas of a Deployment: wanted int32, found string",
		`{"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3.5}}`:                                                                       "spec.replicas",
		`{"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"resources": {"limits": {"memory": "lots"}}}]}}}}`: "quantities",
		`{"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": 1}}`:                                                                                      "data",
		`{"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3, "new": {}}}`:                                                              "",
		`{"apiVersion": "example.com/v1", "kind": "Deployment", "spec": {"replicas": "3"}}`:                                                                "",
		`[1]`: "",
	} {
		var v any
		if err := json.Unmarshal([]byte(object), &v); err != nil {
			t.Fatal(err)
		}
		err := kinds.Check(v)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", object, err, want)
		}
	}
}

func TestFieldsSayHowTheyAreMerged(t *testing.T) {
	for path, want := range map[string]string{
		"spec.template.spec.containers":              "merged by name",
		"spec.template.spec.containers.env":          "merged by name",
		"spec.template.spec.containers.ports":        "merged by containerPort",
		"spec.template.spec.containers.volumeMounts": "merged by mountPath",
		"spec.template.spec.containers.args":         "replaced",
		"spec.template.spec.tolerations":             "replaced",
		"metadata.finalizers":                        "merged by ",
		"metadata.labels":                            "replaced",
		"metadata.labels.x":                          "replaced",
		"spec.nothing":                               "unknown",
	} {
		at, _ := kinds.Of("apps/v1", "Deployment")
		merged, key := false, ""
		for _, name := range strings.Split(path, ".") {
			at, merged, key = at.Field(name)
		}
		got := "replaced"
		if merged {
			got = "merged by " + key
		} else if at == (kinds.Type{}) {
			got = "unknown"
		}
		if got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if _, known := kinds.Of("apps/v2", "Deployment"); known {
		t.Error("a kind that does not exist is known")
	}
}
