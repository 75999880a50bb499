package fernet_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
)

func Example() {
	older, newer := fernet.GenerateKey(), fernet.GenerateKey()
	before, err := fernet.NewRing(older)
	if err != nil {
		panic(err)
	}
	text, err := before.Seal([]byte("hello"), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if err != nil {
		panic(err)
	}

	// The key was changed since; the ring still opens what the older one sealed.
	ring, err := fernet.NewRing(newer, older)
	if err != nil {
		panic(err)
	}
	message, err := ring.Open(text)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s, opened with key %d, sealed at %v\n", message.Plaintext, message.KeyIndex, message.SealedAt)

	late := time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC)
	fmt.Println(message.CheckAge(10*time.Minute, late))

	_, err = ring.Open(text + "AAAA")
	fmt.Println(err, errors.Is(err, fernet.ErrMalformed))
	// Output:
	// hello, opened with key 1, sealed at 2026-01-02 03:04:05 +0000 UTC
	// token expired: sealed at 2026-01-02T03:04:05Z, more than 10m0s before 2026-01-02T04:00:00Z
	// malformed token: not URL-safe base64 with padding true
}
