package contract_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubernaut/kubernaut/actions/contract"
)

func full(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func parse(t testing.TB, text string) contract.Contract {
	t.Helper()
	c, err := contract.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseFillsTheFloor(t *testing.T) {
	c := parse(t, full(t))
	sc := c.Spec.SecurityContext
	if !*sc.RunAsNonRoot || *sc.RunAsUser != contract.DefaultUser || !*sc.ReadOnlyRootFilesystem || *sc.AllowPrivilegeEscalation {
		t.Errorf("security context is not the floor: %+v", sc)
	}
	if diff := cmp.Diff([]string{"ALL"}, sc.Capabilities.Drop); diff != "" {
		t.Error(diff)
	}
	if got := c.Spec.RBAC.Permissions[0].Scope; got != contract.ScopeNamespace {
		t.Errorf("scope %q", got)
	}
	if diff := cmp.Diff(c.Spec.Resources.Limits, c.Spec.Resources.Requests); diff != "" {
		t.Errorf("requests default to limits: %s", diff)
	}
	if c.Spec.Input != contract.InputEnv {
		t.Errorf("input %q", c.Spec.Input)
	}
}

// TestParseOwnJSON: an Action's status keeps the contract as JSON.
func TestParseOwnJSON(t *testing.T) {
	c := parse(t, full(t))
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, parse(t, string(raw))); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range faults() {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(full(t), c.from, c.to, 1)
			if text == full(t) {
				t.Fatal("the case changes nothing")
			}
			_, err := contract.Parse([]byte(text))
			var invalid *contract.Invalid
			if !errors.As(err, &invalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a finding with %q", err, c.want)
			}
		})
	}
}

// fault replaces one text of the full contract by another.
type fault struct{ from, to, want string }

func faults() map[string]fault {
	limits := "    limits: {cpu: 200m, memory: 64Mi}"
	return map[string]fault{
		"unknown field":        {"  idempotent: true", "  idempotant: true", `unknown field "spec.idempotant"`},
		"duplicate key":        {"  timeout: 5m", "  timeout: 5m\n  timeout: 6m", "already set"},
		"second document":      {"kind: ActionContract", "kind: ActionContract\n---", "several YAML documents"},
		"wrong type":           {"  idempotent: true", "  idempotent: [1]", "document"},
		"kind":                 {"kind: ActionContract", "kind: Action", "kind: found"},
		"apiVersion":           {"v1alpha1", "v2", "apiVersion: found"},
		"name":                 {"name: resize", "name: Resize", "metadata.name"},
		"version":              {"v1.2.3", "1.2.3", "metadata.version"},
		"type name":            {"kubernetes/resize", "resize", "spec.actionType"},
		"input channel":        {"  idempotent: true", "  input: pipe", "spec.input"},
		"unknown type":         {"{name: file, type: string}", "{name: file, type: text}", "spec.inputs[9].type"},
		"name twice":           {"{name: file, type: string}", "{name: items, type: string}", "used once"},
		"dependency":           {"dependsOn: [file]", "dependsOn: [nothing]", "dependsOn"},
		"own dependency":       {"dependsOn: [file]", "dependsOn: [patch]", "dependsOn"},
		"loose pattern":        {"^[a-z]{4,}$", "[a-z]{4,}", "from ^ to $"},
		"bad pattern":          {"^[a-z]{4,}$", "^[a-z{4,}$", "RE2"},
		"pattern on integer":   {"default: 3", "default: 3, pattern: ^3$", "no pattern"},
		"default out of range": {"default: 3", "default: 11", "at most 10"},
		"default not in enum":  {"default: safe", "default: slow", "one of"},
		"default and required": {"default: 3", "default: 3, required: true", "is required"},
		"sensitive default":    {"sensitive: true,", "sensitive: true, default: hunter,", "is sensitive"},
		"bound on string":      {"{name: file, type: string}", "{name: file, type: string, minimum: 3}", "no bound"},
		"crossed bounds":       {"minimum: 0, maximum: 10", "minimum: 11, maximum: 10", "at most the maximum"},
		"bound type":           {"maximum: 4Gi", "maximum: lots", "quantity"},
		"reserved output":      {"name: previous", "name: error", "reserved"},
		"no limits":            {limits, "    limits: {cpu: 200m}", "spec.resources.limits.memory"},
		"limit too high":       {limits, "    limits: {cpu: 200m, memory: 64Gi}", "from 8Mi to 8Gi"},
		"request over limit":   {limits, limits + "\n    requests: {cpu: 300m}", "at most the limit"},
		"other resource":       {limits, "    limits: {cpu: 200m, memory: 64Mi, gpu: 1}", "unknown field"},
		"wildcard verb":        {"[get, update]", `["*"]`, "verbs"},
		"escalating verb":      {"[get, update]", "[escalate]", "verbs"},
		"wildcard group":       {"apiGroups: [apps]", `apiGroups: ["*"]`, "apiGroups"},
		"wildcard resource":    {"[deployments, deployments/scale]", `["*/scale"]`, "resources"},
		"scope":                {"verbs: [get, update]", "verbs: [get]\n        scope: World", "scope"},
		"root":                 {"  timeout: 5m", "  securityContext: {runAsUser: 0}", "not root"},
		"as root":              {"  timeout: 5m", "  securityContext: {runAsNonRoot: false}", "runAsNonRoot"},
		"writable root":        {"  timeout: 5m", "  securityContext: {readOnlyRootFilesystem: false}", "readOnlyRootFilesystem"},
		"escalation":           {"  timeout: 5m", "  securityContext: {allowPrivilegeEscalation: true}", "allowPrivilegeEscalation"},
		"keeps capabilities":   {"  timeout: 5m", "  securityContext: {capabilities: {drop: [NET_RAW]}}", "[ALL]"},
		"adds capabilities":    {"  timeout: 5m", "  securityContext: {capabilities: {drop: [ALL], add: [SYS_ADMIN]}}", "unknown field"},
		"privileged":           {"  timeout: 5m", "  securityContext: {privileged: true}", "unknown field"},
		"timeout":              {"timeout: 5m", "timeout: 25h", "spec.timeout"},
		"credential":           {"{name: git, required: true}", "{name: ../git}", "spec.credentials[0].name"},
		"exit code":            {"  timeout: 5m", "  exitCodes: [{code: 3, meaning: success}]", "code 0"},
	}
}

