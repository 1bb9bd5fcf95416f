// Package verify is the verb that judges the signatures of images as the
// controller would, before anything runs.
package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	"github.com/kubernaut/kubernaut/internal/cli/policies"
	"github.com/kubernaut/kubernaut/internal/cli/reach"
	"github.com/kubernaut/kubernaut/internal/image"
	"github.com/kubernaut/kubernaut/internal/verify"
	verifyimage "github.com/kubernaut/kubernaut/internal/verify/image"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// Exit codes beside 0, which means that every image passes.
const (
	refused  = 1
	unjudged = 2
)

// call is what the flags say.
type call struct {
	files            []string
	root, controller string
	output           string
	compat           bool
	door             reach.Flags
}

// Command is the verb.
func Command(e *env.Env) *cobra.Command {
	x := &call{}
	c := &cobra.Command{
		Use: "verify IMAGE|WORKFLOW|CATALOG…", Short: "Judge the signatures of images as the controller would",
		Long: "Verify takes images by tag or digest, files with Workflows and Actions, and folders with a catalog, and judges every\n" +
			"image that they name. It reads the policies in the cluster, or those in the files and folders of --policy, together\n" +
			"with the TrustRoots, Secrets and ConfigMaps that they name. Pull credentials are those of docker or podman, but where a\n" +
			"policy names Secrets for its signatures.\n\n" +
			"It ends with 0 if all images pass, with 1 if one is refused, and with 2 if one could not be judged.",
		Example: "  kubernaut verify registry.example.com/kubernaut/actions/git-clone:latest\n" +
			"  kubernaut verify my-catalog --policy policies -o json",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := x.run(cmd.Context(), e, args)
			if exit := (*env.Exit)(nil); err != nil && !errors.As(err, &exit) {
				return &env.Exit{Code: unjudged, Err: err}
			}
			return err
		},
	}
	x.door.Add(c)
	c.Flags().StringSliceVar(&x.files, "policy", nil, "files or folders with the policies to judge by, instead of those in the cluster")
	c.Flags().StringVar(&x.root, "trusted-root", "", "trusted_root.json to trust where a policy names no TrustRoot, instead of Sigstore's public one")
	c.Flags().StringVar(&x.controller, "controller-namespace", "kubernaut-system", "namespace of the Secrets and ConfigMaps that policies in the cluster name")
	c.Flags().BoolVar(&x.compat, "compat", false, "judge as Policy Controller does, where that is less strict")
	c.Flags().StringVarP(&x.output, "output", "o", "", "json, or a table if empty")
	return c
}

func (x *call) run(ctx context.Context, e *env.Env, args []string) error {
	if x.output != "" && x.output != "json" {
		return fmt.Errorf("output %q is not known: want json", x.output)
	}
	ns, err := e.Namespace()
	if err != nil {
		return err
	}
	in, err := x.policies(ctx, e)
	if err != nil {
		return err
	}
	reached, err := x.door.Options()
	if err != nil {
		return err
	}
	reached.Secret = in.Logins
	door, set := image.New(reached), policy.Compile(in.Inputs)
	j := &judge{
		door: door, who: verify.Subject{Namespace: ns, Kind: "Job", Group: "batch", Version: "v1"},
		verifier: verifyimage.New(func(context.Context) (*policy.Set, error) { return set, nil }, door),
	}
	n := &names{env: e, offline: len(x.files) > 0, namespace: ns}
	for _, arg := range args {
		if err := n.read(ctx, arg); err != nil {
			return err
		}
	}
	if len(n.images) == 0 {
		return fmt.Errorf("no image is named in %q", args)
	}
	verdicts := j.all(ctx, e, n.images)
	if err := x.print(e, verdicts); err != nil {
		return err
	}
	return sum(verdicts)
}

func (x *call) policies(ctx context.Context, e *env.Env) (policies.Inputs, error) {
	in, err := policies.Inputs{}, error(nil)
	if len(x.files) > 0 {
		in, err = policies.Files(x.files)
	} else {
		c, failed := e.Cluster()
		if failed != nil {
			return in, failed
		}
		in, err = policies.Cluster(ctx, c, x.controller)
	}
	if err != nil || x.root == "" {
		in.Compat = x.compat
		return in, err
	}
	data, err := os.ReadFile(x.root)
	if err != nil {
		return in, fmt.Errorf("read --trusted-root: %w", err)
	}
	in.Public, in.Compat = policy.TrustedRoot(data), x.compat
	return in, nil
}

// judge judges images one after the other, so that they share what the registry
// was asked before.
type judge struct {
	door     *image.Registry
	who      verify.Subject
	verifier verify.Verifier
}

func (j *judge) all(ctx context.Context, e *env.Env, images []named) []verdict {
	var out []verdict
	for _, n := range images {
		v := verdict{Asked: n.ref, By: n.by}
		img, err := verify.Image{}, n.err
		if err == nil {
			img, err = j.door.Resolve(ctx, n.ref, j.who)
		}
		if err != nil {
			out = append(out, v.fail(err))
			continue
		}
		v.Image = img.String()
		if !strings.Contains(n.ref, "@") {
			e.Say("► %s is %s now", n.ref, img.Digest)
		}
		result, err := j.verifier.Verify(ctx, img, j.who)
		if err != nil {
			out = append(out, v.fail(err))
			continue
		}
		out = append(out, v.pass(result))
	}
	return out
}
