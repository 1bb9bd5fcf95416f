package entry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/kubernaut/kubernaut/actions/contract"
)

const (
	// MaxStatusOutputs is how many bytes of outputs travel in status.
	MaxStatusOutputs = 2048
	// maxOutputs is how many bytes of outputs an action may give at all.
	maxOutputs = 1 << 20
	// outputsFolder in the workspace holds outputs that are too large for status.
	outputsFolder = ".kubernaut/outputs"
)

// encode writes one JSON object on one line, without the escapes that are meant
// for web pages.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode outputs: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// plain turns outputs into decoded JSON, whatever Go types the action used.
func plain(v contract.Values) (map[string]any, error) {
	raw, err := encode(v)
	if err != nil {
		return nil, err
	}
	if len(raw) > maxOutputs {
		return nil, fmt.Errorf("encode outputs: found %d bytes, wanted at most %d", len(raw), maxOutputs)
	}
	out := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("decode outputs: %w", err)
	}
	return out, nil
}

// deliver writes outputs whole to stdout and, cut to size, to the outputs file.
func deliver(p Process, env Env, outputs map[string]any) error {
	whole, err := encode(outputs)
	if err != nil {
		return err
	}
	small := whole
	if len(whole) > MaxStatusOutputs {
		file, err := keepWhole(env, whole)
		if err != nil {
			return err
		}
		if small, err = truncate(outputs, file); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(p.Stdout, string(whole)+"\n"); err != nil {
		return fmt.Errorf("write outputs: %w", err)
	}
	return writeOutputs(p.Getenv(VarOutputsPath), small)
}

// keepWhole stores large outputs in the workspace and returns the path, or ""
// where the action has no workspace.
func keepWhole(env Env, whole []byte) (string, error) {
	if info, err := os.Stat(env.Workspace); err != nil || !info.IsDir() {
		return "", nil
	}
	root, err := os.OpenRoot(env.Workspace)
	if err != nil {
		return "", fmt.Errorf("open workspace: %w", err)
	}
	defer root.Close()
	if err := root.MkdirAll(outputsFolder, 0o777); err != nil {
		return "", fmt.Errorf("create folder for outputs: %w", err)
	}
	step := env.Facts.Step
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`).MatchString(step) {
		step = "action"
	}
	name := outputsFolder + "/" + step + ".json"
	if err := root.WriteFile(name, whole, 0o644); err != nil {
		return "", fmt.Errorf("write outputs to workspace: %w", err)
	}
	return filepath.Join(env.Workspace, name), nil
}

// truncate keeps the smallest outputs that fit together with the marker; the
// small ones are those that later steps refer to.
func truncate(outputs map[string]any, file string) ([]byte, error) {
	kept := map[string]any{contract.OutputTruncated: true}
	if file != "" {
		kept[contract.OutputFile] = file
	}
	sizes := map[string]int{}
	names := make([]string, 0, len(outputs))
	for name, v := range outputs {
		raw, err := encode(v)
		if err != nil {
			return nil, err
		}
		sizes[name] = len(raw)
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(sizes[a]-sizes[b], cmp.Compare(a, b)) })
	best, err := encode(kept)
	for _, name := range names {
		kept[name] = outputs[name]
		raw, encodeErr := encode(kept)
		if encodeErr != nil || len(raw) > MaxStatusOutputs {
			delete(kept, name)
			continue
		}
		best = raw
	}
	return best, err
}

// failure is the document that stands in place of outputs after an error.
func failure(reason, message string) []byte {
	for limit := len(message); ; limit = limit * 3 / 4 {
		text := message
		if limit < len(message) {
			text = string(bytes.ToValidUTF8([]byte(message[:limit]), nil)) + "…"
		}
		raw, err := encode(map[string]any{contract.OutputError: map[string]string{"reason": reason, "message": text}})
		if err == nil && len(raw) <= MaxStatusOutputs || limit == 0 {
			return raw
		}
	}
}

// writeOutputs replaces the file in one step where that is possible. A file
// that is mounted, as /dev/termination-log is, cannot be replaced and is
// written in place.
func writeOutputs(path string, data []byte) error {
	if path == "" {
		return nil
	}
	if replaceFile(path, data) == nil {
		return nil
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("write outputs: %w", err)
	}
	return nil
}

func replaceFile(path string, data []byte) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("replace %s: not a regular file", path)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".outputs-*")
	if err != nil {
		return fmt.Errorf("create temporary file: %w", err)
	}
	_, writeErr := file.Write(data)
	chmodErr := file.Chmod(0o644)
	closeErr := file.Close()
	for _, err := range []error{writeErr, chmodErr, closeErr} {
		if err != nil {
			return dropFile(file.Name(), err)
		}
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return dropFile(file.Name(), err)
	}
	return nil
}

func dropFile(path string, cause error) error {
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove temporary file after %w: %w", cause, err)
	}
	return cause
}
