package model

import "errors"

// Place is where a device's keys lie: in files as they are, or in files that a key in the system's keyring seals.
type Place string

// The places.
const (
	InFiles  Place = "files"
	InSystem Place = "system"
)

// Kept tells where the keys of a device lie.
type Kept struct {
	// Place is where they are kept, and Moving tells that not all may lie there yet.
	Place  Place
	Moving bool
	// Sealed and Plain are how many files with keys are sealed, and are not.
	Sealed, Plain int
	// Unread is why the first of the other files with keys cannot be read.
	Unread error
}

// Why what a key in the system's keyring seals cannot be opened, or nothing be sealed.
var (
	// ErrKeyringAway means that there is no keyring, or that it is locked, or does not answer. Nothing is lost.
	ErrKeyringAway = errors.New("the system's keyring cannot be used")
	// ErrKeyringLacks means that it answers, and does not have the key.
	ErrKeyringLacks = errors.New("the system's keyring does not have the key that it was sealed with")
)
