package lint

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kubernaut/kubernaut/internal/cli/env"
	policyfiles "github.com/kubernaut/kubernaut/internal/cli/policies"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
)

// policies judges image policies by what the controller's own compiler says. It
// takes the public root of trust as given.
func policies(e *env.Env, files []string) error {
	in, err := policyfiles.Files(files)
	if err != nil {
		return err
	}
	if len(in.Policies)+len(in.TrustRoots) == 0 {
		return errors.New("there is no ClusterImagePolicy and no TrustRoot in these files; for a catalog, name its folder")
	}
	findings := 0
	for _, p := range policy.Compile(in.Inputs).Problems() {
		if strings.HasSuffix(p.Message, policyfiles.ErrElsewhere.Error()) {
			e.Say("? %s: %s", p.Object, p.Message)
			continue
		}
		findings++
		fmt.Fprintf(e.Out, "%s: %s\n", p.Object, p.Message)
	}
	if findings > 0 {
		return fmt.Errorf("%d findings in %s", findings, strings.Join(files, ", "))
	}
	e.Say("✔ nothing is wrong with %d policies and %d roots of trust", len(in.Policies), len(in.TrustRoots))
	return nil
}
