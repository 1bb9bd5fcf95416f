package execution

import (
	"testing"

	"github.com/kubernaut/kubernaut/internal/run"
)

func TestAPullRequestIsReadWithTheForgesOwnCredential(t *testing.T) {
	for name, c := range map[string]struct {
		credentials map[string]string
		want        string
	}{
		"none":  {nil, ""},
		"git":   {map[string]string{"git": "ssh-key"}, "ssh-key"},
		"both":  {map[string]string{"git": "ssh-key", "forge": "token"}, "token"},
		"forge": {map[string]string{"forge": "token"}, "token"},
	} {
		pr := (&Reconciler{}).pullRequest(&pass{}, run.Step{Name: "propose", Credentials: c.credentials}, proposal{Number: 7, Repository: "https://git.example.com/team/app"})
		got := ""
		if pr.Spec.SecretRef != nil {
			got = pr.Spec.SecretRef.Name
		}
		if got != c.want {
			t.Errorf("%s: read with Secret %q, want %q", name, got, c.want)
		}
	}
}
