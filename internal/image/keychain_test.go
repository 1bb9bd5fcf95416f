package image

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

func TestLoginsFitAsTheKubeletSays(t *testing.T) {
	keys, err := pullSecrets([][]byte{
		[]byte(`{"auths":{"https://index.docker.io/v1/":{"username":"hub","password":"p"},"registry.example.com":{"auth":"aG9zdDpw"},"registry.example.com/team":{"username":"team","password":"p"}}}`),
		nil,
		[]byte(`{"auths":{"*.example.org":{"username":"any","password":"p"},"registry.example.com:5000/a/b":{"username":"port","password":"p"},"http://old.example.net/v2/x":{"username":"old","password":"p"},"[fd00::1]:5000":{"username":"six","password":"p"}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	for image, want := range map[string]string{
		"busybox": "hub", "registry.example.com/a": "host", "registry.example.com/team/a": "team", "registry.example.com:5000/a/b/c": "port",
		"registry.example.com:5000/a": "", "registry.example.com:443/a": "", "a.example.org/x": "any", "a.b.example.org/x": "", "example.org/x": "", "a.example.org.evil.test/x": "",
		"old.example.net/x/y": "old", "old.example.net/y": "", "[fd00::1]:5000/a": "six",
	} {
		repo, err := name.NewRepository(image)
		if err != nil {
			t.Fatal(err)
		}
		auth, err := keys.Resolve(repo)
		if err != nil {
			t.Fatal(err)
		}
		got, err := auth.Authorization()
		if err != nil || got.Username != want || (auth == authn.Anonymous) != (want == "") || got.Auth != "" {
			t.Errorf("%s: login %q, error %v, want %q", image, got.Username, err, want)
		}
	}
	for _, text := range []string{"{", `{"auths":{"a":{"auth":"%"}}}`, `{"auths":{"ht tp://%":{}}}`} {
		if _, err := pullSecrets([][]byte{[]byte(text)}); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}
