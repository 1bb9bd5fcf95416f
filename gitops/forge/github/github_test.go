package github_test

import (
	"testing"

	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/gitops/forge/github"
	"github.com/kubernaut/kubernaut/test/forgeserver"
)

func TestContract(t *testing.T) {
	forgeserver.Contract(t, func(t *testing.T, s *forgeserver.Server, token string) forge.Forge {
		f, err := github.New(github.Options{APIURL: s.URL, Owner: "octo", Repo: "app", Token: token})
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}
