package main

import (
	"github.com/kubernaut/kubernaut/actions/git"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/gitops/forge"
	"github.com/kubernaut/kubernaut/gitops/forge/gitea"
	"github.com/kubernaut/kubernaut/gitops/forge/github"
	"github.com/kubernaut/kubernaut/internal/run"
)

// forges lists the forges that this program can open pull requests on.
func forges(h git.Host) (forge.Forge, error) {
	client, err := forge.Trusting(h.Auth.CA())
	if err != nil {
		return nil, err
	}
	switch h.Kind {
	case forge.GitHub:
		return github.New(github.Options{APIURL: h.APIURL, Owner: h.Owner, Repo: h.Name, Token: h.Auth.Token(), Client: client})
	case forge.Gitea:
		o := gitea.Options{APIURL: h.APIURL, Owner: h.Owner, Repo: h.Name, Client: client}
		if h.Auth.Username() != "" {
			// A password that is a token works this way too.
			o.Username, o.Password = h.Auth.Username(), h.Auth.Token()
		} else {
			o.Token = h.Auth.Token()
		}
		return gitea.New(o)
	}
	return nil, run.Refuse(v1alpha1.ReasonInvalid, "open forge: unknown kind %q", h.Kind)
}
