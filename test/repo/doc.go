// Package repo holds the house rules of this repository as tests.
package repo
