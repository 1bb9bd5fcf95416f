package git_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/actions/entry"
)

// at runs f once, ahead of the n-th answer of the forge.
func (g *giteaServer) at(n int, f func()) {
	g.before = func() {
		if n--; n == 0 {
			f()
		}
	}
}

// proposed holds that what a run reported stands: the pull request is there,
// its text names the commit, and the commit is what it carries.
func (s *site) proposed(out map[string]any) {
	s.t.Helper()
	pull := s.forge.pulls[int(out["prNumber"].(float64))-1]
	sha := out["headSHA"].(string)
	carried := pull.Head.SHA
	if pull.State == "open" {
		carried = s.repository.Tip(pull.Head.Ref)
	} else if !pull.Merged {
		s.t.Errorf("pull request %d is closed", pull.Number)
	}
	if carried != sha || !strings.Contains(pull.Body, sha) {
		s.t.Errorf("pull request %d (%s) carries %s, the run reports %s, the text is\n%s", pull.Number, pull.State, carried, sha, pull.Body)
	}
}

// TestMergedOrClosedMeanwhile: a person ends the earlier pull request of the
// same branch at any moment in which the run talks to the forge.
func TestMergedOrClosedMeanwhile(t *testing.T) {
	for _, merged := range []bool{true, false} {
		for n := 1; n <= 8; n++ {
			t.Run(fmt.Sprintf("merged-%t-at-%d", merged, n), func(t *testing.T) {
				s := newSite(t)
				s.run("u1").chain("app", "512Mi")
				ended := false
				s.forge.at(n, func() {
					s.forge.pulls[0].State, s.forge.pulls[0].Merged, ended = "closed", merged, true
				})
				p := s.run("u-2")
				p.clone()
				p.raise("app", "768Mi")
				p.commit()
				code, out := p.step("git-push-pr", p.proposal())
				if !ended && n <= 4 {
					t.Fatal("nobody ended it")
				}
				if code == 0 {
					s.proposed(out)
				} else if merged || !strings.Contains(fmt.Sprint(out["error"]), "proposed this very commit and was closed by a person") {
					t.Errorf("exit %d, %v", code, out)
				}
			})
		}
	}
}

// TestAnotherRunMeanwhile: a second run with the same cause and another value
// does its whole work between any two answers that the first run gets.
func TestAnotherRunMeanwhile(t *testing.T) {
	for n := 1; n <= 9; n++ {
		t.Run(fmt.Sprintf("at-%d", n), func(t *testing.T) {
			s := newSite(t)
			var second map[string]any
			s.forge.at(n, func() { second = s.run("u-2").chain("app", "768Mi") })
			first := s.run("u1").chain("app", "512Mi")
			last := first
			if tip := s.repository.Tip(first["branch"].(string)); second != nil && tip == second["headSHA"] {
				last = second
			}
			if second == nil && n <= 8 {
				t.Fatal("no second run")
			}
			if len(s.forge.pulls) != 1 {
				t.Errorf("%d pull requests", len(s.forge.pulls))
			}
			s.proposed(last)
		})
	}
}

// TestChangedForEver: a run that loses every round says so and may be tried again.
func TestChangedForEver(t *testing.T) {
	s := newSite(t)
	p := s.run("u1")
	p.clone()
	p.raise("app", "512Mi")
	p.commit()
	s.forge.before = func() {
		for _, pull := range s.forge.pulls {
			pull.Body = "mine"
		}
	}
	code, out := p.step("git-push-pr", p.proposal())
	if code != entry.ExitRetryable || !strings.Contains(fmt.Sprint(out["error"]), "changed by others 3 times") {
		t.Errorf("exit %d, %v", code, out)
	}
}
