package repo

import (
	"go/ast"
	"regexp"
	"strings"
)

func apiRules() []rule {
	spec := func(field string) string {
		return "// Package v1alpha1 is.\npackage v1alpha1\n// S is.\ntype S struct {\n" + field + "\n}"
	}
	at := "api/v1alpha1/s_types.go"
	return []rule{
		{"API fields are documented", fieldDocs, []sample{one(at, spec("// +required\nA int64 `json:\"a\"`"), "A has no doc")}},
		{"API fields are optional or required", fieldMarkers, []sample{
			one(at, spec("// A is.\nA int64 `json:\"a\"`"), "A is neither"),
			one(at, spec("// A is.\n// +optional\n// +required\nA int64 `json:\"a\"`"), "A is both"),
		}},
		{"API fields are bounded", fieldBounds, []sample{
			one(at, spec("// A is.\n// +required\nA string `json:\"a\"`"), "A has no MaxLength or Enum"),
			one(at, spec("// A is.\n// +required\nA *string `json:\"a\"`"), "A has no MaxLength or Enum"),
			one(at, spec("// A is.\n// +listType=atomic\nA []int64 `json:\"a\"`"), "A has no MaxItems"),
			one(at, spec("// A is.\n// +kubebuilder:validation:MaxItems=1\nA []int64 `json:\"a\"`"), "A has no listType"),
			one(at, spec("// A is.\n// +listType=atomic\n// +kubebuilder:validation:MaxItems=1\nA []string `json:\"a\"`"), "A has no items:MaxLength"),
			one(at, spec("// A is.\nA map[string]string `json:\"a\"`"), "A has no MaxProperties"),
			one(at, spec("// A is.\nA *metav1.Duration `json:\"a\"`"), "A has no Pattern"),
		}},
		{"API fields have plain types", fieldTypes, []sample{
			one(at, spec("// A is.\nA float64 `json:\"a\"`"), "A is a float64"),
			one(at, spec("// A is.\nA *corev1.PodTemplateSpec `json:\"a\"`"), "A is a corev1.PodTemplateSpec"),
		}},
		{"conditions and reasons are explained", reasonDocs, []sample{
			one("api/v1alpha1/conditions.go", "package v1alpha1\n// Reasons.\nconst (\n// ReasonA: it is. Do that.\nReasonA = \"A\"\nReasonB = \"B\"\n)", "ReasonB"),
			one("api/v1alpha1/other.go", "package v1alpha1\n// ReasonA: it is.\nconst ReasonA = \"A\"", "belongs into conditions.go"),
		}},
	}
}

// field is one field of an API type.
type field struct {
	name, kind, doc string
	node            *ast.Field
}

func (f field) marked(expr string) bool {
	return regexp.MustCompile(`(?m)^\s*\+(kubebuilder:validation:)?` + expr).MatchString(f.doc)
}

// fields calls visit for each field of the kinds, but for the inlined and
// metadata ones that Kubernetes defines.
func (t *tree) fields(visit func(field) string) []string {
	var out []string
	for _, f := range t.files {
		if f.dir() != "api/v1alpha1" || !f.product() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			s, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			body, ok := s.Type.(*ast.StructType)
			if !ok || strings.HasSuffix(s.Name.Name, "List") {
				return true
			}
			for _, node := range body.Fields.List {
				if finding := visitField(node, visit); finding != "" {
					out = append(out, t.at(node.Pos(), "%s", finding))
				}
			}
			return true
		})
	}
	return out
}

func visitField(node *ast.Field, visit func(field) string) string {
	if len(node.Names) == 0 {
		return ""
	}
	f := field{name: node.Names[0].Name, kind: typeName(node.Type), node: node}
	if node.Doc != nil {
		for _, c := range node.Doc.List {
			f.doc += strings.TrimPrefix(c.Text, "//") + "\n"
		}
	}
	return visit(f)
}

// typeName writes a type without its pointer.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.ArrayType:
		return "[]" + typeName(e.Elt)
	case *ast.MapType:
		return "map"
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}

func fieldDocs(t *tree) []string {
	return t.fields(func(f field) string {
		first, _, _ := strings.Cut(strings.TrimSpace(f.doc), "\n")
		if first == "" || strings.HasPrefix(first, "+") {
			return f.name + " has no doc"
		}
		return ""
	})
}

func fieldMarkers(t *tree) []string {
	return t.fields(func(f field) string {
		optional, required := f.marked("optional$"), f.marked("required$")
		switch {
		case optional && required:
			return f.name + " is both optional and required"
		case !optional && !required:
			return f.name + " is neither optional nor required"
		}
		return ""
	})
}

func fieldBounds(t *tree) []string {
	return t.fields(func(f field) string {
		if list, ok := strings.CutPrefix(f.kind, "[]"); ok {
			return f.listBound(list)
		}
		switch {
		case f.kind == "map" && !f.marked("MaxProperties="):
			return f.name + " has no MaxProperties"
		case f.kind == "metav1.Duration" && !f.marked("Pattern="):
			return f.name + " has no Pattern"
		case textual(f.kind) && !f.marked("(MaxLength|Enum)="):
			return f.name + " has no MaxLength or Enum"
		}
		return ""
	})
}

func (f field) listBound(of string) string {
	switch {
	case !f.marked("MaxItems="):
		return f.name + " has no MaxItems"
	case !f.marked("listType="):
		return f.name + " has no listType"
	case textual(of) && !f.marked("items:(MaxLength|Enum)="):
		return f.name + " has no items:MaxLength or items:Enum"
	}
	return ""
}

// textual says whether a field is a string or a name for one, such as a phase.
func textual(kind string) bool {
	return kind == "string" || strings.HasSuffix(kind, "Phase")
}

func fieldTypes(t *tree) []string {
	return t.fields(func(f field) string {
		kind := strings.TrimPrefix(f.kind, "[]")
		if regexp.MustCompile(`^float|\.Pod|\.Container|^any$`).MatchString(kind) {
			return f.name + " is a " + kind + ": use a smaller type of our own"
		}
		return ""
	})
}

func reasonDocs(t *tree) []string {
	var out []string
	for _, f := range t.files {
		if f.dir() != "api/v1alpha1" || !f.product() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			s, ok := n.(*ast.ValueSpec)
			if !ok || !regexp.MustCompile(`^(Reason|Condition)[A-Z]`).MatchString(s.Names[0].Name) {
				return true
			}
			name := s.Names[0].Name
			if f.path != "api/v1alpha1/conditions.go" {
				out = append(out, t.at(s.Pos(), "%s belongs into conditions.go", name))
			} else if s.Doc == nil || !strings.HasPrefix(s.Doc.Text(), name) {
				out = append(out, t.at(s.Pos(), "%s: say when it appears and what a person should do", name))
			}
			return true
		})
	}
	return out
}
