// Package print writes objects for people and for programs.
package print

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// Data writes objects as json, yaml or name; one alone is no list.
func Data(w io.Writer, format string, objects []client.Object, alone bool) error {
	if format == "name" {
		for _, o := range objects {
			fmt.Fprintf(w, "%s/%s\n", strings.ToLower(o.GetObjectKind().GroupVersionKind().Kind), o.GetName())
		}
		return nil
	}
	for _, o := range objects {
		o.SetManagedFields(nil)
	}
	var value any = map[string]any{"apiVersion": "v1", "kind": "List", "items": objects}
	if alone && len(objects) == 1 {
		value = objects[0]
	}
	text, err := json.MarshalIndent(value, "", "  ")
	if err == nil && format == "yaml" {
		text, err = yaml.JSONToYAML(text)
	}
	if err != nil {
		return fmt.Errorf("encode objects: %w", err)
	}
	_, err = fmt.Fprintln(w, strings.TrimRight(string(text), "\n"))
	return err
}

// Known says whether a format is one that Data or a table can write.
func Known(format string) error {
	switch format {
	case "", "wide", "json", "yaml", "name":
		return nil
	}
	return fmt.Errorf("output %q is not known: want json, yaml, name or wide", format)
}

// Table writes rows under a heading.
func Table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 4, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// Age says how long ago something was, as kubectl does.
func Age(at metav1.Time, now time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return duration.HumanDuration(now.Sub(at.Time))
}

// Line makes one line of at most limit characters out of a message. What would
// steer a terminal is taken out: messages carry words of actions and forges.
func Line(text string, limit int) string {
	text = Plain(strings.Join(strings.Fields(text), " "))
	if r := []rune(text); limit > 0 && len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return text
}

// Plain takes out control characters.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}
