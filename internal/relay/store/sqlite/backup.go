package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fernpost/fernpost/internal/diskfile"
)

// magic is what every SQLite database begins with.
const magic = "SQLite format 3\x00"

// Backup writes a copy of the database to a file, as of one moment, beside whatever reads and writes. The copy is whole
// and on disk when it bears the name; until then it is written under another one in the same directory. A file that is
// there is replaced if it is a database, and refused if it is anything else or the one in use. Ending ctx ends the copy.
func (s *Store) Backup(ctx context.Context, name string) error {
	if err := s.mayReplace(name); err != nil {
		return err
	}
	// SQLite writes into a file that is empty, and leaves its mode, which is the owner's only, as it is.
	err := diskfile.Replace(name, func(f *os.File) error { return s.copyInto(ctx, f.Name()) })
	if err != nil {
		return fmt.Errorf("making a backup: %w", err)
	}
	return nil
}

// mayReplace refuses a name at which something stands that a backup must not replace.
func (s *Store) mayReplace(name string) error {
	there, err := os.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making a backup: %w", err)
	}
	if own, err := os.Stat(s.path); err == nil && os.SameFile(own, there) {
		return fmt.Errorf("making a backup: %s is the database itself", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("making a backup: %w", err)
	}
	defer f.Close()
	begin := make([]byte, len(magic))
	n, err := io.ReadFull(f, begin)
	if n > 0 && !bytes.Equal(begin, []byte(magic)) || there.IsDir() {
		return fmt.Errorf("making a backup: %s is there already, and is no backup", name)
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("making a backup: %w", err)
	}
	return nil
}

// copyInto runs on a connection of its own, so that neither readers nor the writer wait for it.
func (s *Store) copyInto(ctx context.Context, part string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	return errors.Join(c.CopyInto(ctx, part), c.Close())
}
