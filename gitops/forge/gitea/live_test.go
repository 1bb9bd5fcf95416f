package gitea_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"testing"
	"time"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/kubernaut/kubernaut/gitops/forge/forgetest"
	"github.com/kubernaut/kubernaut/gitops/forge/gitea"
)

// TestContractOfARealForge runs where GITEA_URL and GITEA_TOKEN name a forge
// on which repositories may be made; they are deleted again.
func TestContractOfARealForge(t *testing.T) {
	address, token := os.Getenv("GITEA_URL"), os.Getenv("GITEA_TOKEN")
	if address == "" || token == "" {
		t.Skip("GITEA_URL and GITEA_TOKEN name no forge")
	}
	client, err := sdk.NewClient(address, sdk.SetToken(token))
	if err != nil {
		t.Fatal(err)
	}
	user, _, err := client.GetMyUserInfo()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	forgetest.Run(t, func(t *testing.T) forgetest.Repository {
		n++
		name := fmt.Sprintf("contract-%d-%d", time.Now().UnixNano(), n)
		prepare(t, client, user.UserName, name)
		f, err := gitea.New(gitea.Options{APIURL: address, Owner: user.UserName, Repo: name, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		return forgetest.Repository{Forge: f}
	})
}

func prepare(t *testing.T, client *sdk.Client, owner, name string) {
	t.Helper()
	if _, _, err := client.CreateRepo(sdk.CreateRepoOption{Name: name, AutoInit: true, DefaultBranch: "main", Private: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.DeleteRepo(owner, name) })
	for _, branch := range []string{"fix/one", "fix/two"} {
		_, _, err := client.CreateFile(owner, name, "file.txt", sdk.CreateFileOptions{
			FileOptions: sdk.FileOptions{Message: branch, BranchName: "main", NewBranchName: branch},
			Content:     base64.StdEncoding.EncodeToString([]byte(branch)),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
