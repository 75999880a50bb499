package messenger

import (
	"errors"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
)

// AgeLimit hides messages by the clock inside their token. The zero value hides nothing: a clock that is off is no
// reason to hide a message, unless the user asks for it.
type AgeLimit struct {
	// TTL is how old a token may be; 0 is no limit.
	TTL time.Duration
	Now time.Time
}

// Hides reports whether a message of that clock is hidden: as too old, or as sealed in the future.
func (l AgeLimit) Hides(sealed time.Time) (expired, future bool) {
	if l.TTL <= 0 {
		return false, false
	}
	err := fernet.CheckAge(sealed, l.TTL, l.Now)
	return errors.Is(err, fernet.ErrExpired), errors.Is(err, fernet.ErrFromTheFuture)
}
