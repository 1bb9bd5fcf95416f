package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/settings"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/memory"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func digest() string { return "sha256:" + strings.Repeat("1", 64) }

const document = `apiVersion: kubernaut.ai/v1alpha1
kind: ActionContract
metadata: {name: demo, version: v1.0.0}
spec:
  description: Does.
  actionType: demo/scale
  timeout: 90s
  idempotent: true
  inputs:
  - {name: repository, type: string, required: true}
  - {name: replicas, type: integer}
  - {name: token, type: string, sensitive: true, pattern: "^[a-z]+$"}
  outputs:
  - {name: word, type: string, description: A word.}
  credentials:
  - {name: git, required: true, description: Of the forge.}
  rbac:
    permissions:
    - {apiGroups: [apps], resources: [deployments], verbs: [get, patch]}
  resources: {limits: {cpu: 100m, memory: 64Mi}}
`

// registry answers with what it was told and lists what it was asked.
type registry struct {
	mu                  sync.Mutex
	document            string
	resolve, read, sign error
	asked               []string
	subjects            []verify.Subject
}

func (r *registry) note(what string, who verify.Subject) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subjects, r.asked = append(r.subjects, who), append(r.asked, what)
}

// Resolve gives every image the same digest.
func (r *registry) Resolve(_ context.Context, ref string, who verify.Subject) (verify.Image, error) {
	r.note("digest", who)
	return verify.Image{Repository: ref, Digest: digest()}, r.resolve
}

// ReadFile returns the contract.
func (r *registry) ReadFile(_ context.Context, img verify.Image, path string, who verify.Subject) ([]byte, error) {
	r.note("contract", who)
	if path != v1alpha1.ContractPath || img.Digest != digest() {
		return nil, errors.New("another file or digest is read")
	}
	return []byte(r.document), r.read
}

// Verify signs what it is told to.
func (r *registry) Verify(ctx context.Context, img verify.Image, who verify.Subject) (verify.Result, error) {
	r.note("signature", who)
	if r.sign != nil {
		return verify.Result{}, r.sign
	}
	return memory.New(map[string]verify.Result{digest(): {Signer: "ada"}}).Verify(ctx, img, who)
}

// whole is the gate of a run as the controller builds it.
func whole(r *registry) Gate {
	return Gate{Digest{r}, Signature{r}, Contract{r}, Inputs{}, Approval{}, Repositories{}, Rights{}}
}

func caseOf() *Case {
	return &Case{
		Run: run.Run{Namespace: "ops", Name: "run", UID: "uid", Steps: []run.Step{{
			Name: "a", Image: "registry.example.com/demo", ActionType: "demo/scale",
			Inputs: []byte(`{"repository":"https://git.example.com/team/app"}`), Credentials: map[string]string{"git": "forge"}}}},
		ContentHash: "sha256:c", Policy: PolicyOf(nil, settings.Merge()), Now: noon(),
	}
}

func TestGateFailsClosed(t *testing.T) {
	if v := (Gate{}).Walk(t.Context(), caseOf()); v.Kind != run.Refused || v.Reason == "" {
		t.Errorf("a gate without checks says %+v", v)
	}
	if v := (Gate{silent{}}).Walk(t.Context(), caseOf()); v.Kind != run.Refused {
		t.Errorf("a check that says nothing lets %+v", v)
	}
	if (run.Verdict{}).Kind == run.Passed {
		t.Error("the zero verdict passes")
	}
}

type silent struct{}

func (silent) Name() string { return "silent" }

func (silent) Check(context.Context, *Case) run.Verdict { return run.Verdict{} }

