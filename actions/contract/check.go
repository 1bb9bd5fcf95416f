package contract

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Shapes of the names in a contract. They are compiled once: a contract is read
// at each start of a step.
var (
	nameShape     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$`)
	typeShape     = regexp.MustCompile(`^[a-z0-9-]{1,63}/[a-z0-9-]{1,63}$`)
	versionShape  = regexp.MustCompile(`^v(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})$`)
	fieldShape    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)
	labelShape    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	groupShape    = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,252}$`)
	resourceShape = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}(/[a-z][a-z-]{0,62})?$`)
)

// Bounds of the texts in a contract.
const (
	maxDescription  = 2048
	maxFields       = 64
	maxPattern      = 256
	maxTimeout      = 24 * time.Hour
	versionHint     = "vMAJOR.MINOR.PATCH"
	descriptionHint = "text of 1 to 2048 bytes"
)

// fillDefaults makes explicit what a document may leave out.
func fillDefaults(c *Contract) {
	if c.Spec.Input == "" {
		c.Spec.Input = InputEnv
	}
	for i := range c.Spec.RBAC.Permissions {
		if c.Spec.RBAC.Permissions[i].Scope == "" {
			c.Spec.RBAC.Permissions[i].Scope = ScopeNamespace
		}
	}
	fillFloor(c)
}

func check(f *findings, c Contract) {
	f.want(c.APIVersion == APIVersion, "apiVersion", c.APIVersion, APIVersion)
	f.want(c.Kind == Kind, "kind", c.Kind, Kind)
	f.want(nameShape.MatchString(c.Metadata.Name), "metadata.name", c.Metadata.Name, `lower-case letters, digits and dashes, or "domain/name"`)
	f.want(versionShape.MatchString(c.Metadata.Version), "metadata.version", c.Metadata.Version, versionHint)
	n := len(c.Spec.Description)
	f.want(n > 0 && n <= maxDescription, "spec.description", c.Spec.Description, descriptionHint)
	f.want(typeShape.MatchString(c.Spec.ActionType), "spec.actionType", c.Spec.ActionType, "domain/name with dashes")
	f.want(c.Spec.Input == InputEnv || c.Spec.Input == InputStdin, "spec.input", c.Spec.Input, `"env" or "stdin"`)
	checkInputs(f, c.Spec.Inputs)
	checkOutputs(f, c.Spec.Outputs)
	checkCredentials(f, c.Spec.Credentials)
	checkExitCodes(f, c.Spec.ExitCodes)
	checkTimeout(f, c.Spec.Timeout)
	checkRBAC(f, c.Spec.RBAC)
	checkFloor(f, c.Spec)
}

func checkInputs(f *findings, inputs []Input) {
	f.want(len(inputs) <= maxFields, "spec.inputs", len(inputs), "at most 64 inputs")
	names := map[string]bool{}
	for i, in := range inputs {
		at := fmt.Sprintf("spec.inputs[%d]", i)
		checkName(f, at, in.Name, names)
		f.want(len(in.Description) <= maxDescription, at+".description", len(in.Description), "at most 2048 bytes")
		if !f.knownType(at, in.Type) {
			continue
		}
		checkPattern(f, at, in)
		if checkBounds(f, at, in) {
			checkExamples(f, at, in)
		}
	}
	for i, in := range inputs {
		for _, other := range in.DependsOn {
			ok := names[other] && other != in.Name
			f.want(ok, fmt.Sprintf("spec.inputs[%d].dependsOn", i), other, "the name of another input")
		}
	}
}

func checkName(f *findings, at, name string, names map[string]bool) {
	f.want(fieldShape.MatchString(name), at+".name", name, "a letter, then at most 62 letters, digits, dashes and underscores")
	f.want(!names[name], at+".name", name, "a name that is used once")
	names[name] = true
}

func (f *findings) knownType(at string, t Type) bool {
	known := []Type{String, Integer, Number, Boolean, Array, Object, Duration, Quantity}
	ok := slices.Contains(known, t)
	f.want(ok, at+".type", t, "string, integer, number, boolean, array, object, duration or quantity")
	return ok
}

func checkPattern(f *findings, at string, in Input) {
	if in.Pattern == "" {
		return
	}
	f.want(in.Type == String, at+".pattern", in.Pattern, "no pattern, since the type is "+string(in.Type))
	anchored := strings.HasPrefix(in.Pattern, "^") && strings.HasSuffix(in.Pattern, "$")
	f.want(anchored && len(in.Pattern) <= maxPattern, at+".pattern", in.Pattern, "at most 256 bytes from ^ to $")
	_, err := compile(in.Pattern)
	f.want(err == nil, at+".pattern", in.Pattern, "a regular expression in RE2 syntax")
}

// compile anchors the whole expression, since "^a|b$" is anchored in looks only.
func compile(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}

// checkBounds says whether the bounds can be compared with.
func checkBounds(f *findings, at string, in Input) bool {
	before := len(f.list)
	bounds := map[string]any{".minimum": in.Minimum, ".maximum": in.Maximum}
	for _, name := range []string{".minimum", ".maximum"} {
		if bounds[name] == nil {
			continue
		}
		f.want(in.Type.ordered(), at+name, bounds[name], "no bound, since the type is "+string(in.Type))
		_, ok := in.Type.accept(bounds[name])
		f.want(ok, at+name, bounds[name], in.Type.describe())
	}
	if len(f.list) > before || in.Minimum == nil || in.Maximum == nil {
		return len(f.list) == before
	}
	f.want(in.Type.compare(in.Minimum, in.Maximum) <= 0, at+".minimum", in.Minimum, "at most the maximum")
	return true
}

// checkExamples holds enum and default against the input's own rules.
func checkExamples(f *findings, at string, in Input) {
	f.want(len(in.Enum) <= maxFields, at+".enum", len(in.Enum), "at most 64 values")
	plain := in
	plain.Enum, plain.Sensitive = nil, false
	scalar := in.Type != Array && in.Type != Object && in.Type != Boolean
	f.want(len(in.Enum) == 0 || scalar, at+".enum", in.Enum, "no enum, since the type is "+string(in.Type))
	for _, v := range in.Enum {
		_, found := plain.accept(at+".enum", v)
		f.list = append(f.list, found...)
	}
	if in.Default == nil {
		return
	}
	f.want(!in.Required, at+".default", in.Default, "no default, since the input is required")
	f.want(!in.Sensitive, at+".default", "(hidden)", "no default, since the input is sensitive")
	if !in.Sensitive {
		_, found := in.accept(at+".default", in.Default)
		f.list = append(f.list, found...)
	}
}

func checkOutputs(f *findings, outputs []Output) {
	f.want(len(outputs) <= maxFields, "spec.outputs", len(outputs), "at most 64 outputs")
	names := map[string]bool{}
	for i, out := range outputs {
		at := fmt.Sprintf("spec.outputs[%d]", i)
		checkName(f, at, out.Name, names)
		f.knownType(at, out.Type)
		reserved := out.Name == OutputError || out.Name == OutputTruncated || out.Name == OutputFile
		f.want(!reserved, at+".name", out.Name, "a name that is not reserved")
		f.want(len(out.Description) <= maxDescription, at+".description", len(out.Description), "at most 2048 bytes")
	}
}

func checkCredentials(f *findings, credentials []Credential) {
	f.want(len(credentials) <= 8, "spec.credentials", len(credentials), "at most 8")
	names := map[string]bool{}
	for i, c := range credentials {
		at := fmt.Sprintf("spec.credentials[%d]", i)
		f.want(labelShape.MatchString(c.Name), at+".name", c.Name, "lower-case letters, digits and dashes")
		f.want(!names[c.Name], at+".name", c.Name, "a name that is used once")
		f.want(len(c.Description) <= maxDescription, at+".description", len(c.Description), "at most 2048 bytes")
		names[c.Name] = true
	}
}

func checkExitCodes(f *findings, codes []ExitCode) {
	f.want(len(codes) <= maxFields, "spec.exitCodes", len(codes), "at most 64")
	seen := map[int]bool{}
	meanings := []string{"success", MeaningRetryable, "terminal", MeaningPrecondition, "refused"}
	for i, c := range codes {
		at := fmt.Sprintf("spec.exitCodes[%d]", i)
		f.want(c.Code >= 0 && c.Code <= 255 && !seen[c.Code], at+".code", c.Code, "0 to 255, each once")
		f.want(slices.Contains(meanings, c.Meaning), at+".meaning", c.Meaning, strings.Join(meanings, ", "))
		f.want((c.Code == 0) == (c.Meaning == "success"), at, c, "success for code 0 and for no other, as Kubernetes counts")
		seen[c.Code] = true
	}
}

func checkTimeout(f *findings, timeout string) {
	if timeout == "" {
		return
	}
	d, err := time.ParseDuration(timeout)
	f.want(err == nil && d >= time.Second && d <= maxTimeout, "spec.timeout", timeout, "a duration from 1s to 24h")
}
