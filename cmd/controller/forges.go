package main

import (
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/gitops/forge/gitea"
	"github.com/kubernaut/kubernaut/gitops/forge/github"
	"github.com/kubernaut/kubernaut/gitops/repo"
	"github.com/kubernaut/kubernaut/internal/run"
)

// forges makes the door to the pull requests of one repository.
func forges(provider, repository string, credentials map[string][]byte) (forge.Forge, error) {
	at, err := forge.ParseURL(repository)
	if err != nil {
		return nil, err
	}
	auth, err := repo.AuthFromSecret(credentials)
	if err != nil {
		return nil, err
	}
	client, err := forge.Trusting(auth.CA())
	if err != nil {
		return nil, err
	}
	switch provider {
	case forge.GitHub:
		return github.New(github.Options{APIURL: at.APIURL(provider), Owner: at.Owner, Repo: at.Name, Token: auth.Token(), Client: client})
	case forge.Gitea:
		return gitea.New(gitea.Options{APIURL: at.APIURL(provider), Owner: at.Owner, Repo: at.Name, Token: auth.Token(), Username: auth.Username(), Password: auth.Token(), Client: client})
	}
	return nil, run.Refuse(v1alpha1.ReasonInvalid, "provider %q is not known: want github or gitea", provider)
}
