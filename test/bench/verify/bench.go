package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/kubernaut/kubernaut/test/corpus"
)

// sample is one measured call.
type sample struct {
	took     time.Duration
	requests int64
	allocs   uint64
	err      error
}

// figures are what is told of a contender in one place.
type figures struct {
	cold, warm []sample
	// next is the second image of a repository, many the 29 images of as many
	// repositories, both by a judge that just started.
	next, many sample
}

// trial is one registry with signed images of one kind.
type trial struct {
	served *served
	corpus *corpus.Corpus
	kind   corpus.Kind
	one    string
	two    string
	many   []string
}

// many is how many actions a full catalog has.
const many = 29

func prepare(ctx context.Context, p place, by signing) (*trial, error) {
	t := &trial{served: serve(p), kind: by.kind}
	var err error
	if t.corpus, err = corpus.Empty(ctx, t.served.host()+"/bench"); err != nil {
		return nil, err
	}
	if t.one, err = t.corpus.Signed("one", "first", by.kind, by.count); err != nil {
		return nil, err
	}
	if t.two, err = t.corpus.Signed("one", "second", by.kind, by.count); err != nil {
		return nil, err
	}
	for i := range many {
		image, err := t.corpus.Signed(fmt.Sprintf("many-%02d", i), "image", by.kind, by.count)
		if err != nil {
			return nil, err
		}
		t.many = append(t.many, image)
	}
	t.served.filled()
	return t, nil
}

func (t *trial) measure(ctx context.Context, j judge, images ...string) sample {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	asked, start := t.served.requests.Load(), time.Now()
	err := j(ctx, images...)
	s := sample{took: time.Since(start), requests: t.served.requests.Load() - asked, err: err}
	runtime.ReadMemStats(&after)
	// The registry lives in the same process, so this counts both sides.
	s.allocs = after.Mallocs - before.Mallocs
	return s
}

// run measures one contender, with a new judge for each cold sample.
func (t *trial) run(ctx context.Context, c contender, times int) (figures, error) {
	var f figures
	for range times {
		j, err := c.start(t.corpus, t.kind)
		if err != nil {
			return f, err
		}
		f.cold = append(f.cold, t.measure(ctx, j, t.one))
		f.next = t.measure(ctx, j, t.two)
		f.warm = append(f.warm, t.measure(ctx, j, t.one))
		// Ours takes microseconds, of which a few samples say nothing.
		for c.name == ownName && len(f.warm) < (len(f.cold)*warmSamples)/times {
			f.warm = append(f.warm, t.measure(ctx, j, t.one))
		}
	}
	if t.served.place != promised() {
		return f, nil
	}
	j, err := c.start(t.corpus, t.kind)
	if err != nil {
		return f, err
	}
	f.many = t.measure(ctx, j, t.many...)
	return f, nil
}

// warmSamples are enough for the slowest hundredth of them to be ten.
const warmSamples = 1000

// quantile of the times; q between 0 and 1.
func quantile(samples []sample, q float64) time.Duration {
	var all []time.Duration
	for _, s := range samples {
		all = append(all, s.took)
	}
	slices.Sort(all)
	return all[int(q*float64(len(all)-1)+0.5)]
}

// verdict should be "allowed": all images here are signed as demanded.
func verdict(samples ...sample) string {
	for _, s := range samples {
		if s.err != nil {
			return "refused"
		}
	}
	return "allowed"
}

const columns = "%-26s %-8s %4s %9s %9s %4s %9s %4s %9s %5s %9s %8s\n"

func (f figures) print(w io.Writer, name string) {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000) }
	count := func(s sample) string { return fmt.Sprint(s.requests) }
	warm := f.warm[len(f.warm)-1]
	fmt.Fprintf(w, columns, name, verdict(append(append(f.cold, f.warm...), f.next, f.many)...),
		count(f.cold[0]), ms(quantile(f.cold, 0.5)), ms(quantile(f.cold, 0.99)),
		count(f.next), ms(f.next.took), count(warm), ms(quantile(f.warm, 0.5)),
		blank(count(f.many)), blank(ms(f.many.took)), fmt.Sprint(f.cold[len(f.cold)-1].allocs))
	if len(f.warm) >= warmSamples {
		fmt.Fprintf(w, "  warm: p50 %s, p99 %s of %d samples\n", quantile(f.warm, 0.5), quantile(f.warm, 0.99), len(f.warm))
	}
}

// blank shows what was not measured.
func blank(text string) string {
	if text == "0" || text == "0.00" {
		return "-"
	}
	return text
}

func header(w io.Writer) {
	fmt.Fprintf(w, columns, "", "verdict", "req", "p50 ms", "p99 ms", "next", "ms", "warm", "p50 ms", "29", "ms", "allocs")
}
