package forge

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Kinds of forges.
const (
	GitHub = "github"
	Gitea  = "gitea"
)

// Location is where a repository lives.
type Location struct {
	// Scheme is http or https; a repository that is cloned over ssh has its API
	// on https.
	Scheme string
	// Host with its port, if it has one that is not ssh's.
	Host string
	// Owner and Name of the repository.
	Owner, Name string
}

// ParseURL reads the URL of a repository, "https://host/owner/name.git" or
// "ssh://git@host/owner/name". Credentials in it are refused.
func ParseURL(text string) (Location, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Location{}, run.Refuse(v1alpha1.ReasonInvalid, "the repository's URL cannot be read: want https://host/owner/name")
	}
	l := Location{Scheme: u.Scheme, Host: u.Host}
	switch u.Scheme {
	case "http", "https":
		if u.User != nil {
			return Location{}, run.Refuse(v1alpha1.ReasonInvalid, "the repository's URL on %s carries credentials: put them into a Secret", u.Host)
		}
	case "ssh":
		l.Scheme, l.Host = "https", u.Hostname()
	default:
		return Location{}, run.Refuse(v1alpha1.ReasonInvalid, "the repository's URL has scheme %q: want https, http or ssh", u.Scheme)
	}
	parts := strings.Split(strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git"), "/")
	if len(parts) != 2 || !isName(parts[0]) || !isName(parts[1]) || l.Host == "" {
		return Location{}, run.Refuse(v1alpha1.ReasonInvalid, "the repository's URL on %s has path %q: want /owner/name", u.Host, u.Path)
	}
	l.Owner, l.Name = parts[0], parts[1]
	return l, nil
}

// isName keeps what is put into an API's path from changing the path.
func isName(s string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$|^\.[A-Za-z0-9_-][A-Za-z0-9._-]*$`).MatchString(s)
}

// Kind guesses which API the host speaks: GitHub's for github.com and hosts
// named after it, else Gitea's.
func (l Location) Kind() string {
	if l.Host == "github.com" || strings.HasPrefix(l.Host, "github.") {
		return GitHub
	}
	return Gitea
}

// APIURL returns the address of the API of a kind of forge.
func (l Location) APIURL(kind string) string {
	switch {
	case kind == GitHub && l.Host == "github.com":
		return "https://api.github.com/"
	case kind == GitHub:
		return l.Scheme + "://" + l.Host + "/api/v3/"
	}
	return l.Scheme + "://" + l.Host
}
