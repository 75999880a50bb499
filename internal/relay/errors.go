package relay

import (
	"errors"
	"fmt"
	"time"
)

// Refusals. A door maps each to what its protocol says.
var (
	// ErrNotFound: there is no such channel, entry or account. Of a channel it is said to its owner only, or where no
	// channel can have that number.
	ErrNotFound = errors.New("not found")
	// ErrKey: the key is missing, unknown, or opens something else.
	ErrKey = errors.New("key refused")
	// ErrTooLarge: a value, a message or a bulk call is over its limit.
	ErrTooLarge = errors.New("too large")
	// ErrBytes: a text is not UTF-8, or holds a NUL, which not every engine can keep.
	ErrBytes = errors.New("invalid byte sequence")
	// ErrFull: the account has all its channels, or the channel all its entries.
	ErrFull = errors.New("limit reached")
	// ErrTaken: the name or number is in use.
	ErrTaken = errors.New("already in use")
	// ErrUnavailable: the store cannot take or give data now. Nothing that was answered is lost, unless the error says
	// that the data is damaged.
	ErrUnavailable = errors.New("store unavailable")
)

// TooSoonError refuses an update that came before its channel's interval was over.
type TooSoonError struct {
	// Wait is how long until the channel takes an update again; more than 0.
	Wait time.Duration
}

func (e *TooSoonError) Error() string { return fmt.Sprintf("too soon, next update in %v", e.Wait) }
