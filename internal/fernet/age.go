package fernet

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// MaxClockSkew is how far in the future a token may be dated before [Opened.CheckAge] refuses it.
const MaxClockSkew = 60 * time.Second

var (
	// ErrExpired is matched by [*ExpiredError].
	ErrExpired = errors.New("token expired")
	// ErrFromTheFuture is matched by [*FutureError].
	ErrFromTheFuture = errors.New("token from the future")
)

// ExpiredError is the refusal of a token that is older than TTL.
type ExpiredError struct {
	SealedAt, Now time.Time
	TTL           time.Duration
}

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("%v: sealed at %s, more than %v before %s", ErrExpired, stamp(e.SealedAt), e.TTL, stamp(e.Now))
}

// Is reports whether target is [ErrExpired].
func (e *ExpiredError) Is(target error) bool { return target == ErrExpired }

// FutureError is the refusal of a token that is dated more than [MaxClockSkew] after Now.
type FutureError struct {
	SealedAt, Now time.Time
}

func (e *FutureError) Error() string {
	return fmt.Sprintf("%v: sealed at %s, more than %v after %s",
		ErrFromTheFuture, stamp(e.SealedAt), MaxClockSkew, stamp(e.Now))
}

// Is reports whether target is [ErrFromTheFuture].
func (e *FutureError) Is(target error) bool { return target == ErrFromTheFuture }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// CheckAge judges the time of sealing as Python's cryptography does: [*ExpiredError] when time + ttl < now, else
// [*FutureError] when time > now + [MaxClockSkew]. It counts in whole seconds: a fraction in now is dropped, one in ttl
// is rounded up. A ttl of 0 admits what was sealed in this very second or later; it does not mean "no limit".
func (o Opened) CheckAge(ttl time.Duration, now time.Time) error {
	behind, ahead := distance(o.seconds, now.Unix())
	limit := int64(ttl / time.Second)
	if ttl%time.Second > 0 {
		limit++
	}
	// time + limit < now, without a sum that could overflow
	expired := limit >= 0 && behind > uint64(limit) || limit < 0 && ahead < uint64(-limit)
	switch {
	case expired:
		return &ExpiredError{SealedAt: o.SealedAt, Now: now, TTL: ttl}
	case ahead > uint64(MaxClockSkew/time.Second):
		return &FutureError{SealedAt: o.SealedAt, Now: now}
	}
	return nil
}

// CheckAge is [Opened.CheckAge] for a token of which only the time of sealing is at hand.
func CheckAge(sealed time.Time, ttl time.Duration, now time.Time) error {
	return Opened{SealedAt: sealed, seconds: uint64(max(sealed.Unix(), 0))}.CheckAge(ttl, now)
}

// distance returns how many seconds sealed lies behind now, or ahead of it; one of the two is 0. A sum beyond 64 bits
// counts as the greatest number.
func distance(sealed uint64, now int64) (behind, ahead uint64) {
	switch {
	case now < 0:
		ahead = sealed + uint64(-now)
		if ahead < sealed {
			ahead = math.MaxUint64
		}
		return 0, ahead
	case sealed < uint64(now):
		return uint64(now) - sealed, 0
	}
	return 0, sealed - uint64(now)
}
