package model

import (
	"errors"
	"fmt"
)

// FullError means that an archive has come to its size with messages alone. Nothing more is read into it; what is
// written goes out.
type FullError struct {
	// Size is what it may have, in bytes.
	Size int64
}

func (e *FullError) Error() string {
	return fmt.Sprintf("the archive has come to %d MiB, which is its size (the setting archive_size), with messages alone: "+
		"nothing more is read", e.Size>>20)
}

// TooLongError is a text that does not fit one entry.
type TooLongError struct {
	// Bytes is its length in UTF-8.
	Bytes int
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the message has %d bytes, and one entry carries at most %d", e.Bytes, MaxText)
}

// ErrNoText refuses a message without content.
var ErrNoText = errors.New("the message is empty")

// ErrNotUTF8 refuses a message that is no text in UTF-8: its readers would be shown "binary".
var ErrNotUTF8 = errors.New("the message is not UTF-8 text")

// ErrReading refuses a reading, of which nothing is to be posted clear. What it is wrapped in says why.
var ErrReading = errors.New("a room of plain texts cannot carry this reading")

// ErrOtherField is an [ErrReading] of a value whose field the room does not write to.
var ErrOtherField = fmt.Errorf("%w", ErrReading)

// Why a message cannot be written, or not be taken back.
var (
	// ErrNoIdentity refuses to write without an identity.
	ErrNoIdentity = errors.New("the room has no identity to sign with")
	// ErrOtherIdentity means that another identity has signed what waits in the outbox, and the room was not read in this
	// process: see Adopt of package room.
	ErrOtherIdentity = errors.New("another identity has signed what is in the outbox")
	// ErrKeyGone means that a message was sealed with a key that the room does not have any more.
	ErrKeyGone = errors.New("its key is not here")
	// ErrNumbersSpent means that the identity has used its last number and is to be replaced.
	ErrNumbersSpent = errors.New("the identity has used all of its numbers")
	// ErrNobody means that no record of a key was read.
	ErrNobody = errors.New("nobody here has this key")
	// ErrNoMessage means that there is no such message in the outbox.
	ErrNoMessage = errors.New("no such message in the outbox")
	// ErrTried means that a message was tried to be posted, so that it can only be completed.
	ErrTried = errors.New("a part of the message may have been posted already, so it will be completed")
	// ErrRefused means that a relay has refused a message, and so has had it.
	ErrRefused = errors.New("the relay has refused it, and may have it all the same")
)

// Why an archive cannot be used.
var (
	// ErrNewerArchive means that a newer fernpost has written it.
	ErrNewerArchive = errors.New("written by a newer fernpost")
	// ErrDiskFull means that the disk, or what the user may use of it, is full. Nothing was half kept.
	ErrDiskFull = errors.New("the disk is full")
	// ErrArchiveBusy means that another process has kept the database locked for longer than it should take.
	ErrArchiveBusy = errors.New("another process keeps it locked")
	// ErrArchiveDamaged means that the file is no database, or a broken one.
	ErrArchiveDamaged = errors.New("the file is damaged")
)

// WrittenError means that a message was written before that is to be written once.
type WrittenError struct{ OwnID }

func (e *WrittenError) Error() string { return "it was written before" }

// ErrOtherBody means that what is to be written once is another message than the one that was written under that name.
var ErrOtherBody = errors.New("another message was written under this name")

// ErrNamedKeyGone means that a message was written under a name, and that the key is gone which tells whether it was the same.
var ErrNamedKeyGone = errors.New("a message was written under this name, with a key that is not here any more, " +
	"so nobody can tell whether it was this one: send it under another name")

// ErrNoRoom means that there is no room of the name asked for, or none at all.
var ErrNoRoom = errors.New("no such room")

// ErrRoomName refuses a name that no room can have.
var ErrRoomName = errors.New("a room's name has 1 to 32 characters out of a-z, 0-9, - and _, and begins with a letter or digit")

// ErrRoomExists means that the name of a room is taken.
var ErrRoomExists = errors.New("a room of this name exists already")
