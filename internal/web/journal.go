package web

import (
	"encoding/json"
	"sync"
)

// maxLines and maxBytes are how much a journal keeps for whoever comes later.
const (
	maxLines = 2000
	maxBytes = 8 << 20
)

// journal is what has happened, a JSON object a line, for pages that follow it from any line on.
type journal struct {
	mu    sync.Mutex // guards what follows
	lines [][]byte
	// first is the number of lines[0]: what was before it is gone.
	first int
	size  int // of all lines, in bytes
	// changed is closed and replaced when a line is added.
	changed chan struct{}
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

// add writes a line.
func (j *journal) add(line any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err) // unreachable: lines are of our own types
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, append(text, '\n'))
	for j.size += len(text) + 1; len(j.lines) > 1 && (len(j.lines) > maxLines || j.size > maxBytes); j.first++ {
		j.size -= len(j.lines[0])
		j.lines = j.lines[1:]
	}
	close(j.changed)
	j.changed = make(chan struct{})
}

// reset lets go of all lines, and writes one that says so to those who have read them.
func (j *journal) reset(line any) {
	j.mu.Lock()
	j.first += len(j.lines)
	j.lines, j.size = nil, 0
	j.mu.Unlock()
	j.add(line)
}

// from returns the lines from a number on, the number of the next one, and what is closed when there are more.
func (j *journal) from(n int) (lines [][]byte, next int, changed <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	next = j.first + len(j.lines)
	if n = max(n, j.first); n < next {
		lines = append(lines, j.lines[n-j.first:]...)
	}
	return lines, next, j.changed
}
