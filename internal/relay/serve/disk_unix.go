//go:build linux || darwin || freebsd

package serve

import "golang.org/x/sys/unix"

// freeBytes is what the file system of a directory has left for us.
func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}

// writable tells why files in a directory could not be written: its rights, or a file system that is read-only.
func writable(dir string) error { return unix.Access(dir, unix.W_OK) }

// maxOpenFiles is how many files and connections the process may have open.
func maxOpenFiles() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	return int(min(uint64(l.Cur), 1<<30))
}