func TestWholeGate(t *testing.T) {
	refusal := run.Refuse(v1alpha1.ReasonImageUnsigned, "no signature")
	for name, c := range map[string]struct {
		spoil  func(*registry, *Case)
		kind   run.Kind
		reason run.Reason
		asked  string
	}{
		"passes":          {func(*registry, *Case) {}, run.Passed, "", "digest signature contract"},
		"image not found": {func(r *registry, _ *Case) { r.resolve = run.Refuse(v1alpha1.ReasonImageNotFound, "no") }, run.Refused, v1alpha1.ReasonImageNotFound, "digest"},
		"registry down":   {func(r *registry, _ *Case) { r.resolve = errors.New("refused") }, run.Waiting, v1alpha1.ReasonRegistryUnavailable, "digest"},
		"registry says when": {func(r *registry, _ *Case) {
			r.resolve = run.WaitFor(v1alpha1.ReasonRegistryUnavailable, noon().Add(time.Minute), "later")
		}, run.Waiting, v1alpha1.ReasonRegistryUnavailable, "digest"},
		"unsigned":                 {func(r *registry, _ *Case) { r.sign = refusal }, run.Refused, v1alpha1.ReasonImageUnsigned, "digest signature"},
		"unsigned, told wrapped":   {func(r *registry, _ *Case) { r.sign = fmt.Errorf("verify: %w", refusal) }, run.Refused, v1alpha1.ReasonImageUnsigned, "digest signature"},
		"signatures out of reach":  {func(r *registry, _ *Case) { r.sign = context.DeadlineExceeded }, run.Waiting, v1alpha1.ReasonRegistryUnavailable, "digest signature"},
		"contract out of reach":    {func(r *registry, _ *Case) { r.read = errors.New("reset") }, run.Waiting, v1alpha1.ReasonRegistryUnavailable, "digest signature contract"},
		"contract broken":          {func(r *registry, _ *Case) { r.document = "{" }, run.Refused, v1alpha1.ReasonContractInvalid, "digest signature contract"},
		"contract empty":           {func(r *registry, _ *Case) { r.document = "" }, run.Refused, v1alpha1.ReasonContractInvalid, "digest signature contract"},
		"another action":           {func(_ *registry, c *Case) { c.Run.Steps[0].ActionType = "demo/other" }, run.Refused, v1alpha1.ReasonContractMismatch, "digest signature contract"},
		"wrong inputs":             {func(_ *registry, c *Case) { c.Run.Steps[0].Inputs = []byte(`{}`) }, run.Refused, v1alpha1.ReasonInvalidParameters, "digest signature contract"},
		"too many steps":           {func(_ *registry, c *Case) { c.Policy.ApprovalThreshold = 0 }, run.Waiting, v1alpha1.ReasonAwaitingApproval, "digest signature contract"},
		"repository not allowed":   {func(_ *registry, c *Case) { c.Policy.Repositories = [][]string{{"https://other.example.com/"}} }, run.Refused, v1alpha1.ReasonPolicyDenied, "digest signature contract"},
		"rights above the ceiling": {func(_ *registry, c *Case) { c.Policy.Ceilings = append(c.Policy.Ceilings, nil) }, run.Refused, v1alpha1.ReasonRightsExceeded, "digest signature contract"},
	} {
		t.Run(name, func(t *testing.T) {
			r, k := &registry{document: document}, caseOf()
			c.spoil(r, k)
			v := whole(r).Walk(t.Context(), k)
			if v.Kind != c.kind || v.Reason != c.reason || strings.Join(r.asked, " ") != c.asked {
				t.Errorf("verdict %+v after %v, want %v %s after %s", v, r.asked, c.kind, c.reason, c.asked)
			}
			if v.Kind != run.Passed && v.Message == "" {
				t.Error("a verdict without a message")
			}
			if v.Reason == v1alpha1.ReasonRegistryUnavailable && (!v.Until.After(noon()) || v.Until.After(noon().Add(time.Minute))) {
				t.Errorf("worth asking again at %s", v.Until)
			}
		})
	}
}

func TestWalkFillsInTheCase(t *testing.T) {
	c := caseOf()
	c.Run.Steps[0].ActionType = ""
	if v := whole(&registry{document: document}).Walk(t.Context(), c); v.Kind != run.Passed {
		t.Fatal(v)
	}
	if s := c.Run.Steps[0]; s.Image != "registry.example.com/demo@"+digest() || s.ActionType != "demo/scale" || c.Results[0].Signer != "ada" {
		t.Errorf("step %+v, results %+v", s, c.Results)
	}
	want := run.Needs{
		Idempotent: true, RetryableExits: []int{contract.ExitRetryable}, PreconditionExits: []int{contract.ExitPrecondition}, Timeout: 90 * time.Second, Outputs: []string{"word"}, Credentials: []run.CredentialNeed{{Name: "git", Required: true}},
		Permissions: []run.Permission{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "patch"}}},
	}
	got := Needs(c.Contracts[0])
	if got.Limits["memory"] != "64Mi" || got.Limits["cpu"] != "100m" || got.WritableRoot || got.Stdin {
		t.Errorf("needs %+v", got)
	}
	got.Limits, got.Requests, got.User = nil, nil, 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
}

func TestInputsBeforeTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		inputs      string
		credentials map[string]string
		says        string
	}{
		"references":         {`{"repository":"$(params.x)","replicas":"$(params.n)"}`, map[string]string{"git": "s"}, ""},
		"unknown name":       {`{"repository":"r","x":1,"replicas":"$(steps.b.outputs.n)"}`, map[string]string{"git": "s"}, `input "x" is not one`},
		"another case":       {`{"repository":"r","Repository":"x","replicas":"$(steps.b.outputs.n)"}`, map[string]string{"git": "s"}, `input "Repository" is not one`},
		"required one lacks": {`{"replicas":"$(steps.b.outputs.n)"}`, map[string]string{"git": "s"}, `input "repository" is required`},
		"no object":          {`["$(steps.b.outputs.n)"]`, map[string]string{"git": "s"}, "wanted one JSON object"},
		"credential lacks":   {`{"repository":"r"}`, nil, `credential "git" is required`},
		"credential unknown": {`{"repository":"r"}`, map[string]string{"git": "s", "x": "y"}, `credential "x" is not one`},
		"too long":           {`{"repository":"` + strings.Repeat("x", maxInputs) + `"}`, map[string]string{"git": "s"}, "are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			k := caseOf()
			k.Scope, k.Run.Steps[0].Inputs, k.Run.Steps[0].Credentials = scope(), []byte(c.inputs), c.credentials
			v := whole(&registry{document: document}).Walk(t.Context(), k)
			if c.says == "" != (v.Kind == run.Passed) || !strings.Contains(v.Message, c.says) {
				t.Errorf("verdict %+v, want it to say %q", v, c.says)
			}
		})
	}
}
