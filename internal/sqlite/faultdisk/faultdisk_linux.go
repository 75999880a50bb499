package faultdisk

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/fernpost/fernpost/internal/sqlite"
	"github.com/fernpost/fernpost/internal/testenv"
)

// vfsName is what SQLite reaches the disks through.
const vfsName = "faultdisk"

// Code is what an operation ends with: one of SQLite's result codes.
type Code int32

// Those that a disk gives cause to.
const (
	OK       Code = sqlite3.SQLITE_OK
	Full     Code = sqlite3.SQLITE_FULL // half of what is written still goes to the disk
	BadWrite Code = sqlite3.SQLITE_IOERR_WRITE
	BadSync  Code = sqlite3.SQLITE_IOERR_FSYNC
)

// Disk is the disk that a directory lies on. If the power goes, what is left is what was written before the last fsync
// that succeeded, and by chance some of what came after, of some writes only some sectors. A failed fsync forgets what it
// was to write, as Linux does: the next one succeeds without it, although programs read it back.
//
// It is a layer (a "shim") between SQLite and its VFS for Unix, which it lets do the work, but for real fsyncs. Of files
// that were written in another way it believes that they are safe.
type Disk struct {
	// Dir is the directory.
	Dir string
	// random decides what chance does, and remote is what Remote has set.
	random *rand.Rand
	remote bool
	// mu guards what follows. It is held during each operation.
	mu sync.Mutex
	// fault is what Set was given.
	fault func(Operation) Code
	// platters are databases and their logs by name.
	platters map[string]*platter
}

// Operation is what SQLite wants to do with a file.
type Operation struct {
	Doing Doing
	// File is its name without the directory.
	File string
	// Before and After are how long it is, in bytes.
	Before, After int64
}

// Doing is a kind of operation.
type Doing int

// The operations that change something. The others do not fail.
const (
	Writing Doing = iota
	Truncating
	Syncing
)

// platter is a file as the power would leave it.
type platter struct {
	safe    []byte
	pending []change
	// size is how long the file is with what is pending.
	size int64
}

// change is a write of data at a place, or a cut there.
type change struct {
	at   int64
	data []byte
	cut  bool
}

func (p *platter) add(c change) {
	p.pending = append(p.pending, c)
	p.size = c.size(p.size)
}

func (c *change) size(before int64) int64 {
	if c.cut {
		return c.at
	}
	return max(before, c.at+int64(len(c.data)))
}

// sector is what a disk writes whole or not at all, in bytes.
const sector = 512

// settle brings what is pending to safety, after a failure only what chance has written already, of some writes a part; nil is no
// failure.
func (p *platter) settle(chance *rand.Rand) {
	for _, c := range p.pending {
		what := 2 // all of it
		if chance != nil {
			what = chance.IntN(3)
		}
		if what == 0 {
			continue
		}
		size := c.size(int64(len(p.safe)))
		if more := size - int64(len(p.safe)); more > 0 {
			p.safe = append(p.safe, make([]byte, more)...)
		}
		p.safe = p.safe[:size]
		for from := int64(0); from < int64(len(c.data)); {
			to := min(from+sector-(c.at+from)%sector, int64(len(c.data)))
			if what == 2 || chance.IntN(2) == 0 {
				copy(p.safe[c.at+from:], c.data[from:to])
			}
			from = to
		}
	}
	p.pending = nil
}

// New returns a disk for a new directory, which is removed when the test ends.
func New(t testing.TB) *Disk {
	t.Helper()
	disks.once.Do(register)
	d := &Disk{Dir: t.TempDir(), random: testenv.Random(t), platters: map[string]*platter{}}
	disks.mu.Lock()
	defer disks.mu.Unlock()
	disks.byDir[d.Dir] = d
	return d
}

// Remote makes the disk one on which processes cannot share memory, such as that of another machine.
func (d *Disk) Remote() { d.remote = true }

// Set changes what fails: fault says what each operation ends with. It is called for one operation at a time; nil lets all
// of them pass.
func (d *Disk) Set(fault func(Operation) Code) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

