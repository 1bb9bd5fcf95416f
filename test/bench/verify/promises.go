package main

import (
	"fmt"
	"time"
)

// ownName of the contender that promises something.
const ownName = "kubernaut"

// promised is the registry that the promises speak of; 29 images are measured
// there alone, since peers take most of a minute for them.
func promised() place { return place{delay: 20 * time.Millisecond, referrers: true, token: true} }

// promises holds what we measured against what we promise for a registry at
// 20 ms with tokens and the referrers API.
func promises(p place, f figures) []string {
	var broken []string
	claim := func(what string, got, most any, ok bool) {
		if !ok {
			broken = append(broken, fmt.Sprintf("%s: %v, promised is %v", what, got, most))
		}
	}
	said := verdict(append(append(f.cold, f.warm...), f.next, f.many)...)
	warm := f.warm[len(f.warm)-1]
	claim("verdict", said, "allowed", said == "allowed")
	claim("requests when warm", warm.requests, 0, warm.requests == 0)
	claim("time when warm", quantile(f.warm, 0.5), 50*time.Microsecond, quantile(f.warm, 0.5) <= 50*time.Microsecond)
	if p != promised() {
		return broken
	}
	claim("requests of the first image", f.cold[0].requests, 5, f.cold[0].requests <= 5)
	claim("time of the first image", quantile(f.cold, 0.5), 110*time.Millisecond, quantile(f.cold, 0.5) <= 110*time.Millisecond)
	claim("requests of the next image", f.next.requests, 3, f.next.requests <= 3)
	claim("time of the next image", f.next.took, 65*time.Millisecond, f.next.took <= 65*time.Millisecond)
	claim("requests of 29 images", f.many.requests, 95, f.many.requests <= 95)
	return broken
}
