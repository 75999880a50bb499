package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// sentEnd is how the name of the file ends that holds the texts which were accepted and were sent without the archive, and
// takenEnd how that of the file ends which is being taken in.
const (
	sentEnd  = ".sent"
	takenEnd = ".sent-taken"
)

// mostSent is how many bytes such a file may have until it is begun anew: whoever only ever sends fills no disk.
const mostSent = 64 << 10

// NoteSent notes in a line, without opening the archive, a text that the relay has accepted. What is lost of it, as when the
// machine fails, is missed by nobody but who wants to know whether the relay shows it.
func NoteSent(dir, room string, line []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("noting what was sent: %w", err)
	}
	path, flags := filepath.Join(dir, room+".db"+sentEnd), os.O_WRONLY|os.O_CREATE|os.O_APPEND
	if info, err := os.Stat(path); err == nil && info.Size() > mostSent {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err == nil {
		_, err = f.Write(append(line, '\n'))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("noting what was sent: %w", err)
	}
	return nil
}

// TakeSent hands over the lines that were noted, if there are any, and forgets them once they are kept.
func (r *Room) TakeSent(keep func(lines [][]byte) error) error {
	taken := r.path + takenEnd
	b, err := os.ReadFile(taken) // of a process that was killed here
	if errors.Is(err, fs.ErrNotExist) {
		// Whoever notes something now begins another file.
		if err = os.Rename(r.path+sentEnd, taken); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			b, err = os.ReadFile(taken)
		}
	}
	if err == nil {
		err = keep(bytes.FieldsFunc(b, func(c rune) bool { return c == '\n' }))
	}
	if err == nil {
		err = os.Remove(taken)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // another process was quicker
		return fmt.Errorf("taking in what was sent: %w", err)
	}
	return nil
}
