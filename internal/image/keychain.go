package image

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
)

// maxConfig bounds a file of logins; Kubernetes bounds a Secret alike.
const maxConfig = 1 << 20

// DockerConfig returns the logins that docker or podman keep for the user who
// runs this process. It is meant for the command line.
func DockerConfig() authn.Keychain { return authn.DefaultKeychain }

// ConfigFile returns what reads the docker config.json at path: each time anew,
// because a mounted Secret changes. It reads it once to say at once what is
// wrong. Credential helpers are refused: none is ever started, and some hand a
// cloud token to look-alike host names.
func ConfigFile(path string) (func() ([]byte, error), error) {
	read := func() ([]byte, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read registry logins: %w", err)
		}
		defer file.Close()
		data, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
		if err != nil {
			return nil, fmt.Errorf("read registry logins: %w", err)
		}
		if len(data) > maxConfig {
			return nil, fmt.Errorf("read registry logins: %s has more than %d bytes", path, maxConfig)
		}
		return data, nil
	}
	data, err := read()
	if err != nil {
		return nil, err
	}
	var config struct {
		Auths       map[string]json.RawMessage
		CredHelpers map[string]string
		CredsStore  string
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return nil, fmt.Errorf("registry logins %s are no docker config.json: %w", path, err)
	}
	if len(config.CredHelpers) > 0 || config.CredsStore != "" {
		return nil, fmt.Errorf("registry logins %s name credential helpers, which are not started: write the logins into auths", path)
	}
	return read, nil
}

// SecretLogins returns the logins in a Secret of either kind that the kubelet
// pulls with, as a dockerconfigjson document; nothing for a Secret without.
func SecretLogins(kind string, data map[string][]byte) []byte {
	if old := data[".dockercfg"]; kind == "kubernetes.io/dockercfg" && len(old) > 0 {
		return slices.Concat([]byte(`{"auths":`), old, []byte("}"))
	}
	return data[".dockerconfigjson"]
}

// logins are the entries of dockerconfigjson documents, longest name first.
type logins []login

// login is an entry: host labels may be patterns, and a path is a prefix.
type login struct {
	name, port, path string
	host             []string
	auth             authn.AuthConfig
}

// pullSecrets makes a keychain that matches as the kubelet does, so that what
// can be pulled can be verified. There are no cloud helpers on purpose: some
// hand a cloud token to look-alike host names.
func pullSecrets(documents [][]byte) (authn.Keychain, error) {
	var all logins
	for _, d := range documents {
		if len(d) == 0 {
			continue
		}
		var config struct {
			Auths map[string]authn.AuthConfig
		}
		if err := json.Unmarshal(d, &config); err != nil {
			return nil, fmt.Errorf("parse logins: %w", err)
		}
		for name, auth := range config.Auths {
			one, err := newLogin(name)
			if err != nil {
				return nil, err
			}
			// What Auth holds in base64 was split into user and password.
			auth.Auth = ""
			one.auth = auth
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b login) int { return cmp.Compare(b.name, a.name) })
	return all, nil
}

func newLogin(name string) (login, error) {
	if !strings.HasPrefix(name, "https://") && !strings.HasPrefix(name, "http://") {
		name = "https://" + name
	}
	at, err := url.Parse(name)
	if err != nil {
		return login{}, fmt.Errorf("parse logins: entry %q is no address: %w", name, err)
	}
	path := at.Path
	// Docker once wrote the version of the API behind the host.
	if strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/v2/") {
		path = path[len("/v1"):]
	}
	path = strings.TrimPrefix(path, "/")
	return login{name: at.Host + "/" + path, port: at.Port(), path: path, host: strings.Split(at.Hostname(), ".")}, nil
}

// Resolve returns the first login that fits, or none.
func (l logins) Resolve(target authn.Resource) (authn.Authenticator, error) {
	registry, repository, _ := strings.Cut(target.String(), "/")
	at := url.URL{Host: registry}
	host := strings.Split(at.Hostname(), ".")
	for _, one := range l {
		if one.port == at.Port() && one.fits(host) && strings.HasPrefix(repository, one.path) {
			return authn.FromConfig(one.auth), nil
		}
	}
	return authn.Anonymous, nil
}

// fits compares label by label: a pattern never reaches over a dot.
func (l login) fits(host []string) bool {
	if len(l.host) != len(host) {
		return false
	}
	for i, pattern := range l.host {
		if ok, err := filepath.Match(pattern, host[i]); err != nil || !ok {
			return false
		}
	}
	return true
}
