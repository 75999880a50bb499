package exchange

import (
	"errors"
	"fmt"
)

// ErrTooLong says that an update breaks the limits of the service. Nothing was sent.
var ErrTooLong = errors.New("the update is too long")

// BusyError says that an update, or a bulk call, came too soon again and again, so that we have given up. It was not
// stored.
type BusyError struct {
	// Rounds is how many times in a row it came too soon.
	Rounds int
	// Last is the last refusal.
	Last error
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%v; refused %d times, so others keep the channel busy or the quota is spent", e.Last, e.Rounds)
}

// Unwrap returns the last refusal.
func (e *BusyError) Unwrap() error { return e.Last }

// ErrNotStored is what an error of a port is that means that an update certainly was not stored.
var ErrNotStored = errors.New("the relay did not store the update")

// ErrNotSent is what an [ErrNotStored] is besides that has come before anything was sent.
var ErrNotSent = errors.New("nothing was sent")

// WasSent reports whether the relay has had an update that failed, even if it says that it has not stored it.
func WasSent(err error) bool { return !errors.Is(err, ErrNotSent) || errors.Is(err, errSentBefore) }

var errSentBefore = errors.New("the update was sent before")

// NotStored makes an error an [ErrNotStored]: it has come before anything was sent that may be stored.
func NotStored(err error) error { return &unstoredError{err, false} }

// unstoredError is an [ErrNotStored]; sent, if the relay has had the update, and refused it.
type unstoredError struct {
	error

	sent bool
}

func (e *unstoredError) Unwrap() error { return e.error }

func (e *unstoredError) Is(target error) bool {
	return target == ErrNotStored || target == ErrNotSent && !e.sent || target == errSentBefore && e.sent
}

// ErrUnknownOutcome is what every [*UnknownError] is.
var ErrUnknownOutcome = errors.New("it is unknown whether the relay stored the update")

// UnknownError says that an update was sent, that no answer or a senseless one came, and that reading back did not
// settle it in three rounds. The update may be stored, or be stored yet. It is an [ErrUnknownOutcome].
type UnknownError struct {
	// Doing is what was attempted, such as "posting to channel 42".
	Doing string
	// Rounds is how many times the update was lost or could not be looked for.
	Rounds int
	// Last is what went wrong last.
	Last error
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("%s: %v, after %d rounds; last: %v", e.Doing, ErrUnknownOutcome, e.Rounds, e.Last)
}

// Unwrap returns [ErrUnknownOutcome] and what went wrong last.
func (e *UnknownError) Unwrap() []error { return []error{ErrUnknownOutcome, e.Last} }

// BudgetError says that a reading was stopped because it had brought as much as it may. What was visited is good.
type BudgetError struct {
	// Doing is what was attempted, such as "reading channel 42".
	Doing string
	// Budget is how many bytes the reading might bring.
	Budget int64
	// Spans, if above 0, is why it was stopped in place of bytes: into so many stretches the numbers that came might fall.
	Spans int
}

func (e *BudgetError) Error() string {
	if e.Spans > 0 {
		return fmt.Sprintf("%s: stopped where the numbers of its entries had more than %d gaps", e.Doing, e.Spans)
	}
	return fmt.Sprintf("%s: stopped when it had brought %.1f MiB", e.Doing, float64(e.Budget)/(1<<20))
}
