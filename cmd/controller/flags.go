package main

import (
	"flag"
	"os"
	"time"
)

// options are what the controller can be told at its start. Each flag's
// default is in its help.
type options struct {
	metricsAddress, healthAddress string
	leaderElection                bool
	namespace                     string
	watchNamespace                string
	runs, steps                   int
	jitter                        int
	qps                           float64
	burst                         int
	registryTimeout               time.Duration
	logLevel                      string
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("controller", flag.ContinueOnError)
	f.StringVar(&o.metricsAddress, "metrics-addr", ":8080", "address of the metrics endpoint; 0 turns it off")
	f.StringVar(&o.healthAddress, "health-addr", ":8081", "address of the health and readiness endpoints")
	f.BoolVar(&o.leaderElection, "leader-elect", false, "let only one of several controllers work")
	f.StringVar(&o.namespace, "runtime-namespace", os.Getenv("RUNTIME_NAMESPACE"), "namespace of the controller: its lease, and the Secrets that image policies name [RUNTIME_NAMESPACE]")
	f.StringVar(&o.watchNamespace, "watch-namespace", "", "the only namespace to work in; empty means all")
	f.IntVar(&o.runs, "concurrent", 10, "runs and catalogs reconciled at once, each kind for itself")
	f.IntVar(&o.steps, "concurrent-steps", 20, "steps reconciled at once")
	f.IntVar(&o.jitter, "interval-jitter-percentage", 5, "spread of intervals, in percent")
	f.Float64Var(&o.qps, "kubernetes-qps", 0, "requests a second to the API server; 0 leaves it to the server's own fairness")
	f.IntVar(&o.burst, "kubernetes-burst", 0, "requests at once to the API server, with kubernetes-qps")
	f.DurationVar(&o.registryTimeout, "registry-timeout", 30*time.Second, "bound of one call to a registry")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info or error")
	err := f.Parse(args)
	if o.namespace == "" {
		o.namespace = "kubernaut-system"
	}
	return o, err
}
