package forgeserver

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

func (s *Server) gitea(mux *http.ServeMux) {
	const repo = "/api/v1/repos/octo/app"
	mux.HandleFunc("GET "+repo+"/pulls", s.giteaList)
	mux.HandleFunc("POST "+repo+"/pulls", s.giteaCreate)
	mux.HandleFunc("GET "+repo+"/pulls/{number}", s.found(func(w http.ResponseWriter, _ *http.Request, p *Pull) {
		answer(w, http.StatusOK, s.giteaPull(p))
	}))
	mux.HandleFunc("PATCH "+repo+"/pulls/{number}", s.found(func(w http.ResponseWriter, r *http.Request, p *Pull) {
		var in change
		if read(w, r, &in) {
			s.edit(p, in)
			answer(w, http.StatusCreated, s.giteaPull(p))
		}
	}))
	mux.HandleFunc("POST "+repo+"/issues/{number}/comments", s.found(s.comment))
	mux.HandleFunc("GET "+repo+"/labels", func(w http.ResponseWriter, r *http.Request) {
		all := []map[string]any{}
		for i, l := range s.labels {
			all = append(all, map[string]any{"id": i + 1, "name": l})
		}
		answer(w, http.StatusOK, page(all, r))
	})
	mux.HandleFunc("POST "+repo+"/labels", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Name string }
		if read(w, r, &in) {
			s.labels = append(s.labels, in.Name)
			answer(w, http.StatusCreated, map[string]any{"id": len(s.labels), "name": in.Name})
		}
	})
}

// page cuts a list as Gitea does, at most 50 at once.
func page(all []map[string]any, r *http.Request) []map[string]any {
	n, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	if size < 1 || size > 50 {
		size = 50
	}
	from := min(max(n-1, 0)*size, len(all))
	return all[from:min(from+size, len(all))]
}

func (s *Server) giteaList(w http.ResponseWriter, r *http.Request) {
	out := []map[string]any{}
	for _, p := range s.list(r.URL.Query().Get("state")) {
		out = append(out, s.giteaPull(p))
	}
	answer(w, http.StatusOK, page(out, r))
}

func (s *Server) giteaCreate(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Title, Body, Head, Base string
		Labels                  []int
	}
	if !read(w, r, &in) {
		return
	}
	p, wrong := s.create(in.Title, in.Body, in.Head, in.Base)
	switch wrong {
	case "":
		for i, l := range s.labels {
			if slices.Contains(in.Labels, i+1) {
				p.Labels = append(p.Labels, l)
			}
		}
		answer(w, http.StatusCreated, s.giteaPull(p))
	case "A pull request already exists":
		refuse(w, http.StatusConflict, "pull request already exists for these targets")
	case "branch does not exist":
		refuse(w, http.StatusNotFound, wrong)
	default:
		refuse(w, http.StatusUnprocessableEntity, wrong)
	}
}

func (s *Server) giteaPull(p *Pull) map[string]any {
	// A deleted branch is told by the pull request's own reference.
	ref := p.Head
	if p.HeadGone {
		ref = fmt.Sprintf("refs/pull/%d/head", p.Number)
	}
	labels := []any{}
	for _, l := range p.Labels {
		labels = append(labels, map[string]any{"id": slices.Index(s.labels, l) + 1, "name": l})
	}
	out := map[string]any{
		"id": 1000 + p.Number, "number": p.Number, "html_url": fmt.Sprintf("%s/octo/app/pulls/%d", s.URL, p.Number), "state": s.state(p),
		"title": p.Title, "body": p.Body, "user": map[string]any{"login": "bot"}, "labels": labels, "updated_at": p.updated, "merged": p.Merged,
		"head": map[string]any{"label": p.Head, "ref": ref, "sha": s.sha(p.Head), "repo_id": p.repository()},
		"base": map[string]any{"label": p.Base, "ref": p.Base, "sha": s.sha(p.Base), "repo_id": 1},
	}
	if p.Merged {
		out["merge_commit_sha"], out["merged_at"] = s.sha("main"), p.updated
	}
	return out
}
