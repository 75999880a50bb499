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

// What a relay's answer says, or that none came, is told in the words of package wire.
type (
	// UnreachableError says that no answer came, or only a part of one.
	UnreachableError = wire.UnreachableError
	// RefusedError is a relay's clear no.
	RefusedError = wire.RefusedError
	// UnexpectedError is an answer that no relay should give.
	UnexpectedError = wire.UnexpectedError
	// Cause is why a relay could not be reached, and Reason why it has refused a request.
	Cause  = wire.Cause
	Reason = wire.Reason
)

// The causes of an [UnreachableError].
const (
	NoConnection  = wire.NoConnection
	NoSuchHost    = wire.NoSuchHost
	NobodyListens = wire.NobodyListens
	TLSFailed     = wire.TLSFailed
	TimedOut      = wire.TimedOut
	Cut           = wire.Cut
)

// The reasons of a [RefusedError].
const (
	NotAllowed = wire.NotAllowed
	KeyRefused = wire.KeyRefused
	TooSoon    = wire.TooSoon
	NotFound   = wire.NotFound
	QuotaSpent = wire.QuotaSpent
	TooLarge   = wire.TooLarge
	Malformed  = wire.Malformed
)

// ErrNoEntry says that the channel shows no entry of that number: not yet, not any more, or never.
var ErrNoEntry = wire.ErrNoEntry

// IsLoopback reports whether a relay's address is this machine's own.
func IsLoopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && wire.IsLoopback(u.Host)
}

// HasNoBulk reports whether an error of [Client.BulkUpdate] says that the relay knows no bulk calls.
func HasNoBulk(err error) bool { return wire.HasNoBulk(err) }

// IsAway reports whether an error is that the relay cannot be reached, or not now.
func IsAway(err error) bool { return wire.IsAway(err) }
