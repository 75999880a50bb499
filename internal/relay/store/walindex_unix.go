//go:build unix

package store

import "golang.org/x/sys/unix"

// mmap returns the first bytes of the file as shared memory, nil if that does not succeed.
func (w *walIndex) mmap(size int) []byte {
	// What lies behind the end of a file must not be touched.
	if info, err := w.file.Stat(); err != nil || info.Size() < int64(size) {
		return nil
	}
	mapped, err := unix.Mmap(int(w.file.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	return mapped
}

func (w *walIndex) munmap() error {
	if w.mapped == nil {
		return nil
	}
	return unix.Munmap(w.mapped)
}
