package fernet

import (
	"errors"

	"github.com/fernpost/fernpost/internal/token"
)

// Refusal is why a token was refused, as a word for programs. Who writes it for people takes the error.
type Refusal string

// The refusals. A wrong key and an altered token are the same thing to whoever holds the key: the MAC does not fit.
const (
	RefusedNotBase64    Refusal = "not base64"
	RefusedNotCanonical Refusal = "not canonical"
	RefusedVersion      Refusal = "version"
	RefusedCut          Refusal = "cut"
	RefusedNoKey        Refusal = "wrong key or altered"
	RefusedExpired      Refusal = "expired"
	RefusedFuture       Refusal = "from the future"
)

// ErrCut is wrapped by the [Refuse] of what is left of a token.
var ErrCut = errors.New("the token was cut short, or lost characters on the way")

// Refuse returns why a text was refused as a token: the word for programs and the error for people, which matches what err
// does. err is what [Ring.Open] or [Opened.CheckAge] returned for it; of any other error the word is empty.
func Refuse(text string, err error) (Refusal, error) {
	if errors.Is(err, ErrMalformed) && !errors.Is(err, token.WrongVersion) && token.IsCut(text) {
		return RefusedCut, cutError{err}
	}
	for _, r := range []struct {
		err  error
		word Refusal
	}{
		{token.NotBase64, RefusedNotBase64},
		{token.NotCanonical, RefusedNotCanonical},
		{token.WrongVersion, RefusedVersion},
		{token.TooShort, RefusedCut},
		{token.WrongLength, RefusedCut},
		{ErrNoKey, RefusedNoKey},
		{ErrExpired, RefusedExpired},
		{ErrFromTheFuture, RefusedFuture},
	} {
		if errors.Is(err, r.err) {
			return r.word, err
		}
	}
	return "", err
}

// cutError says that a malformed token is what was left of one.
type cutError struct{ cause error }

func (e cutError) Error() string { return ErrCut.Error() }

func (e cutError) Unwrap() []error { return []error{ErrCut, e.cause} }
