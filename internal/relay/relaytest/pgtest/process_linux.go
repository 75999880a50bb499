package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// asUser makes a command run as another user.
func asUser(uid, gid int) (*syscall.SysProcAttr, error) {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// hold stops a process, so that it starts no more children, and then its children. It returns all that it holds, the
// process first.
func hold(pid int) (held []int, err error) {
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		if err := syscall.Kill(todo[0], syscall.SIGSTOP); err == syscall.ESRCH && todo[0] != pid {
			continue // a child has ended
		} else if err != nil {
			return held, err
		}
		held = append(held, todo[0])
		for !stands(todo[0]) { // not for long, unless the disk hangs
			<-time.After(time.Millisecond)
		}
		if todo[0] == pid {
			children, err := childrenOf(pid)
			if err != nil {
				return held, err
			}
			todo = append(todo, children...)
		}
	}
	return held, nil
}

// letGo lets a process go on, which may have ended.
func letGo(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGCONT); err != syscall.ESRCH {
		return err
	}
	return nil
}

// childrenOf returns the processes that a process has started.
func childrenOf(parent int) ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var children []int
	for _, name := range files {
		fields := stat(name)
		if len(fields) < 2 || string(fields[1]) != strconv.Itoa(parent) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			return nil, err
		}
		children = append(children, pid)
	}
	return children, nil
}

// stands reports whether a process was stopped, or has ended.
func stands(pid int) bool {
	fields := stat(fmt.Sprintf("/proc/%d/stat", pid))
	return len(fields) == 0 || bytes.ContainsAny(fields[0], "TtZX")
}

// stat returns what proc(5) tells of a process behind its name, "pid (name) state parent …": from its state on.
func stat(file string) [][]byte {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil // it has ended
	}
	return bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
}
