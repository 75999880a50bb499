// Package export writes and reads the file in which one device hands its rooms, or its identity, to another one. It is an age file
// (https://age-encryption.org/v1) with one recipient, a passphrase, so that the program age opens it as well; this package alone
// imports filippo.io/age. What stands inside is that of package handover, whose own sealed files, which pages write, it reads too. It
// knows no files and no network.
package export

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"filippo.io/age"

	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/passphrase"
)

const (
	// maxFile bounds the file, with what age puts around: a header, and 16 bytes for each 64 KiB; that of a page is longer by a half.
	maxFile = handover.MaxSize + handover.MaxSize>>1 + 4<<10

	// workFactor makes a guess take 64 MiB (2^16 blocks of 1 KiB), as one at the passphrase of a room does. A file may ask for
	// maxWorkFactor, which is what the program age writes: 256 MiB.
	workFactor    = 16
	maxWorkFactor = 18
)

// Seal writes a file under a passphrase, which is spelled as those of rooms are: see [passphrase.Normalize]. It takes 64 MiB and
// a fifth of a second. The error may be [handover.ErrTooLarge]; others say what cannot be written.
func Seal(w io.Writer, pass string, c *handover.Content) error {
	text, err := c.CheckedText()
	if err != nil {
		return err
	}
	recipient, err := age.NewScryptRecipient(passphrase.Normalize(pass))
	if err != nil {
		return passphrase.ErrEmpty // the only one that there is
	}
	recipient.SetWorkFactor(workFactor)
	sealed, err := age.Encrypt(w, recipient)
	if err != nil {
		return err
	}
	_, err = sealed.Write(text)
	return errors.Join(err, sealed.Close())
}

// File is a file that was read, and not opened yet.
type File struct{ sealed []byte }

// Read reads a file as far as that goes without the passphrase: so whoever has named another one is told before they are asked for
// it. The error is one of those of package handover, or that of the reader.
func Read(r io.Reader) (*File, error) {
	sealed, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil {
		err = checkHead(sealed)
	}
	if err != nil {
		return nil, err
	}
	return &File{sealed}, nil
}

// Open opens a file. Nothing of it is returned beside an error, which is one of those of package handover. It takes at most 256 MiB,
// and a second or two.
func (f *File) Open(pass string) (*handover.Content, error) {
	if handover.IsSealed(f.sealed) {
		return handover.Open(f.sealed, pass)
	}
	id, err := age.NewScryptIdentity(passphrase.Normalize(pass))
	if err != nil {
		return nil, handover.ErrPassphrase
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	plain, err := age.Decrypt(bytes.NewReader(f.sealed), id)
	switch {
	case errors.Is(err, age.ErrIncorrectIdentity):
		return nil, handover.ErrPassphrase
	case err != nil:
		return nil, handover.ErrAltered
	}
	text, err := io.ReadAll(io.LimitReader(plain, handover.MaxSize+1))
	switch {
	case err != nil:
		return nil, handover.ErrAltered
	case len(text) > handover.MaxSize:
		return nil, handover.ErrTooLarge
	}
	return handover.Parse(text)
}

// checkHead looks at the beginning of a file, before any work: its recipient has to be a passphrase, and may ask for so much.
func checkHead(file []byte) error {
	if len(file) > maxFile {
		return handover.ErrTooLarge
	}
	if handover.IsSealed(file) {
		return nil
	}
	rest, ok := strings.CutPrefix(string(file[:min(len(file), 1<<10)]), "age-encryption.org/v1\n-> scrypt ")
	if !ok {
		return handover.ErrNoExport
	}
	line, _, ok := strings.Cut(rest, "\n")
	if !ok {
		return handover.ErrAltered
	}
	_, factor, _ := strings.Cut(line, " ")
	if n, err := strconv.Atoi(factor); err != nil {
		return handover.ErrAltered
	} else if n > maxWorkFactor {
		return handover.ErrTooCostly
	}
	return nil
}