// chance decides what of a fsync that failed is on disk, nil if it has not.
func (d *Disk) chance(rc int32) *rand.Rand {
	if rc == sqlite3.SQLITE_OK {
		return nil
	}
	return d.random
}

func (d *Disk) judge(o Operation) int32 {
	if d.fault == nil {
		return sqlite3.SQLITE_OK
	}
	return int32(d.fault(o))
}

// SQLite returns how SQLite reaches the disk.
func (d *Disk) SQLite() sqlite.Disk { return sqlite.Disk{VFS: vfsName, Rewrite: d.rewrite} }

func (d *Disk) rewrite(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	o := Operation{Doing: Writing, File: filepath.Base(path), Before: int64(len(data)), After: int64(len(data))}
	p := d.platters[o.File]
	if rc := d.judge(o); rc != sqlite3.SQLITE_OK {
		return fmt.Errorf("writing %s: code %d", o.File, rc)
	}
	p.add(change{at: 0, data: data})
	o.Doing = Syncing
	rc := d.judge(o)
	p.settle(d.chance(rc))
	if rc != sqlite3.SQLITE_OK {
		return fmt.Errorf("syncing %s: code %d", o.File, rc)
	}
	return nil
}

// PowerOff returns another directory, with what is left if the power goes now.
func (d *Disk) PowerOff(t testing.TB) (dir string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	dir = t.TempDir()
	for name, p := range d.platters {
		left := &platter{safe: append([]byte(nil), p.safe...), pending: p.pending}
		left.settle(d.random)
		if err := os.WriteFile(filepath.Join(dir, name), left.safe, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// disks are the fault disks by directory, and the files that SQLite has open on them by the address of its handle.
var disks struct {
	once sync.Once
	// unixOpen and unixDelete are the functions of the VFS for Unix.
	unixOpen   openFunc
	unixDelete deleteFunc

	// mu guards what follows.
	mu    sync.Mutex
	byDir map[string]*Disk
	files map[uintptr]*file
}

// file is one that SQLite has open.
type file struct {
	disk *Disk
	name string
	// unix are the methods of the VFS for Unix. SQLite calls others, which lie at the address methods.
	unix    sqlite3.Tsqlite3_io_methods
	methods uintptr
}

// The functions of a VFS and its files, as package lib calls them.
type (
	openFunc     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	deleteFunc   = func(tls *libc.TLS, vfs, name uintptr, syncDir int32) int32
	writeFunc    = func(tls *libc.TLS, file, data uintptr, n int32, at int64) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32
	closeFunc    = func(tls *libc.TLS, file uintptr) int32
)

// memory is what lies at an address of memory that is not Go's.
func memory[T any](at uintptr) *T { return *(**T)(unsafe.Pointer(&at)) }

// pointer is how package lib passes a function on, and function what it makes of that.
func pointer[F any](f F) uintptr        { return *(*uintptr)(unsafe.Pointer(&f)) }
func function[F any](pointer uintptr) F { return *(*F)(unsafe.Pointer(&pointer)) }

// allocate copies a value to memory that is not Go's: the race detector's pointer checks allow package lib no other.
func allocate[T any](tls *libc.TLS, v T) (at uintptr) {
	at = libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(v)))
	*memory[T](at) = v
	return at
}

func register() {
	tls := libc.NewTLS()
	defer tls.Close()
	disks.byDir, disks.files = map[string]*Disk{}, map[uintptr]*file{}
	vfs := *memory[sqlite3.Tsqlite3_vfs](sqlite3.Xsqlite3_vfs_find(tls, 0))
	disks.unixOpen, disks.unixDelete = function[openFunc](vfs.FxOpen), function[deleteFunc](vfs.FxDelete)
	vfs.FxOpen, vfs.FxDelete = pointer(openFile), pointer(deleteFile)
	var name [len(vfsName) + 1]byte // with the zero that ends it
	copy(name[:], vfsName)
	vfs.FzName = allocate(tls, name)
	sqlite3.Xsqlite3_vfs_register(tls, allocate(tls, vfs), 0)
}

// on returns the disk that a file lies on, nil if that is not ours.
func on(name string) *Disk {
	disks.mu.Lock()
	defer disks.mu.Unlock()
	return disks.byDir[filepath.Dir(name)]
}

func openFile(tls *libc.TLS, vfs, name, handle uintptr, flags int32, outFlags uintptr) int32 {
	rc := disks.unixOpen(tls, vfs, name, handle, flags, outFlags)
	path := libc.GoString(name)
	d := on(path)
	if rc != sqlite3.SQLITE_OK || d == nil {
		return rc
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &file{disk: d, name: filepath.Base(path)}
	if d.platters[f.name] == nil {
		there, err := os.ReadFile(path)
		if err != nil {
			panic(err) // SQLite has just opened it
		}
		d.platters[f.name] = &platter{safe: there, size: int64(len(there))}
	}
	opened := memory[sqlite3.Tsqlite3_file](handle)
	f.unix = *memory[sqlite3.Tsqlite3_io_methods](opened.FpMethods)
	ours := f.unix
	ours.FxWrite, ours.FxTruncate = pointer(writeFile), pointer(truncateFile)
	ours.FxSync, ours.FxClose = pointer(syncFile), pointer(closeFile)
	if d.remote {
		ours.FiVersion = 1 // without the methods of shared memory
	}
	f.methods = allocate(tls, ours)
	opened.FpMethods = f.methods
	disks.mu.Lock()
	defer disks.mu.Unlock()
	disks.files[handle] = f
	return rc
}

func deleteFile(tls *libc.TLS, vfs, name uintptr, syncDir int32) int32 {
	path := libc.GoString(name)
	if d := on(path); d != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.platters, filepath.Base(path))
	}
	return disks.unixDelete(tls, vfs, name, syncDir)
}

