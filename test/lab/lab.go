package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/kubernaut/kubernaut/test/lab/internal/admission"
	"github.com/kubernaut/kubernaut/test/lab/internal/build"
	"github.com/kubernaut/kubernaut/test/lab/internal/cluster"
	"github.com/kubernaut/kubernaut/test/lab/internal/forge"
	"github.com/kubernaut/kubernaut/test/lab/internal/images"
	"github.com/kubernaut/kubernaut/test/lab/internal/machine"
	"github.com/kubernaut/kubernaut/test/lab/internal/pki"
	"github.com/kubernaut/kubernaut/test/lab/internal/place"
	"github.com/kubernaut/kubernaut/test/lab/internal/proc"
	"github.com/kubernaut/kubernaut/test/lab/internal/sigstore"
	"github.com/kubernaut/kubernaut/test/lab/internal/smoke"
	"github.com/kubernaut/kubernaut/test/lab/internal/volumes"
)

// lab puts the parts together.
type lab struct {
	*place.Place
	// self is this program, which also serves images and volumes.
	self string
}

func (l *lab) keeper() proc.Keeper { return proc.Keeper{Place: l.Place} }

func (l *lab) cluster() cluster.Cluster {
	return cluster.Cluster{Place: l.Place, Bin: build.Dir(l.Place, build.Kubernetes()), CoreDNS: build.Path(l.Place, build.CoreDNS())}
}

func (l *lab) sigstore() sigstore.Sigstore {
	return sigstore.Sigstore{
		Place: l.Place, Lab: l.self, Fulcio: build.Path(l.Place, build.Fulcio()), Rekor: build.Path(l.Place, build.Rekor()), TSA: build.Path(l.Place, build.TSA()),
	}
}

// components lists the lab's processes in the order in which they start.
func (l *lab) components() []proc.Component {
	git := forge.Forge{Place: l.Place, Binary: build.Path(l.Place, build.Gitea())}
	all := []proc.Component{{
		Name: "registry", Path: l.self, Args: []string{"serve-registry"}, Ports: images.Addresses(),
		Pause: syscall.SIGUSR1, Resume: syscall.SIGUSR2, Ready: cluster.Web("http://" + place.Registry + "/v2/"),
		Finish: func(ctx context.Context) error {
			return images.Push(ctx, build.Path(l.Place, build.Pause()), images.Ref("pause"))
		},
	}}
	all = append(all, l.sigstore().Components()...)
	all = append(all, l.cluster().Components()...)
	return append(all,
		admission.Admission{Place: l.Place, Binary: build.Path(l.Place, build.PolicyController())}.Component(),
		proc.Component{Name: "provisioner", Path: l.self, Args: []string{"serve-provisioner"}, Ports: []string{volumes.Health},
			Ready: cluster.Web("http://" + volumes.Health)},
		proc.Component{Name: "forge", Path: git.Binary, Args: []string{"web", "--config", l.Path("forge", "app.ini")}, Env: git.Env(),
			Dir: l.Path("forge"), Nobody: true, Ports: []string{place.IP + ":3000"}, Prepare: git.Prepare,
			Ready: cluster.Web(place.ForgeURL + "/api/v1/version"), Finish: git.Finish},
	)
}

// locked keeps other commands from changing the lab at the same time.
func (l *lab) locked(ctx context.Context, do func(context.Context) error) error {
	if os.Geteuid() != 0 {
		return errors.New("the lab starts containers and bridges: run it as root")
	}
	// Next to the state, which down removes.
	release, err := proc.Lock(ctx, l.State+".lock", func() { l.Say("waiting for another lab command") })
	if err != nil {
		return err
	}
	defer release()
	return do(ctx)
}

