package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strconv"
	"strings"

	"github.com/mikefarah/yq/v4/pkg/yqlib"
	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/kubernaut/kubernaut/gitops/edit"
)

// errCannot is what a contender says that has no way to ask for an edit.
var errCannot = errors.New("there is no way to say it")

// contender makes an edit and returns the new file.
type contender struct {
	name string
	make func(one) (string, error)
}

func contenders() []contender {
	yqlib.InitExpressionParser()
	yqlib.GetLogger().SetLevel(slog.LevelError)
	return []contender{{"gitops/edit", ours}, {"kyaml setters", setters}, {"yq v4", yq}, {"regexp by line", byLine}}
}

func ours(o one) (string, error) {
	path := ""
	for _, h := range o.path {
		switch {
		case h.key != "":
			path = edit.Key(path, h.key)
		case h.name != "":
			path = edit.Item(path, "name", h.name)
		default:
			path += "[" + strconv.Itoa(h.index) + "]"
		}
	}
	op := map[string]edit.Op{set: edit.Set, remove: edit.Delete, add: edit.Append}[o.op]
	out, err := edit.Apply("file.yaml", []byte(o.file), edit.Selector{Kind: o.kind}, []edit.Change{{Op: op, Path: path, Value: o.value}})
	return string(out.Content), err
}

// setters changes the tree that kyaml reads, by its filters, and writes the
// tree, indented as kyaml finds that the file was.
func setters(o one) (string, error) {
	decoder := yaml.NewDecoder(strings.NewReader(o.file))
	var out []string
	for {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return strings.Join(out, "---\n"), nil
		}
		if err != nil {
			return "", err
		}
		root := yaml.NewRNode(&doc)
		if o.kind == "" || root.GetKind() == o.kind {
			if err := filter(root, o); err != nil {
				return "", err
			}
		}
		text, err := yaml.MarshalWithOptions(root.Document(), &yaml.EncoderOptions{SeqIndent: yaml.SequenceIndentStyle(yaml.DeriveSeqIndentStyle(o.file))})
		if err != nil {
			return "", err
		}
		out = append(out, string(text))
	}
}

func filter(root *yaml.RNode, o one) error {
	path := filterPath(o.path)
	value, err := node(o.value)
	if err != nil {
		return err
	}
	if done, err := setScalar(root, o, path, value); done || err != nil {
		return err
	}
	last := o.path[len(o.path)-1]
	switch {
	case o.op == add:
		return root.PipeE(yaml.LookupCreate(yaml.SequenceNode, path...), yaml.Append(value.YNode()))
	case o.op == set && last.key != "":
		return root.PipeE(yaml.LookupCreate(yaml.MappingNode, path[:len(path)-1]...), yaml.SetField(last.key, value))
	case o.op == set:
		return root.PipeE(yaml.Lookup(path...), yaml.Set(value))
	case last.key != "":
		return root.PipeE(yaml.Lookup(path[:len(path)-1]...), yaml.Clear(last.key))
	case last.name != "":
		return root.PipeE(yaml.Lookup(path[:len(path)-1]...), yaml.ElementSetter{Keys: []string{"name"}, Values: []string{last.name}})
	}
	list, err := root.Pipe(yaml.Lookup(path[:len(path)-1]...))
	if err == nil {
		list.YNode().Content = append(list.YNode().Content[:last.index], list.YNode().Content[last.index+1:]...)
	}
	return err
}

func filterPath(hops []hop) []string {
	var path []string
	for _, h := range hops {
		switch {
		case h.key != "":
			path = append(path, h.key)
		case h.name != "":
			path = append(path, "[name="+h.name+"]")
		default:
			path = append(path, strconv.Itoa(h.index))
		}
	}
	return path
}

// setScalar changes a single value in its node, as kyaml's setters do, so that
// its comments and its style stay.
func setScalar(root *yaml.RNode, o one, path []string, value *yaml.RNode) (bool, error) {
	old, err := root.Pipe(yaml.Lookup(path...))
	if o.op != set || old == nil || err != nil || old.YNode().Kind != yaml.ScalarNode || value.YNode().Kind != yaml.ScalarNode {
		return false, err
	}
	old.YNode().Value, old.YNode().Tag = value.YNode().Value, value.YNode().Tag
	return true, nil
}

func node(v any) (*yaml.RNode, error) {
	if text, ok := v.(string); ok {
		return yaml.NewStringRNode(text), nil
	}
	raw, err := yaml.Marshal(v)
	if err != nil {
		return nil, err
	}
	return yaml.Parse(string(raw))
}

// yq runs the expression that its documentation has for such an edit.
func yq(o one) (string, error) {
	path, raw := "", bytes.Buffer{}
	encoder := json.NewEncoder(&raw)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(o.value); err != nil {
		return "", err
	}
	value := strings.TrimSpace(raw.String())
	for _, h := range o.path {
		switch {
		case h.key != "":
			path += "." + strconv.Quote(h.key)
		case h.name != "":
			path += `[] | select(.name == ` + strconv.Quote(h.name) + `) | `
		default:
			path += "[" + strconv.Itoa(h.index) + "]"
		}
	}
	path = strings.TrimSuffix(strings.ReplaceAll(path, "| [", "| .["), " | ")
	if o.kind != "" {
		path = `select(.kind == ` + strconv.Quote(o.kind) + `) | ` + path
	}
	expression := map[string]string{set: "(" + path + ") = " + value, remove: "del(" + path + ")", add: "(" + path + ") += [" + value + "]"}[o.op]
	prefs := yqlib.NewDefaultYamlPreferences()
	return yqlib.NewStringEvaluator().Evaluate(expression, o.file, yqlib.NewYamlEncoder(prefs), yqlib.NewYamlDecoder(prefs))
}

// byLine is what scripts do with sed: the last key of the path, wherever it
// stands, and what follows it up to a comment.
func byLine(o one) (string, error) {
	last := o.path[len(o.path)-1]
	if last.key == "" {
		return "", errCannot
	}
	key := regexp.QuoteMeta(last.key)
	line := func(replace string, format string) (string, error) {
		re := regexp.MustCompile(fmt.Sprintf(format, key))
		if !re.MatchString(o.file) {
			return "", errCannot
		}
		return re.ReplaceAllString(o.file, replace), nil
	}
	value := strings.ReplaceAll(fmt.Sprint(o.value), "$", "$$")
	switch _, isMap := o.value.(map[string]any); {
	case isMap:
		return "", errCannot
	case o.op == remove:
		return line("", `(?m)^ *%s:.*\n`)
	case o.op == add:
		return line("${0}\n${1}- "+value, `(?m)^( *)%s:.*$`)
	}
	return line("${1}"+value, `(?m)^( *(?:- )?%s: *)[^ #\r\n]*`)
}
