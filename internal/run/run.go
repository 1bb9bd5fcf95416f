package run

import (
	"encoding/json"
	"fmt"
	"time"
)

// Run is one execution as the planner and the engines see it: pinned, with
// defaults filled in, and never changed by later commits.
type Run struct {
	Namespace, Name, UID string
	// Steps in the order of the workflow, stage by stage.
	Steps []Step
	// Workspace is nil when no step uses one.
	Workspace *Workspace
	// Deadline after which the steps of Main are stopped.
	Deadline time.Time
	// FinallyTimeout bounds OnFailure and Finally, each for itself.
	FinallyTimeout time.Duration
	// Closing is set once a stage behind Main was begun.
	Closing *Closing
	// GoOn starts steps that do not depend on one that failed.
	GoOn bool
	// Fresh has an engine look past its cache, where a late one would do harm.
	Fresh bool
	// Started holds, by step or item, the newest attempt that was started and that
	// nobody has seen the end of. An engine whose view lacks it looks again, past
	// its cache.
	Started map[string]int
	// Facts that actions may tell reviewers, by variable name.
	Facts map[string]string
	// Values that conditions name.
	Values Values
}

// Values are what conditions of a run may name, beside what its steps came to.
type Values struct {
	// Parameters and facts of the execution, by name; parameters are JSON.
	Parameters map[string]json.RawMessage
	Execution  map[string]string
	// Target holds apiVersion, kind, namespace and name; nil if there is none.
	Target map[string]string
	// ParameterTypes and, by step, OutputTypes of all that conditions name.
	ParameterTypes map[string]string
	OutputTypes    map[string]map[string]string
}

// Stage is a part of a run.
type Stage string

// Stages of a run in their order.
const (
	Main      Stage = ""
	OnFailure Stage = "OnFailure"
	Finally   Stage = "Finally"
)

// Stages lists them in their order.
func Stages() []Stage { return []Stage{Main, OnFailure, Finally} }

// Before says whether a stage comes before another one.
func (s Stage) Before(other Stage) bool {
	return s == Main && other != Main || s == OnFailure && other == Finally
}

// Closing is a stage behind Main, and what the run came to before it.
type Closing struct {
	Stage    Stage
	Deadline time.Time
	Outcome  Outcome
}

// Stage is the one that runs.
func (r Run) Stage() Stage {
	if r.Closing == nil {
		return Main
	}
	return r.Closing.Stage
}

// In lists the steps of a stage.
func (r Run) In(stage Stage) []Step {
	var out []Step
	for _, s := range r.Steps {
		if s.Stage == stage {
			out = append(out, s)
		}
	}
	return out
}

// Step is one action of a run.
type Step struct {
	Name string
	// Stage that the step belongs to.
	Stage Stage
	// ActionType such as "git/clone"; empty if an inline step does not say.
	ActionType string
	// Image pinned to a digest, "repository@sha256:…".
	Image string
	// Inputs is a JSON object. What an engine is given has every reference replaced.
	Inputs json.RawMessage
	// RunAfter names the steps that must have succeeded before.
	RunAfter []string
	// After lists further steps and the ends of theirs that this one starts after.
	After []Edge
	// When is a condition; the step is skipped if it is false. Empty is true.
	When string
	// Preconditions fail the step that is about to start while one is false.
	Preconditions []Precondition
	// ForEach repeats the step for each item of a list.
	ForEach *ForEach
	// Of is set in a step that stands for one item of another one.
	Of *Item
	// Continue lets the run go on, and succeed, when this step fails.
	Continue bool
	// UsesWorkspace mounts the shared volume.
	UsesWorkspace bool
	// Attempt to start, from 1; zero means 1.
	Attempt int
	// Retries of the step; the zero value is none.
	Retries Retries
	// Timeout of one attempt; zero means the contract's, else 10 minutes.
	Timeout time.Duration
	// Credentials maps the contract's names to Secrets of the namespace.
	Credentials map[string]string
	// ServiceAccount to run as; empty means one made from the contract's rights.
	ServiceAccount string
}

// Precondition is a condition and what to tell where it does not hold.
type Precondition struct{ Condition, Message string }

// ForEach is the list that a step is repeated for.
type ForEach struct {
	// Items is a JSON list, or a text that is one reference to a list.
	Items json.RawMessage
	// Max is the longest list that is taken.
	Max int
	// Units names the steps of the items once the list is known; Problem says why
	// it cannot be.
	Units   []string
	Problem *Note
}

// Most is how many items there can be: those of a list that stands there, or
// Max; none without a ForEach.
func (f *ForEach) Most() int {
	if f == nil {
		return 0
	}
	var list []json.RawMessage
	if json.Unmarshal(f.Items, &list) == nil && list != nil {
		return len(list)
	}
	return f.Max
}

// Item is one item of a step with ForEach.
type Item struct {
	Step  string
	Index int
	Value json.RawMessage
}

// Unit names the step of one item, such as "scale[2]".
func Unit(step string, index int) string { return fmt.Sprintf("%s[%d]", step, index) }

