package main

import (
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/kubernaut/kubernaut/internal/settings"
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
	registryTimeout               time.Duration
	registryConfig, registryCA    string
	insecureRegistries            string
	// trustedRoot is a file, and empty for the public one.
	trustedRoot string
	compat      bool
	logLevel    string
	// fixed is what counts more than the ConfigMap: flags, then environment.
	fixed []settings.Layer
}

// parse reads flags and environment, which lookup knows.
func parse(args []string, lookup func(string) (string, bool)) (options, error) {
	var o options
	f := flag.NewFlagSet("controller", flag.ContinueOnError)
	f.StringVar(&o.metricsAddress, "metrics-addr", ":8080", "address of the metrics endpoint; 0 turns it off")
	f.StringVar(&o.healthAddress, "health-addr", ":8081", "address of the health and readiness endpoints")
	f.BoolVar(&o.leaderElection, "leader-elect", false, "let only one of several controllers work")
	namespace, _ := lookup("RUNTIME_NAMESPACE")
	f.StringVar(&o.namespace, "runtime-namespace", namespace, "namespace of the controller: its lease, its ConfigMap, and the Secrets that image policies name [RUNTIME_NAMESPACE]")
	f.StringVar(&o.watchNamespace, "watch-namespace", "", "the only namespace to work in; empty means all")
	f.IntVar(&o.runs, "concurrent", 10, "runs and catalogs reconciled at once, each kind for itself")
	f.IntVar(&o.steps, "concurrent-steps", 20, "steps reconciled at once")
	f.IntVar(&o.jitter, "interval-jitter-percentage", 5, "spread of intervals, in percent")
	f.DurationVar(&o.registryTimeout, "registry-timeout", 30*time.Second, "bound of one call to a registry")
	f.StringVar(&o.trustedRoot, "trusted-root", "", "file with the trusted_root.json for image policies that name no TrustRoot; empty means Sigstore's public one, fetched when a policy needs it")
	f.BoolVar(&o.compat, "policy-controller-compat", false, "judge images just as Sigstore's Policy Controller does, where that is less strict")
	f.StringVar(&o.registryConfig, "registry-config", "", "file like docker's config.json with logins for registries, used where pull secrets have none; read again when needed")
	f.StringVar(&o.registryCA, "registry-ca", "", "file with certificates, as PEM, that vouch for registries beside the system's")
	f.StringVar(&o.insecureRegistries, "insecure-registries", "", "registries that are asked over plain HTTP: host or host:port, with commas between")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info or error")
	for _, k := range settings.Keys() {
		f.String(k.Name, "", fmt.Sprintf("%s; %d to %d, by default %d [%s]", k.Meaning, k.Min, k.Max, k.Default, variable(k)))
	}
	f.String(settings.Preset, "", "values for a size of cluster that hold where nothing else is said: "+strings.Join(settings.Presets(), ", "))
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.namespace == "" {
		o.namespace = "kubernaut-system"
	}
	var err error
	o.fixed, err = layers(f, lookup)
	return o, err
}

// layers reads the settings that flags and environment give: a flag that was
// not given says nothing.
func layers(f *flag.FlagSet, lookup func(string) (string, bool)) ([]settings.Layer, error) {
	given, named := map[string]string{}, map[string]string{}
	f.Visit(func(one *flag.Flag) {
		if one.Name == settings.Preset {
			given[one.Name] = one.Value.String()
		}
		for _, k := range settings.Keys() {
			if one.Name == k.Name {
				given[one.Name] = one.Value.String()
			}
		}
	})
	for _, k := range settings.Keys() {
		if text, ok := lookup(variable(k)); ok {
			named[k.Name] = text
		}
	}
	flags, wrong := settings.Parse(given)
	environment, alsoWrong := settings.Parse(named)
	var said []string
	for _, w := range wrong {
		said = append(said, "flag --"+w.String())
	}
	for _, w := range alsoWrong {
		w.Key = variable(settings.Key{Name: w.Key})
		said = append(said, "environment variable "+w.String())
	}
	if len(said) > 0 {
		return nil, fmt.Errorf("read settings: %s", strings.Join(said, "; "))
	}
	return []settings.Layer{flags, environment}, nil
}

// variable is the environment variable of a key.
func variable(k settings.Key) string {
	return strings.ToUpper(strings.ReplaceAll(k.Name, "-", "_"))
}
