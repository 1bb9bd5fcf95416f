// Package names computes the names of objects, so that doing a thing twice
// meets the object of the first time.
package names

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
)

// maxJob is the longest Job name whose pods' names still fit 63 bytes.
const maxJob = 57

// Step names the ActionExecution, Job and accounts of one step of a run.
func Step(execution, step string) string { return fit(execution+"-"+step, maxJob) }

// Attempt names the ActionExecution, Job and accounts of one attempt of a step,
// or of one item of it, such as "a[2]": the first attempt as the step, each
// further one, and all of items, with numbers and a hash, since a step may be
// called "a-2".
func Attempt(execution, step string, attempt int) string {
	base, item, of := strings.Cut(strings.TrimSuffix(step, "]"), "[")
	if attempt <= 1 && !of {
		return Step(execution, step)
	}
	end := fmt.Sprintf("-%d", max(1, attempt))
	if of {
		end = "-" + item + end
	}
	end += "-" + sum(execution + "/" + step + end)[:6]
	return fit(execution+"-"+base, maxJob-len(end)) + end
}

// Workspace names the claim of a run's shared volume.
func Workspace(execution string) string { return fit(execution+"-workspace", maxJob) }

// PullRequest names the object that follows one pull request of a repository.
func PullRequest(repository, number string) string {
	base := repository[strings.LastIndex(strings.TrimSuffix(repository, "/"), "/")+1:]
	base = strings.Trim(unfit().ReplaceAllString(strings.ToLower(strings.TrimSuffix(base, ".git")), "-"), "-")
	return fit(base+"-"+number+"-"+sum(repository)[:6], maxJob)
}

// Label shortens a name to what a label value can hold.
func Label(name string) string { return fit(name, 63) }

// StepLabels are the labels of the Job of one step and of its pods; object is
// the name of the step's ActionExecution.
func StepLabels(execution, step, object string) map[string]string {
	return map[string]string{
		v1alpha1.LabelExecution:       Label(execution),
		v1alpha1.LabelStep:            step,
		v1alpha1.LabelActionExecution: Label(object),
	}
}

// fit returns name, or if it is longer than limit a shortened form that ends in
// a hash of the whole, so that different long names stay different.
func fit(name string, limit int) string {
	name = strings.ReplaceAll(name, ".", "-")
	if len(name) <= limit {
		return name
	}
	return strings.TrimRight(name[:limit-9], "-") + "-" + sum(name)[:8]
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func unfit() *regexp.Regexp { return regexp.MustCompile(`[^a-z0-9-]+`) }
