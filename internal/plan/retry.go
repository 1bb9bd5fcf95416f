package plan

import (
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/expr"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Repeats says whether a failed attempt may be followed by another one, as far
// as the step alone is concerned. What was lost before its action began is not
// counted. What began may be done again if the action is idempotent, or ended
// with an exit code by which its contract itself says so.
func Repeats(step run.Step, seen run.Seen) bool {
	switch {
	case seen.State != run.Failed || seen.Cause == "":
		return false
	case seen.Uncounted():
		return seen.Lost < run.MaxLost
	case seen.Cause != run.RetryableExit && seen.Began && !seen.Repeatable:
		return false
	}
	return counted(seen) <= step.Retries.Limit && slices.Contains(step.Retries.Causes, seen.Cause)
}

// counted is the number of attempts without those that were lost before.
func counted(seen run.Seen) int { return max(1, seen.Attempt) - seen.Lost }

// Due is when the attempt after a failed one may start. The pause is spread by
// 10 %, so that steps that failed together do not return together; by a hash,
// so that the same state gives the same time.
func Due(uid string, step run.Step, seen run.Seen) time.Time {
	r := step.Retries
	pause := min(r.Initial, r.Max)
	for range max(1, seen.Attempt) - 1 {
		if pause > r.Max/time.Duration(max(1, r.Factor)) {
			pause = r.Max
			break
		}
		pause *= time.Duration(max(1, r.Factor))
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%s/%d", uid, step.Name, seen.Attempt)
	spread := time.Duration(h.Sum64()%2001) - 1000 // in 1/10000 of the pause
	return seen.Finished.Add(pause + pause/10000*spread)
}

// retry notes a step whose last attempt failed and is to be repeated in time;
// such a step neither runs nor has it failed.
func (p *pass) retry(step run.Step) bool {
	seen := p.Seen.Steps[step.Name]
	if p.stop() != "" || !Repeats(step, seen) {
		return false
	}
	due := Due(p.Run.UID, step, seen)
	if !due.Before(p.Run.Deadline) {
		return false
	}
	p.retries[step.Name], p.stands[step.Name] = due, run.Pending
	return true
}

// repeat starts the next attempt of a step, or holds it until its time has
// come. It is given up where no step would start: another one failed.
func (p *pass) repeat(step run.Step, due time.Time, d *run.Decision) {
	if p.failed != "" && !p.Run.GoOn && !p.behind[step.Name] {
		p.stands[step.Name] = run.Failed
		p.ends[step.Name] = expr.Outcome{Phase: string(run.Failed), Reason: string(p.Seen.Steps[step.Name].Reason)}
		p.behind[step.Name] = matters(step, run.Failed)
		return
	}
	n := p.hold(step, nil) // its edges were taken before
	if !p.Suspended && p.Now.Before(due) {
		n = &run.Note{Step: step.Name, Reason: v1alpha1.ReasonRetrying, Message: failure(step, p.Seen.Steps[step.Name], due)}
	}
	if n != nil {
		n.RetryAt = due
		d.Hold = append(d.Hold, *n)
		return
	}
	p.running++
	d.Start = append(d.Start, step.Name)
}

// failure tells what failed, which attempt it was and when there is another.
func failure(step run.Step, seen run.Seen, due time.Time) string {
	what := fmt.Sprintf("attempt %d of %d failed", counted(seen), step.Retries.Limit+1)
	if seen.Uncounted() {
		what = fmt.Sprintf("an attempt was lost that is not counted, %d of at most %d", seen.Lost+1, run.MaxLost)
	}
	return fmt.Sprintf("%s; the next starts at %s: %s", what, due.Add(time.Second-time.Nanosecond).UTC().Format(time.RFC3339), seen.Message)
}

// wakeAt is the first of a time and those at which a held step is tried again.
func wakeAt(at time.Time, held []run.Note) time.Time {
	for _, n := range held {
		if n.Reason == v1alpha1.ReasonRetrying && n.RetryAt.Before(at) {
			at = n.RetryAt
		}
	}
	return at
}
