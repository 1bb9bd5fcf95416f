// Package v1alpha1 holds the kinds of the kubernaut.ai API group, their
// condition types and reasons, and the keys that objects are labelled with.
//
// +kubebuilder:object:generate=true
// +groupName=kubernaut.ai
package v1alpha1
