// Command verify compares our verifier with its peers, in verdict, time and
// requests, in one run on one machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kubernaut/kubernaut/test/corpus"
)

func main() {
	times := flag.Int("times", 11, "cold starts of each contender in each place")
	all := flag.Bool("all", false, "also 3 and 10 signatures on one image")
	flag.Parse()
	kept, err := compare(context.Background(), os.Stdout, *times, *all)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if !kept {
		os.Exit(1)
	}
}

func places() []place {
	var all []place
	for _, delay := range []time.Duration{0, 20 * time.Millisecond, 80 * time.Millisecond} {
		for _, referrers := range []bool{true, false} {
			for _, token := range []bool{false, true} {
				all = append(all, place{delay, referrers, token})
			}
		}
	}
	return all
}

// compare reports whether our own promises were kept.
func compare(ctx context.Context, w io.Writer, times int, all bool) (bool, error) {
	fmt.Fprintf(w, "One image cold, then the next of its repository, then the first again; and %d images of as many repositories cold.\n", many)
	fmt.Fprintln(w, "All of them are signed as demanded: where one is refused, the times beside it count for nothing. Allocations count the registry too, which runs in the same process.")
	kept, counts := true, []int{1}
	if all {
		counts = append(counts, 3, 10)
	}
	for _, p := range places() {
		for _, by := range signings(counts) {
			fmt.Fprintf(w, "\n%s; registry: %s; %d signature(s)\n", by.name, p, by.count)
			ok, err := one(ctx, w, p, by, times)
			if err != nil {
				return false, err
			}
			kept = kept && ok
		}
	}
	return kept, nil
}

func signings(counts []int) []signing {
	var all []signing
	for _, n := range counts {
		all = append(all, signing{"key, legacy", corpus.Kind{}, n}, signing{"key, bundle", corpus.Kind{Bundle: true}, n},
			signing{"keyless, legacy", corpus.Kind{Keyless: true}, n}, signing{"keyless, bundle", corpus.Kind{Bundle: true, Keyless: true}, n})
	}
	return all
}

// signing is how the images of one table are signed.
type signing struct {
	name string
	kind corpus.Kind
	// count of signatures on each image.
	count int
}

func one(ctx context.Context, w io.Writer, p place, by signing, times int) (bool, error) {
	t, err := prepare(ctx, p, by)
	if err != nil {
		return false, err
	}
	defer t.served.server.Close()
	header(w)
	kept := true
	for _, c := range contenders() {
		f, err := t.run(ctx, c, times)
		if err != nil {
			return false, fmt.Errorf("start %s: %w", c.name, err)
		}
		f.print(w, c.name)
		if c.name == ownName && by.count == 1 {
			for _, broken := range promises(p, f) {
				kept = false
				fmt.Fprintln(w, "  NOT KEPT:", broken)
			}
		}
	}
	return kept, nil
}
