package gate

import (
	"sync"
	"sync/atomic"
)

// atOnce is how many images of one run are asked about at the same time: enough
// to hide the way to a registry, and no more than the verifier lets through to
// one of them.
const atOnce = 8

// each calls do for every index below n, several at once, and returns the error
// of the first that failed, in the order of the indices. It is the same error
// as if they had been called one after the other: after a failure none begins,
// and those before it began earlier and are waited for.
func each(n int, do func(i int) error) error {
	var (
		next   atomic.Int64
		failed atomic.Bool
		all    sync.WaitGroup
	)
	errs := make([]error, n)
	for range min(n, atOnce) {
		all.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[i] = do(i); errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
