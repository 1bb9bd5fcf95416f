// Package run holds the words that the gate, the planner, the engines and the
// reports share about one execution, so that none of them has to know another.
package run
