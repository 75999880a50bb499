package remote

import (
	"net/url"

	"github.com/fernpost/fernpost/internal/wire"
)

// AddressError is an address, or another option, that no client can be made of.
type AddressError struct {
	Err error
	// Meant is the relay's address that it was probably taken from; "" if that does not show.
	Meant string
}

func (e *AddressError) Error() string { return e.Err.Error() }
func (e *AddressError) Unwrap() error { return e.Err }

// IsLoopback reports whether a relay's address is this machine's own.
func IsLoopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && wire.IsLoopback(u.Host)
}
