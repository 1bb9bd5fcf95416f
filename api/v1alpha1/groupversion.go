package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group is the API group of every kind here.
const Group = "kubernaut.ai"

// GroupVersion returns the group and version of every kind here.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: Group, Version: "v1alpha1"}
}

// AddToScheme registers every kind.
func AddToScheme(s *runtime.Scheme) error {
	gv := GroupVersion()
	s.AddKnownTypes(gv,
		&Catalog{}, &CatalogList{},
		&Action{}, &ActionList{},
		&Workflow{}, &WorkflowList{},
		&WorkflowExecution{}, &WorkflowExecutionList{},
		&ActionExecution{}, &ActionExecutionList{},
		&PullRequest{}, &PullRequestList{},
		&ExecutionPolicy{}, &ExecutionPolicyList{},
		&Approval{}, &ApprovalList{},
	)
	metav1.AddToGroupVersion(s, gv)
	return nil
}
