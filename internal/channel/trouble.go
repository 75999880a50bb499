package channel

import (
	"errors"
	"net"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/wire"
)

// Trouble is why a relay did not do what was asked of it.
type Trouble int

// The kinds of trouble.
const (
	// NoTrouble: it is something else, not with a relay.
	NoTrouble Trouble = iota
	// BadAddress: no client can be made of the address, or of another setting.
	BadAddress
	// Unreachable: no answer came, or only a part of one.
	Unreachable
	// UnreachableHere: the same, at an address of this machine's own.
	UnreachableHere
	// Untrusted: what answers shows a certificate that does not count here, or speaks no TLS.
	Untrusted
	// Faulty: the relay has a fault, and says so.
	Faulty
	// NoRelay: an answer that no relay should give.
	NoRelay
	// KeyRefused: no key, a wrong one, or one that may only read.
	KeyRefused
	// NoChannel: the relay has none of that number.
	NoChannel
	// NotAllowed: the relay does not do this, or not for us.
	NotAllowed
	// Refused: another clear no.
	Refused
	// QuotaSpent: the channel or the account is full, or has had its messages of a year.
	QuotaSpent
	// OverBudget: a reading has brought as many bytes as it may.
	OverBudget
	// Scattered: a reading has brought numbers with too many gaps.
	Scattered
	// BrokerRefused: the relay's broker does not take the device, and BrokerUnreachable: no broker answers there.
	BrokerRefused
	BrokerUnreachable
)

// TroubleOf tells what kind of trouble an error is, and at which address the relay may be meant instead: with the other one of
// http and https, or without what stands behind it; empty if that does not show.
func TroubleOf(err error) (t Trouble, meant string) {
	if e, ok := errors.AsType[*remote.AddressError](err); ok {
		return BadAddress, e.Meant
	}
	if e, ok := errors.AsType[*wire.RefusedError](err); ok {
		switch e.Reason {
		case wire.KeyRefused:
			return KeyRefused, ""
		case wire.NotAllowed:
			return NotAllowed, ""
		case wire.NotFound:
			return NoChannel, e.Above
		case wire.QuotaSpent:
			return QuotaSpent, ""
		}
		return Refused, ""
	}
	if e, ok := errors.AsType[*wire.UnreachableError](err); ok {
		switch {
		case e.Cause == wire.TLSFailed:
			return Untrusted, e.OtherScheme()
		case e.Loopback():
			return UnreachableHere, e.OtherScheme()
		}
		return Unreachable, e.OtherScheme()
	}
	if e, ok := errors.AsType[*wire.UnexpectedError](err); ok {
		if e.Temporary() {
			return Faulty, e.OtherScheme()
		}
		return NoRelay, e.OtherScheme()
	}
	if e, ok := errors.AsType[*remote.BrokerError](err); ok {
		if e.Refused() {
			return BrokerRefused, ""
		}
		return BrokerUnreachable, ""
	}
	if e, ok := errors.AsType[*exchange.BudgetError](err); ok {
		if e.Spans > 0 {
			return Scattered, ""
		}
		return OverBudget, ""
	}
	return NoTrouble, ""
}

// HostOf returns the host of a relay that no answer came from, and the port that its address names, empty if it names none.
func HostOf(err error) (host, port string) {
	e, ok := errors.AsType[*wire.UnreachableError](err)
	if !ok {
		return "", ""
	}
	if host, port, err = net.SplitHostPort(e.Host); err != nil {
		return e.Host, ""
	}
	return host, port
}
