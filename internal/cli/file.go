package cli

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"mime"
	"os"
	"path/filepath"
	"strings"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// maxFileName is the longest name of a file, in bytes.
const maxFileName = 255

// readAttachment reads a file that is to be sent.
func readAttachment(name string) (record.File, error) {
	f, err := openFile(name)
	if err != nil {
		return record.File{}, usagef("--file: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, record.MaxFile+1))
	if err != nil {
		return record.File{}, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(content) > record.MaxFile {
		return record.File{}, usagef("%s is longer than %d bytes, the most that one message carries", name, record.MaxFile)
	}
	media := mime.TypeByExtension(filepath.Ext(name))
	if media == "" {
		media = "application/octet-stream"
	}
	base := strings.ToValidUTF8(filepath.Base(name), "_")
	if len(base) > maxFileName {
		return record.File{}, usagef("the name of %s is longer than %d bytes", name, maxFileName)
	}
	return record.File{Name: base, Media: media, Content: content}, nil
}

// saver writes files that came in messages into a directory, never over another file.
type saver struct {
	dir  *os.Root
	name string
}

func newSaver(dir string) (*saver, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("saving files: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("saving files: %w", err)
	}
	return &saver{root, dir}, nil
}

func (s *saver) close() error { return s.dir.Close() }

// save writes one file and returns under which name, and whether it was there before, to the letter.
func (s *saver) save(f record.File) (name string, there bool, err error) {
	for name = range fileNames(f) {
		out, err := s.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			if s.holds(name, f.Content) {
				return name, true, nil
			}
			continue
		}
		if err != nil {
			return name, false, fmt.Errorf("saving %s: %w", name, err)
		}
		_, err = out.Write(f.Content)
		if err = errors.Join(err, out.Close()); err != nil {
			s.dir.Remove(name) // half a file is worse than none
			return name, false, fmt.Errorf("saving %s: %w", name, err)
		}
		return name, false, nil
	}
	return "", false, fmt.Errorf("saving %s: no name is free", name)
}

// fileNames yields the names under which a file can be saved, the best first. After nine files of one name comes one
// that the content decides, so that a thousand of them are not tried one by one, nor saved again by each call.
func fileNames(f record.File) iter.Seq[string] {
	base, ext := screen.FileName(f.Name)
	return func(yield func(string) bool) {
		if !yield(base + ext) {
			return
		}
		for i := 2; i < 10; i++ {
			if !yield(fmt.Sprintf("%s-%d%s", base, i, ext)) {
				return
			}
		}
		sum := sha256.Sum256(f.Content)
		// Who knows the content could have taken that name as well, but not one by chance.
		_ = yield(fmt.Sprintf("%s-%x%s", base, sum[:8], ext)) && yield(base+"-"+rand.Text()+ext)
	}
}

// holds reports whether there is a file of that name with that content. Only a regular file is looked into: reading
// from a pipe could take for ever.
func (s *saver) holds(name string, content []byte) bool {
	info, err := s.dir.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(content)) {
		return false
	}
	old, err := s.dir.ReadFile(name)
	return err == nil && bytes.Equal(old, content)
}
