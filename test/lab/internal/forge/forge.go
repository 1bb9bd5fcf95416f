// Package forge configures the lab's Gitea and makes its administrator.
package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

// Forge is the lab's Gitea.
type Forge struct {
	Place *place.Place
	// Binary is Gitea's program, next to its templates.
	Binary string
}

// Env is what the program needs to find its folder.
func (f Forge) Env() []string { return []string{"HOME=" + f.Place.Path("forge"), "USER=nobody"} }

// Prepare writes the forge's configuration and gives it its folder. The
// configuration is written anew each time but for the secrets in it.
func (f Forge) Prepare(context.Context) error {
	old, err := os.ReadFile(f.Place.Path("forge", "app.ini"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the forge's configuration: %w", err)
	}
	if err := f.Place.Write("forge/app.ini", []byte(config(f.Place.Path("forge"), filepath.Dir(f.Binary), string(old))), 0o600); err != nil {
		return err
	}
	return filepath.WalkDir(f.Place.Path("forge"), func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, place.Nobody, place.Nobody)
	})
}

// config is the whole configuration, with the secrets of an older one.
func config(work, static, old string) string {
	return fmt.Sprintf(`APP_NAME = lab
RUN_USER = nobody
RUN_MODE = prod
WORK_PATH = %[1]s
[server]
PROTOCOL = http
DOMAIN = %[2]s
HTTP_ADDR = %[2]s
HTTP_PORT = 3000
ROOT_URL = %[4]s/
DISABLE_SSH = true
OFFLINE_MODE = true
LFS_START_SERVER = false
STATIC_ROOT_PATH = %[3]s
[database]
DB_TYPE = sqlite3
PATH = %[1]s/gitea.db
SQLITE_JOURNAL_MODE = WAL
[repository]
ROOT = %[1]s/repositories
DEFAULT_BRANCH = main
[security]
INSTALL_LOCK = true
SECRET_KEY = %[5]s
INTERNAL_TOKEN = %[6]s
PASSWORD_HASH_ALGO = pbkdf2
[oauth2]
ENABLED = false
[webhook]
ALLOWED_HOST_LIST = *
[migrations]
ALLOW_LOCALNETWORKS = true
[service]
DISABLE_REGISTRATION = true
[actions]
ENABLED = false
[packages]
ENABLED = false
[cron.update_checker]
ENABLED = false
[log]
MODE = console
LEVEL = warn
`, work, place.IP, static, place.ForgeURL, keep(old, "SECRET_KEY"), keep(old, "INTERNAL_TOKEN"))
}

// keep returns the value of a setting, or a new secret.
func keep(ini, key string) string {
	if m := regexp.MustCompile(`(?m)^` + key + `\s*=\s*(\S+)\s*$`).FindStringSubmatch(ini); m != nil {
		return m[1]
	}
	return place.Random(32)
}

// Finish makes the forge's administrator and his token, once.
func (f Forge) Finish(ctx context.Context) error {
	e, err := f.Place.ReadEnv()
	if err != nil || e.Forge.Token != "" {
		return err
	}
	cmd := exec.CommandContext(ctx, f.Binary, "--config", f.Place.Path("forge", "app.ini"),
		"admin", "user", "create", "--admin", "--username", e.Forge.User, "--password", e.Forge.Password,
		"--email", "kubernaut@example.com", "--must-change-password=false")
	cmd.Dir, cmd.Env = f.Place.Path("forge"), append(os.Environ(), f.Env()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: place.Nobody, Gid: place.Nobody}}
	if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "already exists") {
		return fmt.Errorf("create the forge's user: %w: %s", err, out)
	}
	e.Forge.Token, err = token(ctx, e.Forge)
	if err != nil {
		return err
	}
	return f.Place.WriteEnv(e)
}

func token(ctx context.Context, f place.Forge) (string, error) {
	body, err := json.Marshal(map[string]any{"name": "lab-" + place.Random(4), "scopes": []string{"all"}})
	if err != nil {
		return "", fmt.Errorf("encode the forge's token: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.URL+"/api/v1/users/"+f.User+"/tokens", bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("create the forge's token: %w", err)
	}
	req.SetBasicAuth(f.User, f.Password)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return "", fmt.Errorf("create the forge's token: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("create the forge's token: %w", err)
	}
	var made struct {
		SHA1 string `json:"sha1"`
	}
	if err := json.Unmarshal(answer, &made); err != nil || made.SHA1 == "" {
		return "", fmt.Errorf("create the forge's token: %s: %s", resp.Status, answer)
	}
	return made.SHA1, nil
}
