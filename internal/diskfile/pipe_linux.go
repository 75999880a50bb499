package diskfile

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// openPipe opens a named pipe at once. The first read waits until somebody writes to it, without a goroutine that would
// stay where nobody does.
func openPipe(ctx context.Context, name string) (*File, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() {
		_ = file.SetReadDeadline(time.Unix(1, 0)) // fails only once the file is closed
	})
	return &File{&pipe{ctx: ctx, file: file}, file, stop}, nil
}

// pipe reads a named pipe.
type pipe struct {
	ctx  context.Context
	file *os.File
	// begun tells that a writer has come.
	begun bool
}

// await waits until there is something to read, or its end. Before the first writer has come a read would take that for
// the end.
func (p *pipe) await() error {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return ready > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
}

func (p *pipe) Read(b []byte) (int, error) {
	if !p.begun {
		if err := p.await(); err != nil {
			return 0, p.because(err)
		}
		p.begun = true
	}
	n, err := p.file.Read(b)
	return n, p.because(err)
}

// because returns the error of the context where that has ended a wait.
func (p *pipe) because(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) && p.ctx.Err() != nil {
		return p.ctx.Err()
	}
	return err
}
