package rule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

const (
	// decision is where a rule in Rego says whether a document will do.
	decision = "data.sigstore.isCompliant"
	// maxTime of one evaluation. Rules in use take less than a millisecond.
	maxTime = time.Second
)

// module is a rule in Rego. A prepared query may be used by many at once.
type module struct{ query rego.PreparedEvalQuery }

// compileRego reads the older syntax first, as Policy Controller does, and then
// today's. Functions whose answer is not given by their arguments, such as
// http.send, do not exist for rules: they would let a policy reach out of the
// controller.
func compileRego(text string) (module, error) {
	parsed, old := ast.ParseModuleWithOpts("rule.rego", text, ast.ParserOptions{RegoVersion: ast.RegoV0})
	version := ast.RegoV0
	if old != nil {
		var err error
		if parsed, err = ast.ParseModuleWithOpts("rule.rego", text, ast.ParserOptions{RegoVersion: ast.RegoV1}); err != nil {
			return module{}, errors.New(brief(fmt.Sprintf("as Rego v0: %v; as Rego v1: %v", old, err)))
		}
		version = ast.RegoV1
	}
	if name := parsed.Package.Path.String(); name != "data.sigstore" {
		return module{}, fmt.Errorf("the rule is in %s: it has to say \"package sigstore\"", name)
	}
	if !slices.ContainsFunc(parsed.Rules, func(r *ast.Rule) bool { return r.Head.Ref().String() == "isCompliant" }) {
		return module{}, errors.New("the rule does not define isCompliant")
	}
	query, err := rego.New(rego.Query(decision), rego.ParsedModule(parsed), rego.SetRegoVersion(version),
		rego.Capabilities(pure()), rego.StrictBuiltinErrors(true)).PrepareForEval(context.Background())
	if err != nil {
		return module{}, errors.New(brief(err.Error()))
	}
	return module{query: query}, nil
}

func pure() *ast.Capabilities {
	can := ast.CapabilitiesForThisVersion()
	can.Builtins = slices.DeleteFunc(can.Builtins, func(b *ast.Builtin) bool { return b.Nondeterministic })
	can.AllowNet = []string{}
	return can
}

// answer is what isCompliant may hold beside true and false.
type answer struct {
	Result  bool   `json:"result"`
	Error   string `json:"error"`
	Warning string `json:"warning"`
}

// Evaluate demands that isCompliant is true, or a set of answers of which one
// has a true result.
func (m module) Evaluate(ctx context.Context, document []byte) ([]string, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var input any
	if err := decoder.Decode(&input); err != nil {
		return nil, fmt.Errorf("parse document: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	results, err := m.query.Eval(ctx, rego.EvalInput(input))
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("%w after %s", policy.ErrCutShort, maxTime)
	}
	if err != nil {
		return nil, errors.New(brief(err.Error()))
	}
	if len(results) == 0 || len(results[0].Expressions) == 0 {
		return nil, errors.New("isCompliant is undefined for it")
	}
	return conclude(results[0].Expressions[0].Value)
}

func conclude(value any) ([]string, error) {
	if yes, ok := value.(bool); ok {
		if yes {
			return nil, nil
		}
		return nil, errors.New("isCompliant is false")
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode isCompliant: %w", err)
	}
	answers := []answer{}
	if value, ok := value.(map[string]any); ok && value != nil {
		data = slices.Concat([]byte("["), data, []byte("]"))
	}
	if err := json.Unmarshal(data, &answers); err != nil {
		return nil, errors.New("isCompliant is neither a boolean nor made of objects with result, error and warning")
	}
	why := "isCompliant holds no answer with a true result"
	for _, a := range answers {
		switch {
		case a.Result && a.Warning != "":
			return []string{brief(a.Warning)}, nil
		case a.Result:
			return nil, nil
		case a.Error != "":
			why = brief(a.Error)
		}
	}
	return nil, errors.New(why)
}
