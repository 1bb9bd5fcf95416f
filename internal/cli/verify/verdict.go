package verify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/print"
	"github.com/kubernaut/kubernaut/internal/run"
	"github.com/kubernaut/kubernaut/internal/verify"
)

// Verdicts on an image.
const (
	passes    = "pass"
	isRefused = "refused"
	isUnknown = "unknown"
)

// verdict on one image, as it is printed.
type verdict struct {
	// Asked is the reference that was given, Image what it is, by digest.
	Asked string `json:"asked"`
	Image string `json:"image,omitempty"`
	// By are the objects that name the image; none if it was given itself.
	By      []string `json:"namedBy,omitempty"`
	Verdict string   `json:"verdict"`
	// Reason and Message of a refusal; of an image that could not be judged,
	// Message alone.
	Reason   string   `json:"reason,omitempty"`
	Message  string   `json:"message,omitempty"`
	Policies []string `json:"policies,omitempty"`
	// Authority in a policy, Signer as the run's status names it, and of a
	// certificate its Identity and Issuer.
	Authority string     `json:"authority,omitempty"`
	Signer    string     `json:"signer,omitempty"`
	Identity  string     `json:"identity,omitempty"`
	Issuer    string     `json:"issuer,omitempty"`
	Format    string     `json:"format,omitempty"`
	LogIndex  *int64     `json:"logIndex,omitempty"`
	SignedAt  *time.Time `json:"signedAt,omitempty"`
	Warnings  []string   `json:"warnings,omitempty"`
}

func (v verdict) fail(err error) verdict {
	v.Verdict, v.Message = isUnknown, err.Error()
	if r, ok := run.AsRefusal(err); ok {
		v.Verdict, v.Reason = isRefused, string(r.Reason)
	}
	return v
}

func (v verdict) pass(r verify.Result) verdict {
	v.Verdict, v.Policies, v.Authority, v.Signer = passes, r.Policies, r.Authority, r.Signer
	v.Identity, v.Issuer, v.Format, v.LogIndex, v.Warnings = r.Identity, r.Issuer, r.Format, r.LogIndex, r.Warnings
	if !r.SignedAt.IsZero() {
		at := r.SignedAt.UTC()
		v.SignedAt = &at
	}
	return v
}

func (x *call) print(e *env.Env, verdicts []verdict) error {
	if x.output == "json" {
		text, err := json.MarshalIndent(verdicts, "", "  ")
		if err != nil {
			return fmt.Errorf("encode verdicts: %w", err)
		}
		_, err = fmt.Fprintln(e.Out, string(text))
		return err
	}
	rows := [][]string{{"IMAGE", "VERDICT", "POLICY", "AUTHORITY", "SIGNED BY", "FORMAT", "LOG INDEX", "SIGNED AT"}}
	for _, v := range verdicts {
		rows = append(rows, v.row())
	}
	if err := print.Table(e.Out, rows); err != nil {
		return err
	}
	for _, v := range verdicts {
		if v.Message != "" {
			fmt.Fprintf(e.Out, "\n✗ %s%s\n  %s\n", print.Plain(cmp.Or(v.Image, v.Asked)), v.by(), print.Line(v.Message, 0))
		}
		for _, w := range v.Warnings {
			fmt.Fprintf(e.Out, "\n! %s%s\n  %s\n", print.Plain(v.Image), v.by(), print.Line(w, 0))
		}
	}
	return nil
}

func (v verdict) by() string {
	if len(v.By) == 0 {
		return ""
	}
	return print.Plain(", of " + strings.Join(v.By, ", "))
}

func (v verdict) row() []string {
	index, at, signer := "", "", v.Signer
	if v.LogIndex != nil {
		index = strconv.FormatInt(*v.LogIndex, 10)
	}
	if v.SignedAt != nil {
		at = v.SignedAt.Format(time.RFC3339)
	}
	if v.Identity != "" {
		signer = v.Identity + " (" + v.Issuer + ")"
	}
	row := []string{shorten(cmp.Or(v.Image, v.Asked)), v.Verdict, strings.Join(v.Policies, ","), v.Authority, signer, v.Format, index, at}
	for i, cell := range row {
		row[i] = cmp.Or(print.Line(cell, 0), "-")
	}
	return row
}

// shorten leaves of a digest what people compare; the rest is in the JSON.
func shorten(ref string) string {
	const kept = 12
	at := strings.Index(ref, "@sha256:")
	if at < 0 || len(ref) < at+len("@sha256:")+kept {
		return ref
	}
	return ref[:at+len("@sha256:")+kept]
}

// sum is nil if all pass. What was refused comes first: it is known.
func sum(verdicts []verdict) error {
	count := map[string]int{}
	for _, v := range verdicts {
		count[v.Verdict]++
	}
	switch {
	case count[isRefused] > 0:
		return &env.Exit{Code: refused, Err: fmt.Errorf("%d of %d images are refused, and %d could not be judged", count[isRefused], len(verdicts), count[isUnknown])}
	case count[isUnknown] > 0:
		return &env.Exit{Code: unjudged, Err: fmt.Errorf("%d of %d images could not be judged", count[isUnknown], len(verdicts))}
	}
	return nil
}
