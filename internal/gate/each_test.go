package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// slow takes its time and counts how many calls go on at once.
type slow struct {
	mu        sync.Mutex
	now, most int
	asked     []string
	refused   map[string]error
	resolved  atomic.Int64
}

func (s *slow) enter(what string) error {
	s.mu.Lock()
	s.asked = append(s.asked, what)
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	// Later ones are quicker, so that they fail before earlier ones.
	var n int
	_, _ = fmt.Sscanf(what[strings.LastIndex(what, "/")+1:], "%d", &n)
	<-time.After(time.Duration(100-n) * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	return s.refused[what]
}

// Resolve answers each time something else, as a registry may.
func (s *slow) Resolve(_ context.Context, ref string, _ verify.Subject) (verify.Image, error) {
	err := s.enter(ref)
	return verify.Image{Repository: ref, Digest: fmt.Sprintf("sha256:%064d", s.resolved.Add(1))}, err
}

func (s *slow) Verify(_ context.Context, img verify.Image, _ verify.Subject) (verify.Result, error) {
	return verify.Result{Signer: img.Repository}, s.enter(img.Repository)
}

func (s *slow) ReadFile(_ context.Context, img verify.Image, _ string, _ verify.Subject) ([]byte, error) {
	return []byte(document), s.enter(img.Repository)
}

func manySteps(n int) *Case {
	c := caseOf()
	one := c.Run.Steps[0]
	c.Run.Steps, c.Images = nil, nil
	for i := range n {
		one.Name, one.Image = fmt.Sprintf("s%02d", i), fmt.Sprintf("registry.example.com/%02d", i)
		c.Run.Steps, c.Images = append(c.Run.Steps, one), append(c.Images, verify.Image{Repository: one.Image, Digest: digest()})
	}
	return c
}

// Images of one run are asked about together, in bounds, and each answer lands
// where it belongs.
func TestImagesOfARunAreAskedAboutTogether(t *testing.T) {
	for name, check := range map[string]func(*slow) Check{
		"digest":    func(s *slow) Check { return Digest{s} },
		"signature": func(s *slow) Check { return Signature{s} },
		"contract":  func(s *slow) Check { return Contract{s} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := &slow{}, manySteps(50)
				if v := check(s).Check(t.Context(), c); v.Kind != run.Passed {
					t.Fatal(v)
				}
				if s.most != atOnce || len(s.asked) != 50 {
					t.Errorf("%d calls, %d at once, want 50 and %d", len(s.asked), s.most, atOnce)
				}
				for i, r := range c.Results {
					if r.Signer != c.Run.Steps[i].Image {
						t.Errorf("step %d has the answer of %s", i, r.Signer)
					}
				}
			})
		})
	}
}

// Of several refusals the one of the first step is told, however they come in.
func TestTheFirstStepThatIsRefusedIsTold(t *testing.T) {
	refused := map[string]error{
		"registry.example.com/03": run.Refuse(v1alpha1.ReasonImageUnsigned, "unsigned"),
		"registry.example.com/05": errors.New("reset"),
		"registry.example.com/40": run.Refuse(v1alpha1.ReasonSignatureInvalid, "forged"),
	}
	for name, check := range map[string]func(*slow) Check{
		"digest":    func(s *slow) Check { return Digest{s} },
		"signature": func(s *slow) Check { return Signature{s} },
		"contract":  func(s *slow) Check { return Contract{s} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := &slow{refused: refused}, manySteps(50)
				v := check(s).Check(t.Context(), c)
				if v.Reason != v1alpha1.ReasonImageUnsigned || !strings.Contains(v.Message, "step s03") {
					t.Errorf("verdict %+v", v)
				}
				if len(s.asked) > 5+atOnce {
					t.Errorf("%d calls: it went on after the refusal", len(s.asked))
				}
			})
		})
	}
}

// A tag is asked about once in a run: a registry that answers differently each
// time cannot give two steps two images, nor the signature and the Job.
func TestAttack10_ATagIsResolvedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := &slow{}, manySteps(4)
		for i := range c.Run.Steps {
			c.Run.Steps[i].Image = "registry.example.com/demo:v1"
		}
		c.Run.Steps[3].ServiceAccount = "other"
		if v := (Digest{s}).Check(t.Context(), c); v.Kind != run.Passed {
			t.Fatal(v)
		}
		if len(s.asked) != 2 {
			t.Errorf("asked %d times, want once for each account that pulls", len(s.asked))
		}
		for i, img := range c.Images {
			if img.String() != c.Run.Steps[i].Image {
				t.Errorf("step %d would run %s and %s is verified", i, c.Run.Steps[i].Image, img)
			}
			if same := img == c.Images[0]; same != (i < 3) {
				t.Errorf("step %d runs %s, step 0 %s", i, img, c.Images[0])
			}
		}
	})
}

func TestEveryStepNeedsAnImage(t *testing.T) {
	c := manySteps(2)
	c.Images = c.Images[:1]
	if v := (Signature{&slow{}}).Check(t.Context(), c); v.Kind != run.Refused {
		t.Errorf("a step without an image: %+v", v)
	}
}
