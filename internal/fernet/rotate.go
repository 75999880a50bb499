package fernet

import (
	"fmt"
	"strings"
	"time"

	fernetgo "github.com/fernet/fernet-go"
)

// Time returns the sender's clock at sealing as the token has it: seconds since 1970-01-01 UTC, of which all 64 bits may be
// set.
func (o Opened) Time() uint64 { return o.seconds }

// Rotate seals anew, with the newest key and another IV, what a token holds that any key of the ring opens, as the rotate of
// Python's MultiFernet does. The clock in it stays, so that nothing becomes younger by it. The error is that of
// [Ring.Open].
func (r Ring) Rotate(text string) (rotated string, was Opened, err error) {
	if was, err = r.Open(text); err != nil {
		return "", Opened{}, err
	}
	// The library takes a time and writes its seconds: so a clock beyond 63 bits comes through as it is.
	sealed, err := fernetgo.EncryptAndSignAtTime(was.Plaintext, r.keys[0].secret(), time.Unix(int64(was.seconds), 0))
	if err != nil {
		return "", Opened{}, fmt.Errorf("sealing a token anew: %w", err)
	}
	return string(sealed), was, nil
}

// KeyLineError says which line of a text of keys is none. It repeats no part of it.
type KeyLineError struct {
	// Line counts from 1 on.
	Line int
	// Cause wraps [ErrMalformedKey].
	Cause error
}

func (e *KeyLineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Cause) }

func (e *KeyLineError) Unwrap() error { return e.Cause }

// ParseKeys reads the keys of a ring, newest first: one a line, as [Key.Reveal] writes it. Blanks around a key, empty lines and
// lines that begin with # do not count. The error is [*KeyLineError], or [ErrEmptyRing] where there is no key.
func ParseKeys(text string) (newestFirst []Key, err error) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, err := ParseKey(line)
		if err != nil {
			if len(line) > 3 && line[0] == 'b' && strings.ContainsRune(`'"`, rune(line[1])) {
				err = fmt.Errorf("%w; b'…' is how Python prints bytes: the key stands between the quotes", err)
			}
			return nil, &KeyLineError{n, err}
		}
		newestFirst = append(newestFirst, key)
	}
	if len(newestFirst) == 0 {
		return nil, ErrEmptyRing
	}
	return newestFirst, nil
}
