// Package job runs the steps of a run as Kubernetes Jobs: an ActionExecution
// for each attempt of a step, a Job for each ActionExecution.
package job
