//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fernpost/fernpost/internal/testenv"
)

// change is a system call that changes something: a file, a name, what was printed, or what a relay has got.
type change struct {
	call string
	// path is the file's, the new one where it is renamed; for a socket "socket:" and the first word of what is sent.
	path string
}

// changing are the calls in question, and which argument is the path; -1 where the first is a descriptor of the file.
var changing = map[uint64]struct {
	call string
	path int
}{
	unix.SYS_WRITE: {"write", -1}, unix.SYS_PWRITE64: {"pwrite64", -1}, unix.SYS_WRITEV: {"writev", -1},
	unix.SYS_SENDTO: {"sendto", -1}, unix.SYS_FSYNC: {"fsync", -1}, unix.SYS_FDATASYNC: {"fdatasync", -1},
	unix.SYS_FTRUNCATE: {"ftruncate", -1}, unix.SYS_FCHMOD: {"fchmod", -1}, unix.SYS_OPENAT: {"openat", 1},
	unix.SYS_RENAMEAT: {"renameat", 3}, unix.SYS_RENAMEAT2: {"renameat", 3}, unix.SYS_LINKAT: {"linkat", 3},
	unix.SYS_UNLINKAT: {"unlinkat", 1}, unix.SYS_MKDIRAT: {"mkdirat", 1}, unix.SYS_FCHMODAT: {"fchmodat", 1},
}

// syscallInfo is struct ptrace_syscall_info of Linux, for the entry of a call.
type syscallInfo struct {
	op   uint8
	_    [3]byte
	arch uint32
	_    [2]uint64
	nr   uint64
	args [6]uint64
}

// What op may be: PTRACE_SYSCALL_INFO_ENTRY and PTRACE_SYSCALL_INFO_EXIT. At the exit nr is what the call has returned.
const (
	syscallEntry = 1
	syscallExit  = 2
)

// callAt returns the call that a thread is about to make, or has made.
func callAt(thread int) (info syscallInfo, ok bool) {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(thread),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	return info, errno == 0
}

// changeAt returns what the call that a thread is about to make changes, if it does.
func changeAt(pid, thread int, info *syscallInfo) (c change, ok bool) {
	kind, known := changing[info.nr]
	if info.op != syscallEntry || !known {
		return c, false
	}
	c.call = kind.call
	if at := kind.path; at > 0 {
		c.path = peek(thread, info.args[at])
		if !filepath.IsAbs(c.path) {
			c.path = filepath.Join(pathOf(pid, info.args[at-1]), c.path)
		}
		return c, c.call != "openat" || info.args[2]&(unix.O_CREAT|unix.O_TRUNC) != 0
	}
	c.path = pathOf(pid, info.args[0])
	if strings.HasPrefix(c.path, "socket:") {
		verb, _, _ := strings.Cut(peek(thread, info.args[1]), " ")
		return change{c.call, "socket:" + verb}, true
	}
	device := strings.HasPrefix(c.path, "/dev/") && !strings.HasPrefix(c.path, "/dev/shm/") // a TMPDIR in memory
	return c, filepath.IsAbs(c.path) && !device && info.args[0] != 2                        // which is talk
}

// pathOf returns what a descriptor of a process is.
func pathOf(pid int, fd uint64) string {
	link := fmt.Sprintf("/proc/%d/fd/%d", pid, fd)
	if int32(fd) == unix.AT_FDCWD {
		link = fmt.Sprintf("/proc/%d/cwd", pid)
	}
	path, _ := os.Readlink(link)
	return path
}

// peek reads what stands in a process's memory up to a NUL, at most a path's length.
func peek(thread int, at uint64) string {
	var b []byte
	for word := make([]byte, 8); len(b) < unix.PathMax; at += 8 {
		if n, err := syscall.PtracePeekData(thread, uintptr(at), word); err != nil || n < len(word) {
			return string(b)
		}
		if before, _, ok := bytes.Cut(word, []byte{0}); ok {
			return string(append(b, before...))
		}
		b = append(b, word...)
	}
	return string(b)
}

// trace runs a command under ptrace(2), and kills it when it is about to make the last-th call that changes something,
// whichever thread does; 0 lets it run to its end. It returns those calls, what the command has printed, and how it
// ended. A disk that is given is told what the calls do.
func (d *device) trace(last int, on *disk, args ...string) (changes []change, stdout string, end syscall.WaitStatus) {
	d.t.Helper()
	runtime.LockOSThread() // only the thread that has started it may trace it
	defer runtime.UnlockOSThread()
	bounded := d.command(args...)
	// Without its context, which only Wait lets go of: a traced process is waited for below.
	cmd := &exec.Cmd{Path: bounded.Path, Args: bounded.Args, Env: bounded.Env, Dir: bounded.Dir}
	out, err := os.CreateTemp(d.t.TempDir(), "stdout")
	if err != nil {
		d.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = out
	// In a process group of its own, so that waiting for it takes no other child from another test.
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	if err := cmd.Start(); errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
		testenv.Missing(d.t, "ptrace(2) is not allowed here")
	} else if err != nil {
		d.t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer cmd.Process.Release()
	for set := false; ; {
		var ws syscall.WaitStatus
		thread, err := syscall.Wait4(-pid, &ws, syscall.WALL, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			d.t.Fatal("waiting for a traced process: ", err)
		}
		if !ws.Stopped() {
			if thread == pid {
				b, err := os.ReadFile(out.Name())
				if err != nil {
					d.t.Fatal(err)
				}
				return changes, string(b), ws
			}
			continue
		}
		signal := 0
		switch s := ws.StopSignal(); {
		case !set:
			set = true
			err := syscall.PtraceSetOptions(pid, syscall.PTRACE_O_TRACESYSGOOD|syscall.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL)
			if err != nil {
				d.t.Fatal(err)
			}
		case s == syscall.SIGTRAP|0x80:
			info, ok := callAt(thread)
			if on != nil && ok && info.op == syscallExit {
				on.end(thread, int64(info.nr) < 0)
			}
			if c, does := changeAt(pid, thread, &info); ok && does {
				if on != nil {
					on.begin(d.t, thread, c, fromOf(pid, thread, &info))
				}
				// Writes in a row to one file of SQLite's are one change: what it commits is whole or not at all.
				if n := len(changes); n > 0 && c == changes[n-1] && c.call == "pwrite64" {
					break
				}
				if changes = append(changes, c); len(changes) == last {
					// A call that is about to begin when its process is killed is not made.
					syscall.Kill(pid, syscall.SIGKILL)
					continue
				}
			}
		case s != syscall.SIGTRAP && s != syscall.SIGSTOP:
			signal = int(s)
		}
		syscall.PtraceSyscall(thread, signal) // an error says that it was killed
	}
}
