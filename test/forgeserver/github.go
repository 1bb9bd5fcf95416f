package forgeserver

import (
	"fmt"
	"net/http"
	"strings"
)

func (s *Server) github(mux *http.ServeMux) {
	const repo = "/repos/octo/app"
	mux.HandleFunc("GET "+repo+"/pulls", s.githubList)
	mux.HandleFunc("POST "+repo+"/pulls", s.githubCreate)
	mux.HandleFunc("GET "+repo+"/pulls/{number}", s.found(func(w http.ResponseWriter, _ *http.Request, p *Pull) {
		answer(w, http.StatusOK, s.githubPull(p))
	}))
	mux.HandleFunc("PATCH "+repo+"/pulls/{number}", s.found(func(w http.ResponseWriter, r *http.Request, p *Pull) {
		var in change
		if read(w, r, &in) {
			s.edit(p, in)
			answer(w, http.StatusOK, s.githubPull(p))
		}
	}))
	mux.HandleFunc("POST "+repo+"/issues/{number}/comments", s.found(s.comment))
	mux.HandleFunc("POST "+repo+"/issues/{number}/labels", s.found(func(w http.ResponseWriter, r *http.Request, p *Pull) {
		var in []string
		if read(w, r, &in) {
			p.Labels = append(p.Labels, in...)
			answer(w, http.StatusOK, []any{})
		}
	}))
}

func (s *Server) githubList(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	out := []any{}
	for _, p := range s.list(q.Get("state")) {
		if (q.Get("head") == "" || q.Get("head") == p.owner()+":"+p.Head) && (q.Get("base") == "" || q.Get("base") == p.Base) {
			out = append(out, s.githubPull(p))
		}
	}
	answer(w, http.StatusOK, out)
}

func (s *Server) githubCreate(w http.ResponseWriter, r *http.Request) {
	var in struct{ Title, Body, Head, Base string }
	if !read(w, r, &in) {
		return
	}
	p, wrong := s.create(in.Title, in.Body, strings.TrimPrefix(in.Head, "octo:"), in.Base)
	if wrong != "" {
		answer(w, http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed", "errors": []any{map[string]string{"resource": "PullRequest", "message": wrong}}})
		return
	}
	answer(w, http.StatusCreated, s.githubPull(p))
}

func (s *Server) githubPull(p *Pull) map[string]any {
	labels := []any{}
	for _, l := range p.Labels {
		labels = append(labels, map[string]any{"name": l})
	}
	out := map[string]any{
		"number": p.Number, "html_url": fmt.Sprintf("%s/octo/app/pull/%d", s.URL, p.Number), "state": s.state(p), "title": p.Title, "body": p.Body,
		"head": map[string]any{"ref": p.Head, "sha": s.sha(p.Head)}, "base": map[string]any{"ref": p.Base, "sha": s.sha(p.Base)},
		"labels": labels, "user": map[string]any{"login": "bot"}, "updated_at": p.updated,
	}
	if p.Merged {
		out["merged_at"], out["merge_commit_sha"] = p.updated, s.sha("main")
	}
	return out
}
