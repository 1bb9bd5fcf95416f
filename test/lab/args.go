package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

const usage = `usage: lab <command>

  up                    build what is missing, start everything, wait until it is ready
  down [--keep]         stop everything that up started and remove its state (--keep leaves it)
  status [-o json]      what runs, since when, where its log is; fails unless all of it is ready
  smoke                 prove on the running lab that pods, names, volumes, limits and signing work
  build                 build every binary into the cache
  assets                build Kubernetes alone and print a folder for KUBEBUILDER_ASSETS
  env                   print addresses and credentials as JSON
  stop <name>           stop one component (the registry closes its doors and keeps its images)
  start <name>          start one component again

KUBERNAUT_CACHE and KUBERNAUT_LAB_STATE move the cache and the state.
`

// errUsage is a command line that the lab does not understand.
var errUsage = errors.New("unknown command line")

// call is a command line that was understood.
type call struct {
	command string
	// name is the component to stop or start.
	name string
	// keep leaves the state, json prints for programs.
	keep, json bool
}

// parse reads a command line.
func parse(args []string) (call, error) {
	if len(args) == 0 {
		return call{}, fmt.Errorf("%w: no command", errUsage)
	}
	c := call{command: args[0]}
	flags := flag.NewFlagSet(c.command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	output := ""
	positional := 0
	switch c.command {
	case "up", "smoke", "build", "assets", "env", "serve-registry", "serve-issuer", "serve-provisioner":
	case "down":
		flags.BoolVar(&c.keep, "keep", false, "")
	case "status":
		flags.StringVar(&output, "o", "", "")
	case "stop", "start":
		positional = 1
	case "help", "-h", "-help", "--help":
		return call{}, flag.ErrHelp
	default:
		return call{}, fmt.Errorf("%w: no command %q", errUsage, c.command)
	}
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return call{}, err
	} else if err != nil {
		return call{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	if flags.NArg() != positional {
		return call{}, fmt.Errorf("%w: %s takes %d arguments, not %d", errUsage, c.command, positional, flags.NArg())
	}
	if output != "" && output != "json" {
		return call{}, fmt.Errorf("%w: status knows no output %q", errUsage, output)
	}
	c.name, c.json = flags.Arg(0), output == "json"
	return c, nil
}
