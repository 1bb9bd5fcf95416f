package harness

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Audited reads from the API server's audit log what the controller's account
// wrote in a namespace, in the order of the answers; what was refused is left
// out, and so is what Proxy does not take for a write.
func (l *Lab) Audited(namespace string) ([]Write, error) {
	ext := filepath.Ext(l.AuditLog)
	files, err := filepath.Glob(strings.TrimSuffix(l.AuditLog, ext) + "*" + ext) // rotated ones have a time in their name
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("find the audit log %s: %w", l.AuditLog, os.ErrNotExist)
	}
	var out []Write
	for _, path := range files {
		writes, err := audited(path, namespace)
		if err != nil {
			return nil, fmt.Errorf("read audit log %s: %w", path, err)
		}
		out = append(out, writes...)
	}
	return out, nil
}

// audit is what counts here of a line of the log.
type audit struct {
	Verb       string `json:"verb"`
	RequestURI string `json:"requestURI"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource, Subresource, Namespace, Name string
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

func audited(path, namespace string) ([]Write, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []Write
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		if !strings.Contains(lines.Text(), `"namespace":"`+namespace+`"`) {
			continue
		}
		var a audit
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, err
		}
		w := Write{Verb: a.Verb, Resource: a.ObjectRef.Resource, Name: a.ObjectRef.Name, Code: a.ResponseStatus.Code}
		if a.ObjectRef.Subresource != "" {
			w.Resource += "/" + a.ObjectRef.Subresource
		}
		if a.User.Username == "system:serviceaccount:"+System+":"+Account && w.changes() && !strings.Contains(a.RequestURI, "dryRun=") {
			out = append(out, w)
		}
	}
	return out, lines.Err()
}

// changes says whether the request changed an object, other than an event.
func (w Write) changes() bool {
	switch w.Verb {
	case "get", "list", "watch":
		return false
	}
	return w.Code < 300 && w.Resource != "events" && w.Resource != "leases" && !strings.HasSuffix(w.Resource, "reviews")
}
