// Command launch feeds an action its inputs on stdin, where its contract asks for that:
//
//	launch -- /action-entrypoint git-clone
//
// Neither a Job nor a Tekton step has anything on stdin, so the inputs come in
// a variable or file and are removed from what the action sees.
package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

const (
	// maxInputs is the size of the largest inputs that are passed on.
	maxInputs = 1 << 20
	// exitBadInput is the code of an action that refuses its inputs.
	exitBadInput = 65
	// exitNotFound and exitNotExecutable are what a shell would say.
	exitNotFound      = 127
	exitNotExecutable = 126
)

func main() {
	os.Exit(launch(os.Args[1:]))
}

func launch(args []string) int {
	if len(args) < 2 || args[0] != "--" {
		return complain(exitBadInput, errors.New("usage: launch -- COMMAND [ARGUMENT…]"))
	}
	inputs, err := readInputs()
	if err != nil {
		return complain(exitBadInput, err)
	}
	child := exec.Command(args[1], args[2:]...)
	child.Env = remaining(os.Environ())
	child.Stdin = bytes.NewReader(inputs)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	if err := child.Start(); err != nil {
		return complain(startCode(err), err)
	}
	go forward(signals, child.Process)
	return exitCode(child.Wait())
}

// forward passes signals on; one that arrives after the end has no receiver.
func forward(signals <-chan os.Signal, child *os.Process) {
	for s := range signals {
		if err := child.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			complain(0, fmt.Errorf("forward %s: %w", s, err))
		}
	}
}

// readInputs takes the first of the three sources that is set.
func readInputs() ([]byte, error) {
	var inputs []byte
	var err error
	switch {
	case os.Getenv("ACTION_INPUTS") != "":
		inputs = []byte(os.Getenv("ACTION_INPUTS"))
	case os.Getenv("ACTION_INPUTS_B64") != "":
		inputs, err = base64.StdEncoding.DecodeString(os.Getenv("ACTION_INPUTS_B64"))
		if err != nil {
			// The decoder's message could quote the inputs.
			return nil, errors.New("decode ACTION_INPUTS_B64: not base64")
		}
	case os.Getenv("ACTION_INPUTS_FILE") != "":
		inputs, err = readFile(os.Getenv("ACTION_INPUTS_FILE"))
	default:
		err = errors.New("read inputs: none of ACTION_INPUTS, ACTION_INPUTS_B64 and ACTION_INPUTS_FILE is set")
	}
	if err == nil && len(inputs) > maxInputs {
		err = fmt.Errorf("read inputs: found more than %d bytes", maxInputs)
	}
	return inputs, err
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open inputs: %w", err)
	}
	defer file.Close()
	inputs, err := io.ReadAll(io.LimitReader(file, maxInputs+1))
	if err != nil {
		return nil, fmt.Errorf("read inputs: %w", err)
	}
	return inputs, nil
}

// remaining drops the variables that the action must not find its inputs in.
func remaining(env []string) []string {
	var out []string
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		if name != "ACTION_INPUTS" && name != "ACTION_INPUTS_B64" && name != "ACTION_INPUTS_FILE" {
			out = append(out, v)
		}
	}
	return out
}

// exitCode is the child's own, or as a shell says it 128 and the signal. An
// action that ends before it has read its inputs is no error of ours.
func exitCode(err error) int {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil && !errors.Is(err, syscall.EPIPE) {
			return complain(1, err)
		}
		return 0
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

func startCode(err error) int {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return exitNotFound
	}
	return exitNotExecutable
}

func complain(code int, err error) int {
	fmt.Fprintf(os.Stderr, "launch: %v\n", err)
	return code
}
