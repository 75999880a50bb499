package httpapi

import (
	"io"
	"net/http"
	"time"
)

const (
	// partBytes is how much of a large reply is written at once.
	partBytes = 128 << 10
	// partTime is how long a client may take to fetch a part: 6.5 KB a second, and the system's buffers take the first
	// megabyte or so by themselves. A client that has stopped must not keep a large reply in memory.
	partTime = 20 * time.Second
	// replyTime is how long it may take for a reply that is held in memory as a whole.
	replyTime = 2 * time.Minute
)

// deadlineWriter writes to a client part by part, and gives up if it does not keep up.
type deadlineWriter struct {
	w       io.Writer
	control *http.ResponseController
	// part is how long the client may take for a part.
	part time.Duration
	// end is when everything must be written; zero is never.
	end time.Time
	// noDeadlines says that the connection knows no deadlines.
	noDeadlines bool
}

func newDeadlineWriter(w http.ResponseWriter, end time.Time) *deadlineWriter {
	return &deadlineWriter{w: w, control: http.NewResponseController(w), part: partTime, end: end}
}

// Write is part of [io.Writer].
func (p *deadlineWriter) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		n := 0
		p.extend()
		n, err = p.w.Write(b[:min(len(b), partBytes)])
		b = b[n:]
		written += n
	}
	return written, err
}

// extend sets the deadline of the next part.
func (p *deadlineWriter) extend() {
	if p.noDeadlines {
		return
	}
	deadline := time.Now().Add(p.part)
	if !p.end.IsZero() && deadline.After(p.end) {
		deadline = p.end
	}
	p.noDeadlines = p.control.SetWriteDeadline(deadline) != nil
}

// finish hands everything to the system, and takes the deadline away from what comes next on the connection.
func (p *deadlineWriter) finish() error {
	p.extend()
	if p.noDeadlines {
		_ = p.control.Flush() // it may know nothing of that either
		return nil
	}
	err := p.control.Flush()
	if err == nil {
		err = p.control.SetWriteDeadline(time.Time{})
	}
	return err
}
