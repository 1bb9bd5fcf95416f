// Command controller runs Kubernaut's controllers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/runtime/logger"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/settings"
)

func main() {
	o, err := parse(os.Args[1:], os.LookupEnv)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = start(ctrl.SetupSignalHandler(), o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "controller:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, o options) error {
	logger.SetLogger(logger.NewLogger(logger.Options{LogEncoding: "json", LogLevel: o.logLevel}))
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, sourcev1.AddToScheme} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("register kinds: %w", err)
		}
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: set KUBECONFIG or run in a pod: %w", err)
	}
	store := settings.NewStore(settings.Merge(o.fixed...))
	config, lease := limited(config, store)
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Cache: cacheOptions(o), HealthProbeBindAddress: o.healthAddress,
		Metrics: server.Options{BindAddress: o.metricsAddress},
		Client:  client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ServiceAccount{}}}},
		// The lease is given back at a planned end, so that the next one need not wait.
		LeaderElection: o.leaderElection, LeaderElectionConfig: lease, LeaderElectionID: "kubernaut-controller", LeaderElectionNamespace: o.namespace, LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return fmt.Errorf("make the manager: %w", err)
	}
	for name, check := range map[string]func(string, healthz.Checker) error{"ping": mgr.AddHealthzCheck, "ready": mgr.AddReadyzCheck} {
		if err := check(name, healthz.Ping); err != nil {
			return err
		}
	}
	if err := setup(ctx, mgr, o, store); err != nil {
		return fmt.Errorf("set up controllers: %w", err)
	}
	return mgr.Start(ctx)
}

// cacheOptions keeps only our own pods, Jobs and claims in memory, in one
// namespace if so asked, and of all ConfigMaps the one with our settings.
func cacheOptions(o options) cache.Options {
	out := cache.Options{ByObject: map[client.Object]cache.ByObject{}}
	for _, kind := range ours() {
		out.ByObject[kind] = cache.ByObject{Label: labelled()}
	}
	out.ByObject[&corev1.ConfigMap{}] = cache.ByObject{Namespaces: map[string]cache.Config{
		o.namespace: {FieldSelector: fields.OneTermEqualSelector("metadata.name", settings.ConfigMap)},
	}}
	if o.watchNamespace != "" {
		out.DefaultNamespaces = map[string]cache.Config{o.watchNamespace: {}}
	}
	return out
}
