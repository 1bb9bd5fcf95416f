package machine

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

// scrub writes what iptables-restore --noflush must be told to take the lab's
// rules and chains out of what iptables-save printed; empty for nothing.
// Chains of Kubernetes go with kube, those of the plugins' network always.
func scrub(save string, kube bool) string {
	var out strings.Builder
	for _, table := range strings.Split(save, "\n*") {
		name, lines, _ := strings.Cut(strings.TrimPrefix(table, "*"), "\n")
		if commands := scrubTable(strings.Split(lines, "\n"), kube); len(commands) > 0 {
			fmt.Fprintf(&out, "*%s\n%s\nCOMMIT\n", name, strings.Join(commands, "\n"))
		}
	}
	return out.String()
}

func scrubTable(lines []string, kube bool) []string {
	doomed := doomedChains(lines, kube)
	var flush, rules, remove []string
	for _, chain := range doomed {
		flush = append(flush, ":"+chain+" - [0:0]") // says "empty it" in this language
		remove = append(remove, "-X "+chain)
	}
	for _, line := range lines {
		rule, ok := strings.CutPrefix(line, "-A ")
		if !ok || slices.Contains(doomed, strings.Fields(rule)[0]) {
			continue
		}
		if ours(rule) || slices.Contains(doomed, jump(rule)) {
			rules = append(rules, "-D "+rule)
		}
	}
	return slices.Concat(flush, rules, remove)
}

// doomedChains are the ones that only the lab uses. The plugins keep three
// chains for published ports that all their networks use: those go only if
// nobody else's rule is in them.
func doomedChains(lines []string, kube bool) []string {
	var out, ports []string
	foreign := false
	for _, line := range lines {
		if chain, ok := strings.CutPrefix(line, ":"); ok {
			name := strings.Fields(chain)[0]
			switch {
			case kube && strings.HasPrefix(name, "KUBE-"):
				out = append(out, name)
			case strings.HasPrefix(name, "CNI-HOSTPORT-"):
				ports = append(ports, name)
			}
		}
		if ours(line) && strings.HasPrefix(jump(line), "CNI-") && !strings.HasPrefix(jump(line), "CNI-HOSTPORT-") {
			out = append(out, jump(line))
		}
		foreign = foreign || strings.HasPrefix(line, "-A CNI-HOSTPORT-DNAT ") && !ours(line)
	}
	if !foreign {
		out = append(out, ports...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ours says whether the plugins made a rule for the lab's network.
func ours(rule string) bool {
	return strings.Contains(rule, `name: \"`+place.Network+`\"`)
}

// jump is the chain where a rule goes on.
func jump(rule string) string {
	if m := regexp.MustCompile(`(?: -j| -g) (\S+)`).FindStringSubmatch(rule); m != nil {
		return m[1]
	}
	return ""
}

// clearTables takes the lab's rules out of the machine's tables.
func clearTables(kube bool) error {
	for _, family := range []string{"iptables", "ip6tables"} {
		save, err := exec.Command(family + "-save").Output()
		if err != nil {
			continue // a kernel without this family has no rules of it
		}
		script := scrub(string(save), kube)
		if script == "" {
			continue
		}
		cmd := exec.Command(family+"-restore", "--noflush", "--wait", "5")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("remove rules with %s-restore: %w: %s", family, err, out)
		}
	}
	return nil
}
