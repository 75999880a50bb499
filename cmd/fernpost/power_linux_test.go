//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// sector is what a disk writes whole or not at all, in bytes.
const sector = 512

// disk is what directories would hold if the power went while a traced process changes them. What was written to a file since its last
// fsync(2) is there or not, sector by sector, whatever was written first; and the changes of names since the last fsync(2) of a
// directory are there up to some moment, as file systems with a journal do it: also a name without the content.
type disk struct {
	dirs []string
	// before and now are the files by name, now as the processes see them.
	before, now map[string]*inode
	// steps are the changes of names since then, and safe how many of them are on the disk.
	steps []nameStep
	safe  int
	// under are the calls under way, by thread: what they do once they have returned.
	under map[int]func()
}

// inode is a file, or a directory.
type inode struct {
	id   uint64 // its number in the file system
	dir  bool
	mode fs.FileMode
	// safe is what is on the disk for sure, and last what it held when its last name was taken away.
	safe, last []byte
	gone       bool
}

// nameStep gives a name to a file, or with nil takes it away.
type nameStep struct {
	name string
	file *inode
}

// newDisk looks at directories, all of which is on the disk.
func newDisk(t *testing.T, dirs ...string) *disk {
	t.Helper()
	d := &disk{dirs: dirs, before: map[string]*inode{}, now: map[string]*inode{}, under: map[int]func(){}}
	d.walk(t, func(name string, is fs.FileInfo) {
		f := newInode(is)
		if !f.dir {
			f.safe, _ = os.ReadFile(name)
		}
		d.before[name], d.now[name] = f, f
	})
	return d
}

func newInode(is fs.FileInfo) *inode {
	return &inode{id: is.Sys().(*syscall.Stat_t).Ino, dir: is.IsDir(), mode: is.Mode().Perm()}
}

// walk visits what the directories hold but the memory that processes with a database share, which no disk has.
func (d *disk) walk(t *testing.T, visit func(name string, is fs.FileInfo)) {
	t.Helper()
	for _, dir := range d.dirs {
		err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
			if err != nil || name == dir || strings.HasSuffix(name, "-shm") {
				return err
			}
			is, err := e.Info()
			if err == nil {
				visit(name, is)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// rename notes that a name has got another file, or none.
func (d *disk) rename(name string, f *inode) {
	d.steps = append(d.steps, nameStep{name, f})
	if f == nil {
		delete(d.now, name)
	} else {
		d.now[name] = f
	}
}

// look notes the names that have come and gone by calls that are not watched, or that a kill has kept from returning.
func (d *disk) look(t *testing.T) {
	t.Helper()
	there := map[string]bool{}
	d.walk(t, func(name string, is fs.FileInfo) {
		there[name] = true
		f, before := newInode(is), d.now[name]
		if before != nil && before.id == f.id {
			return
		}
		for _, other := range d.now {
			if other.id == f.id {
				f = other
			}
		}
		if before != nil {
			before.gone, before.last = true, before.safe
		}
		d.rename(name, f)
	})
	for name := range d.now {
		if !there[name] {
			d.rename(name, nil)
		}
	}
}

// has reports whether a file is on the disk.
func (d *disk) has(name string) bool {
	for _, dir := range d.dirs {
		if strings.HasPrefix(name, dir+"/") && !strings.HasSuffix(name, "-shm") {
			return true
		}
	}
	return false
}

// begin notes a call that a thread is about to make, and what path it is about: of a renaming or a link also the one from which.
func (d *disk) begin(t *testing.T, thread int, c change, from string) {
	t.Helper()
	isDir := false
	for _, dir := range d.dirs {
		isDir = isDir || c.path == dir
	}
	if !isDir && !d.has(c.path) {
		return
	}
	keep := func(name string) { // what a file held that loses its name
		if f := d.now[name]; f != nil && !f.dir {
			f.last, _ = os.ReadFile(name)
		}
	}
	switch c.call {
	case "fsync", "fdatasync":
		d.look(t)
		if f := d.now[c.path]; isDir || f != nil && f.dir {
			n := len(d.steps)
			d.under[thread] = func() { d.safe = max(d.safe, n) }
		} else if f != nil {
			content, _ := os.ReadFile(c.path)
			d.under[thread] = func() { f.safe = content }
		}
	case "renameat":
		d.look(t)
		keep(c.path)
		f, replaced := d.now[from], d.now[c.path]
		d.under[thread] = func() {
			if f == nil || d.now[from] != f { // another thread's call has come between, and has seen it
				return
			}
			if replaced != nil {
				replaced.gone = true
			}
			d.rename(c.path, f)
			d.rename(from, nil)
			if f.dir {
				d.look(t)
			}
		}
	case "unlinkat":
		d.look(t)
		keep(c.path)
		f := d.now[c.path]
		d.under[thread] = func() {
			if f != nil && d.now[c.path] == f {
				f.gone = true
				for name, other := range d.now {
					f.gone = f.gone && (name == c.path || other != f)
				}
				d.rename(c.path, nil)
			}
		}
	case "linkat":
		d.look(t)
		d.under[thread] = func() {
			if f := d.now[from]; f != nil && d.now[c.path] != f {
				d.rename(c.path, f)
			}
		}
	}
}

// end notes that the call of a thread has returned.
func (d *disk) end(thread int, failed bool) {
	if done := d.under[thread]; done != nil && !failed {
		done()
	}
	delete(d.under, thread)
}

// cut lets the power go: the directories hold what chance has left of what was not on the disk.
func (d *disk) cut(t *testing.T, random *rand.Rand) {
	t.Helper()
	d.look(t)
	left := map[string]*inode{}
	maps.Copy(left, d.before)
	for _, s := range d.steps[:d.safe+random.IntN(len(d.steps)-d.safe+1)] {
		if s.file == nil {
			delete(left, s.name)
		} else {
			left[s.name] = s.file
		}
	}
	content := map[*inode][]byte{}
	for name, f := range d.now {
		if !f.dir {
			content[f], _ = os.ReadFile(name)
		}
	}
	for _, f := range left {
		if f.gone {
			content[f] = f.last
		}
	}
	for _, dir := range d.dirs {
		all, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	mixed := map[*inode][]byte{} // once, also where it has two names
	for name, f := range left {
		if f.dir {
			continue
		}
		if mixed[f] == nil {
			mixed[f] = torn(f.safe, content[f], random)
		}
		// A directory may be gone of which a name is left only where the order of the steps was not seen.
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, mixed[f], f.mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range left {
		if f.dir {
			if err := os.MkdirAll(name, f.mode); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// torn is a file of which each sector is as it was or as it is.
func torn(before, now []byte, random *rand.Rand) []byte {
	if bytes.Equal(before, now) {
		return now
	}
	size := []int{len(before), len(now)}[random.IntN(2)]
	left := make([]byte, size)
	copy(left, before)
	for at := 0; at < min(size, len(now)); at += sector {
		if random.IntN(2) == 0 {
			copy(left[at:], now[at:min(at+sector, len(now))])
		}
	}
	return left
}

// fromOf returns from where a name is moved or linked by the call that a thread is about to make.
func fromOf(pid, thread int, info *syscallInfo) string {
	switch info.nr {
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT:
		from := peek(thread, info.args[1])
		if !filepath.IsAbs(from) {
			from = filepath.Join(pathOf(pid, info.args[0]), from)
		}
		return from
	}
	return ""
}
