// Package verify compares our verifier with its peers, in verdict, time and
// requests.
package verify
