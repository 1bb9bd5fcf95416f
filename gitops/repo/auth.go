package repo

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

const maxCredential = 1 << 20

// Auth holds credentials in the keys that Flux's Secrets have. It prints as
// nothing but its kind.
type Auth struct {
	username, password, bearer string
	identity, knownHosts       []byte
	ca, cert, key              []byte
}

// authKeys are the files that AuthFromDir reads.
func authKeys() []string {
	return []string{"username", "password", "bearerToken", "identity", "known_hosts",
		"ca.crt", "tls.crt", "tls.key", "caFile", "certFile", "keyFile"}
}

// AuthFromSecret reads a Secret's data: username and password, bearerToken, or
// identity and known_hosts (password is then the key's passphrase); besides
// ca.crt, tls.crt and tls.key. Other keys are ignored; no keys give anonymous
// access. Half a pair is a Refusal.
func AuthFromSecret(data map[string][]byte) (Auth, error) {
	a := Auth{
		username: line(data["username"]), password: line(data["password"]), bearer: line(data["bearerToken"]),
		identity: data["identity"], knownHosts: data["known_hosts"],
		ca: either(data, "ca.crt", "caFile"), cert: either(data, "tls.crt", "certFile"), key: either(data, "tls.key", "keyFile"),
	}
	switch {
	case len(a.identity) > 0 && len(a.knownHosts) == 0:
		return Auth{}, refuse(v1alpha1.ReasonInvalid, "credentials have identity but no known_hosts: the host could not be told from an impostor")
	case a.username != "" && a.password == "", a.username == "" && a.password != "" && len(a.identity) == 0:
		return Auth{}, refuse(v1alpha1.ReasonInvalid, "credentials need both username and password")
	case a.username != "" && a.bearer != "":
		return Auth{}, refuse(v1alpha1.ReasonInvalid, "credentials have username and bearerToken: keep one")
	case (len(a.cert) > 0) != (len(a.key) > 0):
		return Auth{}, refuse(v1alpha1.ReasonInvalid, "credentials need both tls.crt and tls.key")
	}
	return a, nil
}

// AuthFromDir reads the same keys from a directory with one file per key, as
// a Secret is mounted. A directory that does not exist gives anonymous access.
func AuthFromDir(dir string) (Auth, error) {
	data := map[string][]byte{}
	if dir == "" {
		return Auth{}, nil
	}
	for _, key := range authKeys() {
		content, err := readBounded(filepath.Join(dir, key), maxCredential)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return Auth{}, fmt.Errorf("read credential %s: %w", key, err)
		}
		data[key] = content
	}
	return AuthFromSecret(data)
}

// Token returns what a forge's API takes as a token: the bearer token or the
// password; empty if there is neither. Beside an SSH key the password is the
// key's passphrase, which no forge may ever see. It leaves this package for no
// other purpose.
func (a Auth) Token() string {
	if a.bearer != "" {
		return a.bearer
	}
	if len(a.identity) > 0 {
		return ""
	}
	return a.password
}

// Username returns the user that the password belongs to, empty for a bearer token.
func (a Auth) Username() string { return a.username }

// CA returns the PEM to trust besides the system's.
func (a Auth) CA() []byte { return a.ca }

// String keeps credentials out of logs.
func (a Auth) String() string {
	switch {
	case len(a.identity) > 0:
		return "ssh key"
	case a.bearer != "":
		return "bearer token"
	case a.username != "":
		return "username and password"
	}
	return "anonymous"
}

// GoString keeps credentials out of %#v.
func (a Auth) GoString() string { return a.String() }

// Format keeps credentials out of every other verb.
func (a Auth) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

func (a Auth) hasHTTP() bool { return a.bearer != "" || a.username != "" }

// method returns what go-git sends to the host of u; nil for anonymous.
func (a Auth) method(u *url.URL) (transport.AuthMethod, error) {
	if u.Scheme == "ssh" {
		return a.ssh(u)
	}
	switch {
	case a.bearer != "":
		return &http.TokenAuth{Token: a.bearer}, nil
	case a.username != "":
		return &http.BasicAuth{Username: a.username, Password: a.password}, nil
	}
	return nil, nil
}

func (a Auth) ssh(u *url.URL) (transport.AuthMethod, error) {
	if len(a.identity) == 0 {
		return nil, refuse(v1alpha1.ReasonAuthenticationFailed, "repository at %s is reached by ssh: credentials need identity and known_hosts", u.Host)
	}
	user := u.User.Username()
	if user == "" {
		user = "git"
	}
	keys, err := ssh.NewPublicKeys(user, a.identity, a.password)
	if err != nil {
		return nil, refuse(v1alpha1.ReasonAuthenticationFailed, "identity in the credentials is no usable ssh key for its password")
	}
	// The library reads known hosts from files only.
	file, err := os.CreateTemp("", "known_hosts-")
	if err != nil {
		return nil, fmt.Errorf("create known_hosts: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(a.knownHosts)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("write known_hosts: %w", err)
	}
	keys.HostKeyCallback, err = ssh.NewKnownHostsCallback(file.Name())
	if err != nil {
		return nil, refuse(v1alpha1.ReasonAuthenticationFailed, "known_hosts in the credentials cannot be read")
	}
	return keys, nil
}

// scrub removes credentials from text that a remote may have echoed.
func (a Auth) scrub(text string) string {
	for _, secret := range []string{a.password, a.bearer} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

func either(data map[string][]byte, key, legacy string) []byte {
	if v := data[key]; len(v) > 0 {
		return v
	}
	return data[legacy]
}

// line drops the newline that many editors leave at the end of a Secret.
func line(b []byte) string { return strings.TrimRight(string(b), "\r\n") }

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, fmt.Errorf("file is larger than %d bytes", limit)
	}
	return b, err
}
