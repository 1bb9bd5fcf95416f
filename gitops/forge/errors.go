package forge

import "errors"

// ErrNotFound means that the forge answered and has no such pull request.
var ErrNotFound = errors.New("no such pull request")
