package rights

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExceeding(t *testing.T) {
	ceiling := []Rule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "patch"}},
		{APIGroups: []string{""}, Resources: []string{"*"}, Verbs: []string{"*"}},
	}
	for name, c := range map[string]struct {
		want []Rule
		out  []string
	}{
		"within":              {[]Rule{{[]string{"apps"}, []string{"deployments"}, []string{"get", "patch"}}}, nil},
		"other verb":          {[]Rule{{[]string{"apps"}, []string{"deployments"}, []string{"get", "delete"}}}, []string{`delete deployments in group "apps"`}},
		"subresource":         {[]Rule{{[]string{"apps"}, []string{"deployments/scale"}, []string{"get"}}}, []string{`get deployments/scale in group "apps"`}},
		"wildcard asked":      {[]Rule{{[]string{"apps"}, []string{"deployments"}, []string{"*"}}}, []string{`* deployments in group "apps"`}},
		"wildcard in ceiling": {[]Rule{{[]string{""}, []string{"secrets"}, []string{"get"}}}, []string{`get secrets in group ""`}},
		"nothing asked":       {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.out, Exceeding(c.want, ceiling)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if out := Exceeding(Default(), Default()); out != nil {
		t.Errorf("the default ceiling exceeds itself: %v", out)
	}
}
