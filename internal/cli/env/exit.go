package env

// Exit is an error with an exit code of its own; other errors end with 1.
type Exit struct {
	Code int
	Err  error
}

// Error is that of Err.
func (x *Exit) Error() string { return x.Err.Error() }

// Unwrap returns Err.
func (x *Exit) Unwrap() error { return x.Err }