func TestParseListsAllFindings(t *testing.T) {
	text := strings.NewReplacer("name: resize", "name: Resize", "kind: ActionContract", "kind: X", "timeout: 5m", "timeout: x\n  a: 1\n  b: 2").Replace(full(t))
	_, err := contract.Parse([]byte(text))
	var invalid *contract.Invalid
	if !errors.As(err, &invalid) || len(invalid.Findings) != 5 {
		t.Errorf("want five findings, got %v", err)
	}
}

func TestParseSizeCap(t *testing.T) {
	big := full(t) + "#" + strings.Repeat("x", contract.MaxDocument)
	if _, err := contract.Parse([]byte(big)); err == nil {
		t.Error("a document above the cap was read")
	}
}

func TestHash(t *testing.T) {
	if a, b := contract.Hash([]byte("a")), contract.Hash([]byte("b")); a == b || !strings.HasPrefix(a, "sha256:") || len(a) != 71 {
		t.Errorf("%s %s", a, b)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full(f)))
	f.Add([]byte("{}"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte(strings.Replace(full(f), "type: integer, default: 3", "type: integer, pattern: ^a$, default: 3", 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := contract.Parse(data)
		if err != nil {
			return
		}
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := contract.Parse(raw)
		if err != nil {
			t.Fatalf("own JSON is refused: %v", err)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Fatal(diff)
		}
		if !*again.Spec.SecurityContext.RunAsNonRoot {
			t.Fatal("the floor was loosened")
		}
	})
}

func TestRetryableExits(t *testing.T) {
	own := []contract.ExitCode{{Code: 2, Meaning: "retryable"}, {Code: 3, Meaning: "terminal"}, {Code: 75, Meaning: "refused"}}
	for name, c := range map[string]struct {
		spec contract.Spec
		want []int
	}{
		"ours":                     {contract.Spec{Idempotent: true}, []int{contract.ExitRetryable}},
		"ours, and not idempotent": {contract.Spec{}, nil},
		"its own":                  {contract.Spec{Idempotent: true, ExitCodes: own}, []int{2}},
		"its own promise":          {contract.Spec{ExitCodes: own}, []int{2}},
		"none of its own":          {contract.Spec{Idempotent: true, ExitCodes: own[1:]}, nil},
	} {
		if diff := cmp.Diff(c.want, contract.Contract{Spec: c.spec}.RetryableExits()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
