package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// prepareForge writes the forge's configuration and gives it its folder.
func (l *lab) prepareForge(context.Context) error {
	static := l.binary(gitea())
	text := fmt.Sprintf(`APP_NAME = lab
RUN_USER = nobody
RUN_MODE = prod
WORK_PATH = %[1]s
[server]
PROTOCOL = http
DOMAIN = %[2]s
HTTP_ADDR = %[2]s
HTTP_PORT = 3000
ROOT_URL = http://%[2]s:3000/
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
SECRET_KEY = %[4]s
PASSWORD_HASH_ALGO = pbkdf2
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
`, l.path("forge"), bridgeIP, static, random(16))
	if _, err := os.Stat(l.path("forge", "app.ini")); err == nil {
		return nil
	}
	if err := l.write("forge/app.ini", []byte(text), 0o600); err != nil {
		return err
	}
	return filepath.WalkDir(l.path("forge"), func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, 65534, 65534)
	})
}

// forgeUser makes the forge's administrator and his token, once.
func (l *lab) forgeUser(ctx context.Context) error {
	e, err := l.env()
	if err != nil || e.Forge.Token != "" {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(l.binary(gitea()), "gitea"), "--config", l.path("forge", "app.ini"),
		"admin", "user", "create", "--admin", "--username", e.Forge.User, "--password", e.Forge.Password,
		"--email", "kubernaut@example.com", "--must-change-password=false")
	cmd.Dir, cmd.Env = l.path("forge"), append(os.Environ(), "HOME="+l.path("forge"), "USER=nobody")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "already exists") {
		return fmt.Errorf("create the forge's user: %w: %s", err, out)
	}
	e.Forge.Token, err = forgeToken(ctx, e.Forge)
	if err != nil {
		return err
	}
	return l.saveEnv(e)
}

func forgeToken(ctx context.Context, f Forge) (string, error) {
	body, err := json.Marshal(map[string]any{"name": "lab-" + random(4), "scopes": []string{"all"}})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.URL+"/api/v1/users/"+f.User+"/tokens", bytes.NewReader(body))
	if err != nil {
		return "", err
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
		return "", err
	}
	var token struct {
		SHA1 string `json:"sha1"`
	}
	if err := json.Unmarshal(answer, &token); err != nil || token.SHA1 == "" {
		return "", fmt.Errorf("create the forge's token: %s: %s", resp.Status, answer)
	}
	return token.SHA1, nil
}
