package verify

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// fixed answers always the same.
type fixed struct {
	result Result
	err    error
}

func (f fixed) Verify(context.Context, Image, Subject) (Result, error) { return f.result, f.err }

func TestMeasured(t *testing.T) {
	for _, c := range []struct {
		inner  fixed
		want   Verdict
		format string
	}{
		{fixed{Result{Format: "bundle"}, nil}, Allowed, "bundle"},
		{fixed{Result{Format: "legacy"}, nil}, Allowed, "legacy"},
		{fixed{Result{}, nil}, Allowed, "none"},
		{fixed{Result{Format: "whatever a registry says"}, nil}, Allowed, "none"},
		{fixed{Result{}, fmt.Errorf("step a: %w", run.Refuse(v1alpha1.ReasonImageUnsigned, "no"))}, Refused, "none"},
		{fixed{Result{}, errors.New("reset")}, Unknown, "none"},
		{fixed{Result{}, context.DeadlineExceeded}, Unknown, "none"},
		{fixed{Result{}, fmt.Errorf("verify: %w", context.Canceled)}, Abandoned, "none"},
	} {
		var told []Attempt
		result, err := Measured(c.inner, func(a Attempt) { told = append(told, a) }).Verify(t.Context(), Image{}, Subject{})
		if !errors.Is(err, c.inner.err) || result.Format != c.inner.result.Format {
			t.Errorf("%+v, %v is told as %+v, %v", c.inner.result, c.inner.err, result, err)
		}
		if len(told) != 1 || told[0].Verdict != c.want || told[0].Format != c.format || told[0].Took < 0 {
			t.Errorf("%+v, %v: %+v", c.inner.result, c.inner.err, told)
		}
	}
}
