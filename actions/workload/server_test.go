package workload_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/actions/entry"
)

// apiServer serves objects by path and refuses what a real one refuses: a
// stale resource version, a UID that is not the object's, an unknown path. It
// remembers every write.
type apiServer struct {
	*httptest.Server
	t       *testing.T
	objects map[string]string
	writes  []string
	// before runs ahead of each request, to let the world change meanwhile.
	before func(method, path string)
}

func newAPIServer(t *testing.T, objects map[string]string) *apiServer {
	s := &apiServer{t: t, objects: objects}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	if s.before != nil {
		s.before(r.Method, r.URL.Path)
	}
	text, ok := s.objects[r.URL.Path]
	if r.Method != http.MethodGet {
		s.writes = append(s.writes, r.Method+" "+r.URL.Path+" "+strings.TrimSpace(string(body)))
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasPrefix(text, "forbidden"):
		s.refuse(w, http.StatusForbidden, "Forbidden")
	case !ok:
		s.refuse(w, http.StatusNotFound, "NotFound")
	case r.Method != http.MethodGet && s.stale(text, string(body)):
		s.refuse(w, http.StatusConflict, "Conflict")
	case r.Method == http.MethodDelete:
		delete(s.objects, r.URL.Path)
		s.answer(w, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
	case r.Method == http.MethodPut:
		s.objects[r.URL.Path] = string(body)
		s.answer(w, string(body))
	default:
		s.answer(w, text)
	}
}

type identity struct {
	Metadata struct {
		UID             string `json:"uid"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Preconditions struct {
		UID string `json:"uid"`
	} `json:"preconditions"`
}

func (s *apiServer) stale(stored, sent string) bool {
	var has, want identity
	for text, into := range map[string]*identity{stored: &has, sent: &want} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			s.t.Error(err)
		}
	}
	differ := func(a, b string) bool { return a != "" && a != b }
	return differ(want.Metadata.UID, has.Metadata.UID) || differ(want.Metadata.ResourceVersion, has.Metadata.ResourceVersion) ||
		differ(want.Preconditions.UID, has.Metadata.UID)
}

func (s *apiServer) refuse(w http.ResponseWriter, code int, reason string) {
	w.WriteHeader(code)
	raw, err := json.Marshal(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason})
	if err != nil {
		s.t.Error(err)
	}
	s.answer(w, string(raw))
}

func (s *apiServer) answer(w io.Writer, text string) {
	if _, err := io.WriteString(w, text); err != nil {
		s.t.Error(err)
	}
}

// call checks the inputs as the entrypoint would and runs the action.
func (s *apiServer) call(b entry.Built, inputs string, facts entry.Facts) (contract.Values, error) {
	s.t.Helper()
	c := b.Action.Contract()
	in, found := c.ValidateInputs([]byte(inputs))
	if found != nil {
		s.t.Fatal(contract.Join(found))
	}
	return b.Action.Run(context.Background(), in, entry.Env{
		Facts: facts,
		Log:   slog.New(slog.DiscardHandler),
		Kube: func() (*rest.Config, error) {
			return &rest.Config{Host: s.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}, nil
		},
	})
}
