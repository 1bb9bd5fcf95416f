package entry

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kubernaut/kubernaut/actions/contract"
)

// maxSecretFile is more than Kubernetes lets a Secret hold.
const maxSecretFile = 2 << 20

// sensitive lists the values of all sensitive inputs.
func sensitive(c contract.Contract, in contract.Values) []string {
	var out []string
	for _, input := range c.Spec.Inputs {
		if input.Sensitive {
			out = append(out, textsIn(in[input.Name])...)
		}
	}
	return out
}

// mounted lists the values of all mounted credential files. A file that cannot
// be read is an error, since what it holds could then not be kept out of the log.
func mounted(dir string) ([]string, error) {
	mounts, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list credentials: %w", err)
	}
	var out []string
	for _, mount := range mounts {
		texts, err := secretFiles(filepath.Join(dir, mount.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, texts...)
	}
	return out, nil
}

func secretFiles(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list credentials: %w", err)
	}
	var out []string
	for _, file := range files {
		name := file.Name()
		// Kubernetes keeps the real files in folders that begin with two dots.
		if strings.HasPrefix(name, "..") || public(name) {
			continue
		}
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("read credential: %w", err)
		}
		if info.IsDir() || info.Size() > maxSecretFile {
			return nil, fmt.Errorf("read credential %s: found a folder or a file above %d bytes", path, maxSecretFile)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read credential: %w", err)
		}
		out = append(out, string(data))
	}
	return out, nil
}

// public names the files of a Git credential that are no secret, and that a
// reader of the log would miss: hiding the user "git" would hide every URL.
func public(file string) bool {
	return slices.Contains([]string{"username", "known_hosts", "ca.crt", "tls.crt", "identity.pub", "committer"}, file)
}

// textsIn lists every string inside a decoded JSON value, and every number as
// people, Go and JSON write it.
func textsIn(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case int64:
		return []string{strconv.FormatInt(v, 10)}
	case float64:
		out := []string{strconv.FormatFloat(v, 'f', -1, 64), strconv.FormatFloat(v, 'g', -1, 64), fmt.Sprint(v)}
		if raw, err := json.Marshal(v); err == nil {
			out = append(out, string(raw))
		}
		return out
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, textsIn(e)...)
		}
		return out
	case map[string]any:
		var out []string
		for _, e := range v {
			out = append(out, textsIn(e)...)
		}
		return out
	}
	return nil
}
