package images

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// entry is one change of a manifest. The registry's library keeps manifests in
// memory alone, so they are written down and told again after a restart.
type entry struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Type   string `json:"type,omitempty"`
	Body   []byte `json:"body,omitempty"`
}

// journal passes requests on and writes down what changed a manifest.
type journal struct {
	next http.Handler
	file *os.File
	// order keeps the lines in the order in which the changes happened.
	order sync.Mutex
}

// remember tells a registry its past from a folder and keeps that up to date.
func remember(next http.Handler, dir string) (http.Handler, error) {
	file, err := os.OpenFile(filepath.Join(dir, "manifests.jsonl"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open manifests: %w", err)
	}
	end, err := replay(next, file)
	if err != nil {
		return nil, err
	}
	// A line that was cut off by a crash is overwritten by the next one.
	if err := file.Truncate(end); err != nil {
		return nil, fmt.Errorf("truncate manifests: %w", err)
	}
	if _, err := file.Seek(end, io.SeekStart); err != nil {
		return nil, fmt.Errorf("seek manifests: %w", err)
	}
	return &journal{next: next, file: file}, nil
}

// replay tells every whole line to the registry and returns where they end.
func replay(next http.Handler, from io.Reader) (int64, error) {
	lines := json.NewDecoder(from)
	for {
		var e entry
		end := lines.InputOffset()
		err := lines.Decode(&e)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return end, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read manifests: %w", err)
		}
		req, err := http.NewRequest(e.Method, e.Path, bytes.NewReader(e.Body))
		if err != nil {
			return 0, fmt.Errorf("read manifests: %w", err)
		}
		req.Header.Set("Content-Type", e.Type)
		next.ServeHTTP(httptest.NewRecorder(), req) // it was accepted before
	}
}

// ServeHTTP implements http.Handler.
func (j *journal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut && r.Method != http.MethodDelete || !strings.Contains(r.URL.Path, "/manifests/") {
		j.next.ServeHTTP(w, r)
		return
	}
	const largest = 8 << 20
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largest))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	j.order.Lock()
	defer j.order.Unlock()
	answer := httptest.NewRecorder()
	j.next.ServeHTTP(answer, r)
	if answer.Code < 300 {
		err := json.NewEncoder(j.file).Encode(entry{Method: r.Method, Path: r.URL.Path, Type: r.Header.Get("Content-Type"), Body: body})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInsufficientStorage)
			return
		}
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the caller may be gone
}
