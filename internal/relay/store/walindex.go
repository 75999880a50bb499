package store

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
)

// indexHeader is the head of the index of SQLite's write-ahead log, which every commit by anybody changes: it holds a
// count of commits, the log's length, random salts and a checksum. SQLite itself compares it to find out whether what it
// knows is outdated (https://www.sqlite.org/walformat.html, "The WAL-Index Header").
type indexHeader [48]byte

// valid reports whether this is a header as we know it.
func (h *indexHeader) valid() bool {
	const version, initialized = 3_007_000, 12
	return binary.NativeEndian.Uint32(h[:]) == version && h[initialized] == 1
}

// walIndex is the index of one database's log, in memory that all processes share that have the database open.
type walIndex struct {
	name string
	file *os.File
	// mapped is the shared memory, nil if it cannot be had. It must not be touched once no connection to the database
	// is open.
	mapped []byte
	// users is how many stores of this process use it; walIndexes.mu guards it.
	users int
}

// walIndexes are those in use, by the name of their file: closing a file takes away all locks that the process has on it
// (POSIX), SQLite's as well, so there must be one, and it must be closed last.
var walIndexes struct {
	mu     sync.Mutex
	byName map[string]*walIndex
}

// openIndex returns the index of the log of a database that a connection is open to, nil where it cannot be had.
func openIndex(database string) *walIndex {
	walIndexes.mu.Lock()
	defer walIndexes.mu.Unlock()
	name := database + "-shm"
	w := walIndexes.byName[name]
	if w == nil {
		f, err := os.Open(name)
		if err != nil {
			return nil
		}
		w = &walIndex{name: name, file: f}
		w.mapped = w.mmap(len(indexHeader{}))
		if walIndexes.byName == nil {
			walIndexes.byName = map[string]*walIndex{}
		}
		walIndexes.byName[name] = w
	}
	w.users++
	return w
}

// usable reports whether the index can be read, and looks as we know it.
func (w *walIndex) usable() bool {
	if w == nil || w.mapped == nil {
		return false
	}
	h := w.header()
	return h.valid()
}

// header is what the index looks like now.
func (w *walIndex) header() indexHeader { return indexHeader(w.mapped) }

// close ends the use of an index. It comes after the last connection is closed.
func (w *walIndex) close() error {
	if w == nil {
		return nil
	}
	walIndexes.mu.Lock()
	defer walIndexes.mu.Unlock()
	if w.users--; w.users > 0 {
		return nil
	}
	delete(walIndexes.byName, w.name)
	return errors.Join(w.munmap(), w.file.Close())
}