func (l *lab) up(ctx context.Context) error {
	if err := machine.Install(ctx, l.Place); err != nil {
		return err
	}
	if err := build.Build(ctx, l.Place, build.All()...); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return machine.Network(ctx, l.Place) },
		func() error { return pki.Make(l.Place) },
		l.cluster().Configure,
		l.sigstore().Configure,
		func() error { return l.RefreshEnv(build.Dir(l.Place, build.Kubernetes())) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	for _, c := range l.components() {
		if err := l.keeper().Start(ctx, c); err != nil {
			return err
		}
	}
	client, err := cluster.Client(l.Place)
	if err != nil {
		return err
	}
	if err := volumes.Class(ctx, client); err != nil {
		return err
	}
	l.Say("the lab is up: export KUBECONFIG=%s", l.Path("kubeconfig"))
	return nil
}

// down stops what up started, in the reverse order, and removes its traces; a
// part that fails does not keep the others.
func (l *lab) down(ctx context.Context, keep bool) error {
	all := l.components()
	slices.Reverse(all)
	var failures []error
	for _, c := range all {
		if c.Name == "containerd" {
			machine.KillContainers(l.Place)
		}
		failures = append(failures, l.keeper().Stop(ctx, c.Name))
	}
	failures = append(failures, machine.Clean(ctx, l.Place, build.Binary(l.Place, build.Kubernetes(), "kube-proxy")))
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("%w; the state in %s is kept, run 'down' again", err, l.State)
	}
	if !keep {
		if err := os.RemoveAll(l.State); err != nil {
			return fmt.Errorf("remove state: %w", err)
		}
	}
	l.Say("the lab is down")
	return nil
}

// one stops or starts a single component.
func (l *lab) one(ctx context.Context, c call) error {
	all := l.components()
	at := slices.IndexFunc(all, func(have proc.Component) bool { return have.Name == c.name })
	switch {
	case at < 0:
		return fmt.Errorf("%s %q: no such component; 'status' lists them", c.command, c.name)
	case c.command == "start":
		return l.keeper().Start(ctx, all[at])
	default:
		return l.keeper().Pause(ctx, all[at])
	}
}

// state is what status says about a component.
type state struct {
	Name  string     `json:"name"`
	PID   int        `json:"pid,omitempty"`
	Since *time.Time `json:"since,omitempty"`
	Ready bool       `json:"ready"`
	Log   string     `json:"log"`
}

func (l *lab) states(ctx context.Context) []state {
	var out []state
	for _, c := range l.components() {
		s := state{Name: c.Name, Log: l.keeper().LogPath(c.Name)}
		if r, ok := l.keeper().Alive(c.Name); ok {
			s.PID, s.Since, s.Ready = r.PID, &r.Started, c.Ready(ctx) == nil
		}
		out = append(out, s)
	}
	return out
}

func (l *lab) status(ctx context.Context, asJSON bool, out io.Writer) error {
	states := l.states(ctx)
	if err := printStates(states, asJSON, out); err != nil {
		return fmt.Errorf("print status: %w", err)
	}
	missing := slices.DeleteFunc(states, func(s state) bool { return s.Ready })
	if len(missing) > 0 {
		return fmt.Errorf("%d components are not ready: run 'up', then read the logs above", len(missing))
	}
	return nil
}

func printStates(states []state, asJSON bool, out io.Writer) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(states)
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tPID\tSINCE\tREADY\tLOG")
	for _, s := range states {
		pid, since, ready := "-", "-", "no"
		if s.Since != nil {
			pid, since = fmt.Sprint(s.PID), s.Since.Format(time.TimeOnly)
		}
		if s.Ready {
			ready = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Name, pid, since, ready, s.Log)
	}
	return w.Flush()
}

func (l *lab) smoke(ctx context.Context) error {
	if err := build.Build(ctx, l.Place, build.Smoke(), build.Prove()); err != nil {
		return err
	}
	if err := images.Push(ctx, build.Path(l.Place, build.Smoke()), images.Ref("smoke")); err != nil {
		return err
	}
	client, err := cluster.Client(l.Place)
	if err != nil {
		return err
	}
	return smoke.Run(ctx, l.Place, client, smoke.Programs{Image: images.Ref("smoke"), Prove: build.Path(l.Place, build.Prove())}, os.Stdout)
}
