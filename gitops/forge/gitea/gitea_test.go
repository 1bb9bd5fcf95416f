package gitea_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/gitops/forge/forgetest"
	"github.com/kubernaut/kubernaut/gitops/forge/gitea"
	"github.com/kubernaut/kubernaut/test/forgeserver"
)

func TestContract(t *testing.T) {
	forgeserver.Contract(t, func(t *testing.T, s *forgeserver.Server, token string) forge.Forge {
		f, err := gitea.New(gitea.Options{APIURL: s.URL, Owner: "octo", Repo: "app", Token: token})
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}

// TestLabelOnALaterPage: a repository with many labels gets no second one of
// the same name.
func TestLabelOnALaterPage(t *testing.T) {
	s := forgeserver.New(t, "token")
	for i := range 120 {
		s.Label(fmt.Sprintf("area-%d", i))
	}
	s.Label("remediation")
	f, err := gitea.New(gitea.Options{APIURL: s.URL, Owner: "octo", Repo: "app", Token: "token"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(t.Context(), forgetest.Proposal("fix/one")); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Labels()); n != 121 || !slices.Equal(s.Pulls()[0].Labels, []string{"remediation"}) {
		t.Errorf("%d labels, and the pull request has %v", n, s.Pulls()[0].Labels)
	}
}
