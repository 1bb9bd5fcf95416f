package entry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/kubernaut/kubernaut/actions/contract"
	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/run"
)

// Main runs one action and returns the exit code of the process. Whatever it
// writes has the secrets replaced; whatever happens, one JSON object is written
// to stdout and to the outputs file.
func Main(ctx context.Context, a Action, p Process) int {
	c := &call{action: a, contract: a.Contract(), process: p}
	c.hide(nil)
	err := c.run(ctx)
	return c.end(err)
}

// Fail writes an error that came up before an action could be chosen, as Main
// would, and returns the exit code.
func Fail(p Process, err error) int {
	c := &call{process: p}
	c.hide(nil)
	return c.end(err)
}

// call is one run of an action.
type call struct {
	action   Action
	contract contract.Contract
	process  Process
	env      Env
	redactor *Redactor
	stderr   io.WriteCloser
}

// hide makes everything that is written from now on free of the secrets.
func (c *call) hide(secrets []string) {
	c.redactor = NewRedactor(secrets)
	c.stderr = c.redactor.Writer(c.process.Stderr)
}

func (c *call) run(ctx context.Context) error {
	in, err := c.prepare()
	if err != nil {
		return err
	}
	meta := c.contract.Metadata
	c.env.Log.Info("start action", "action", meta.Name, "version", meta.Version,
		"execution", c.env.Facts.Execution, "step", c.env.Facts.Step)
	got, err := c.guarded(ctx, in)
	if err != nil {
		return err
	}
	outputs, err := plain(got)
	if err != nil {
		return run.Refuse(v1alpha1.ReasonOutputsInvalid, "%v", err)
	}
	if found := c.contract.ValidateOutputs(outputs); len(found) > 0 {
		return run.Refuse(v1alpha1.ReasonOutputsInvalid, "check outputs of %s %s: %s", meta.Name, meta.Version, contract.Join(found))
	}
	clean, _ := c.redactor.Value(outputs).(map[string]any)
	if err := deliver(c.process, c.env, clean); err != nil {
		return err
	}
	c.env.Log.Info("end action", "changed", clean["changed"])
	return nil
}

// prepare reads variables, secrets and inputs, the secrets first, so that no
// error about the rest can quote one.
func (c *call) prepare() (contract.Values, error) {
	env, err := c.process.readEnv()
	if err != nil {
		return nil, err
	}
	secrets, err := mounted(env.Credentials)
	if err != nil {
		return nil, err
	}
	c.hide(secrets)
	raw, from, err := c.process.readInputs()
	if err != nil {
		return nil, err
	}
	in, found := c.contract.ValidateInputs(raw)
	if len(found) > 0 {
		return nil, run.Refuse(v1alpha1.ReasonInvalidParameters, "check inputs of %s %s from %s: %s",
			c.contract.Metadata.Name, c.contract.Metadata.Version, from, contract.Join(found))
	}
	c.hide(append(secrets, sensitive(c.contract, in)...))
	env.Log = slog.New(slog.NewTextHandler(c.stderr, nil))
	c.env = env
	return in, nil
}

// guarded turns a panic into a final error, since it would only panic again.
func (c *call) guarded(ctx context.Context, in contract.Values) (out contract.Values, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.env.Log.Error("action panicked", "stack", string(debug.Stack()))
			err = run.Refuse(v1alpha1.ReasonActionPanicked, "run %s: panic: %v", c.contract.Metadata.Name, p)
		}
	}()
	return c.action.Run(ctx, in, c.env)
}

// end tells how the call ended: people on stderr, programs on stdout, in the
// outputs file and by the exit code, which is all that is left where nothing
// can be written.
func (c *call) end(err error) int {
	code := ExitDone
	if err != nil {
		var reason run.Reason
		code, reason = exitCode(err)
		message := c.redactor.Text(err.Error())
		doc := failure(string(reason), message)
		c.say("error: %s: %s", reason, message)
		if _, err := fmt.Fprintf(c.process.Stdout, "%s\n", doc); err != nil {
			c.say("error: write stdout: %v", err)
		}
		if err := writeOutputs(c.process.Getenv(VarOutputsPath), doc); err != nil {
			c.say("error: %v", err)
		}
	}
	_ = c.stderr.Close()
	return code
}

// say writes a line for people; where stderr is gone nobody is left to be told.
func (c *call) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.stderr, format+"\n", args...)
}
