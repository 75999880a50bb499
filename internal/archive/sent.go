package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/fernpost/fernpost/internal/diskfile"
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
	if err := diskfile.MakeDir(dir); err != nil {
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

// Sent returns the lines that were noted and not taken in yet.
func Sent(dir, room string) [][]byte {
	b, err := os.ReadFile(filepath.Join(dir, room+".db"+sentEnd))
	if err != nil {
		return nil
	}
	return sentLines(b)
}

func sentLines(b []byte) [][]byte {
	return bytes.FieldsFunc(b, func(c rune) bool { return c == '\n' })
}

// TakeSent hands over the lines that were noted, if there are any, and forgets them once they are kept. Several processes may
// be given the same ones.
func (r *Room) TakeSent(keep func(lines [][]byte) error) error {
	// Whoever notes something now begins another file. No two have the same name: a process removes what it has read, and
	// nothing that came meanwhile.
	err := os.Rename(r.path+sentEnd, fmt.Sprintf("%s%s-%x", r.path, takenEnd, rand.Uint64()))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	files, globErr := r.taken() // also of a process that was killed here
	err = errors.Join(err, globErr)
	for _, file := range files {
		b, readErr := os.ReadFile(file)
		if readErr == nil {
			readErr = keep(sentLines(b))
		}
		if readErr == nil {
			readErr = os.Remove(file)
		}
		if !errors.Is(readErr, fs.ErrNotExist) { // another process was quicker
			err = errors.Join(err, readErr)
		}
	}
	if err != nil {
		return fmt.Errorf("taking in what was sent: %w", err)
	}
	return nil
}

// taken returns the names of the files that are being taken in.
func (r *Room) taken() (files []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(r.path))
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(r.path)+takenEnd) {
			files = append(files, filepath.Join(filepath.Dir(r.path), e.Name()))
		}
	}
	return files, err
}