// Base is the name of the step in its workflow.
func (s Step) Base() string {
	if s.Of != nil {
		return s.Of.Step
	}
	return s.Name
}

// Edge is an end of another step that a step starts after.
type Edge struct {
	Step string
	// On lists the ends: Succeeded, Failed, Skipped; Always is AnyEnd.
	On []State
}

// AnyEnd in an Edge stands for every end.
const AnyEnd State = "Always"

// Needs lists all edges of a step, those of RunAfter first.
func (s Step) Needs() []Edge {
	out := make([]Edge, 0, len(s.RunAfter)+len(s.After))
	for _, name := range s.RunAfter {
		out = append(out, Edge{Step: name, On: []State{Succeeded}})
	}
	return append(out, s.After...)
}

// Workspace is the volume that steps share.
type Workspace struct {
	// Size is a Kubernetes quantity such as "1Gi".
	Size string
	// StorageClass; nil means the cluster's default.
	StorageClass *string
}

// State is where a step stands.
type State string

// States of a step. Absent is explicit: nothing was started, or it is gone.
const (
	Absent    State = ""
	Pending   State = "Pending"
	Running   State = "Running"
	Succeeded State = "Succeeded"
	Failed    State = "Failed"
	Cancelled State = "Cancelled"
	// Skipped is what the planner calls a step that never will be started; no
	// engine sees it.
	Skipped State = "Skipped"
)

// Ended says whether the state is final.
func (s State) Ended() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Accepted is the message of a step that was started, until there is more to say
// than that all is well: the same as long as that is so.
const Accepted = "started"

// AwaitsPod is the message of a step whose Job exists and whose pod does not
// run yet; the same as long as that is so.
const AwaitsPod = "waits for the pod of the Job to run"

// Seen is what an engine sees of one step.
type Seen struct {
	State    State
	Reason   Reason
	Message  string
	Started  time.Time
	Finished time.Time
	// Outputs is one JSON object, at most 2 KiB; nil if there is none.
	Outputs json.RawMessage
	// Ref names the engine's object for the step.
	Ref string
	// ExitCode of the action; nil while it is not known.
	ExitCode *int32
	// Node where the step runs or ran.
	Node string
	// Stopping is true once Stop was asked of the step.
	Stopping bool
	// Attempt is the newest one, from 1, which all else here is about.
	Attempt int
	// Lost is how many attempts before it were lost before their action began.
	Lost int
	// Cause of a failure that another attempt may mend; empty if none may.
	Cause Cause
	// Began says of a failure with a Cause whether the action may have done anything.
	Began bool
	// Repeatable says of one whether the action is idempotent.
	Repeatable bool
}

// Uncounted says whether the attempt was lost before its action began, so that
// it does not count.
func (s Seen) Uncounted() bool {
	return s.State == Failed && s.Cause == Infrastructure && !s.Began
}

// Observation is what an engine sees of a run.
type Observation struct {
	// Steps by name; a step that is missing here is Absent.
	Steps map[string]Seen
	// Workspace names the shared volume's claim; empty if there is none.
	Workspace string
}

// Decision is what shall happen next. The zero Decision is: nothing, wait for events.
type Decision struct {
	// Start names the steps to start now, each with the attempt after the newest
	// one that was seen.
	Start []string
	// Skip lists steps that will never start, each with its reason.
	Skip []Note
	// Done lists steps that succeed with nothing to do, each with its reason.
	Done []Note
	// Fail lists steps that fail without having been started, each with its reason.
	Fail []Note
	// Hold lists steps that cannot start yet, each with its reason.
	Hold []Note
	// Stop asks the engine to stop what runs; empty means no.
	Stop Reason
	// Closing is the stage that begins once it is written down.
	Closing *Closing
	// Outcome is set when nothing runs and nothing is left to start.
	Outcome *Outcome
	// WakeAt is when to decide again without an event; zero means never.
	WakeAt time.Time
}

// Note is a reason about a step.
type Note struct {
	Step    string
	Reason  Reason
	Message string
	// RetryAt is when a held step whose last attempt failed may start again.
	RetryAt time.Time
}

// Outcome is how a run ended.
type Outcome struct {
	// State is Succeeded, Failed or Cancelled.
	State   State
	Reason  Reason
	Message string
}

// Traits are the constant differences between engines.
type Traits struct {
	// OrdersSteps: the engine keeps the graph's order itself, so the whole graph
	// is started at once.
	OrdersSteps bool
	// MaxOutputBytes of one step that travel in status.
	MaxOutputBytes int
}

// Kind of a Verdict.
type Kind int

// Kinds of a Verdict; the zero value refuses.
const (
	Refused Kind = iota
	Waiting
	Passed
)

// Verdict of a check. The zero Verdict refuses.
type Verdict struct {
	Kind    Kind
	Reason  Reason
	Message string
	// Until is when a Waiting verdict is worth asking again; zero means that an
	// event is watched for.
	Until time.Time
}

// Pass is the verdict that lets a run go on.
func Pass() Verdict { return Verdict{Kind: Passed} }