// locked returns an open file and its platter with the disk's lock held.
func locked(handle uintptr) (f *file, p *platter, unlock func()) {
	disks.mu.Lock()
	f = disks.files[handle]
	disks.mu.Unlock()
	f.disk.mu.Lock()
	return f, f.disk.platters[f.name], f.disk.mu.Unlock
}

func writeFile(tls *libc.TLS, handle, data uintptr, n int32, at int64) int32 {
	f, p, unlock := locked(handle)
	defer unlock()
	after := max(p.size, at+int64(n))
	rc := f.disk.judge(Operation{Doing: Writing, File: f.name, Before: p.size, After: after})
	if rc == sqlite3.SQLITE_FULL {
		n /= 2 // that much still went to the disk
	} else if rc != sqlite3.SQLITE_OK {
		return rc
	}
	if failed := function[writeFunc](f.unix.FxWrite)(tls, handle, data, n, at); failed != sqlite3.SQLITE_OK {
		return failed
	}
	p.add(change{at: at, data: append([]byte(nil), unsafe.Slice(memory[byte](data), n)...)})
	return rc
}

func truncateFile(tls *libc.TLS, handle uintptr, size int64) int32 {
	f, p, unlock := locked(handle)
	defer unlock()
	rc := f.disk.judge(Operation{Doing: Truncating, File: f.name, Before: p.size, After: size})
	if rc == sqlite3.SQLITE_OK {
		rc = function[truncateFunc](f.unix.FxTruncate)(tls, handle, size)
	}
	if rc == sqlite3.SQLITE_OK {
		p.add(change{at: size, cut: true})
	}
	return rc
}

func syncFile(_ *libc.TLS, handle uintptr, _ int32) int32 {
	f, p, unlock := locked(handle)
	defer unlock()
	rc := f.disk.judge(Operation{Doing: Syncing, File: f.name, Before: p.size, After: p.size})
	p.settle(f.disk.chance(rc))
	return rc
}

func closeFile(tls *libc.TLS, handle uintptr) int32 {
	f, _, unlock := locked(handle)
	defer unlock()
	disks.mu.Lock()
	defer disks.mu.Unlock()
	delete(disks.files, handle)
	defer libc.Xfree(tls, f.methods)
	return function[closeFunc](f.unix.FxClose)(tls, handle)
}
