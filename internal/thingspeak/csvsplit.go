package thingspeak

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
)

// This file is the part of a CSVReader that finds rows in a stream and cells in a row.

func (r *CSVReader) unread() []byte { return r.buf[r.pos:r.end] }

// load fills the buffer up, after which either it is full or srcErr is set.
func (r *CSVReader) load() {
	if r.buf == nil && r.srcErr == nil {
		r.buf = make([]byte, MaxRowBytes+1)
	}
	r.pos, r.end = 0, copy(r.buf, r.unread())
	for idle := 0; r.end < len(r.buf) && r.srcErr == nil; idle++ {
		n, err := r.src.Read(r.buf[r.end:])
		if n > 0 {
			idle = 0
		}
		if idle == 100 {
			err = cmp.Or(err, io.ErrNoProgress)
		}
		r.end += n
		r.srcErr = err
	}
}

// advance moves behind n unread bytes, which hold that many line ends.
func (r *CSVReader) advance(n, lines int) {
	r.pos += n
	r.line += lines
}

// lineEnd is the size of the line that data begins with, without its line end; -1 if that is not there. In a file a
// carriage return ends a line too: old programs write it, and files are put together of lines of both kinds.
func (r *CSVReader) lineEnd(data []byte) int {
	n := bytes.IndexByte(data, '\n')
	if r.file == nil {
		return n
	}
	line := data
	if n >= 0 {
		line = data[:n]
	}
	at := bytes.IndexByte(line, '\r')
	switch {
	case at < 0 || at == n-1:
		return n
	case at+1 == len(data) && r.srcErr == nil:
		return -1 // a line feed may follow
	}
	return at
}

// endsLine reports whether data, which is no part of a quoted value, begins with a carriage return that ends a line.
func (r *CSVReader) endsLine(data []byte) bool {
	return r.file != nil && data[0] == '\r' && (len(data) > 1 && data[1] != '\n' || len(data) == 1 && r.srcErr != nil)
}

// readRow splits the next row into r.cells, at most limit of them, and moves behind it. It reports whether the row has
// a line end; one that lacks it and cannot be split has no cells.
func (r *CSVReader) readRow(limit int) (whole bool, err error) {
	n := r.lineEnd(r.unread())
	if n < 0 && r.srcErr == nil {
		r.load()
		n = r.lineEnd(r.unread())
	}
	rest := r.unread()
	line := rest
	switch {
	case n >= 0:
		line = rest[:n]
	case len(rest) > MaxRowBytes:
		err := &RowError{Line: r.line, Reason: fmt.Sprintf("longer than %d bytes", MaxRowBytes)}
		if !r.skipLine() {
			r.cut = &CutShortError{Line: err.Line}
		}
		return false, err
	case r.srcErr != io.EOF:
		return false, fmt.Errorf("reading a feed: %w", r.srcErr)
	case len(rest) == 0:
		return false, io.EOF
	}
	if bytes.IndexByte(line, '"') >= 0 {
		return r.readQuoted(len(line), limit)
	}
	r.splitPlain(line, limit)
	r.moveBehind(len(line))
	return n >= 0, nil
}

// moveBehind moves behind a line of n bytes, and its end if it has one.
func (r *CSVReader) moveBehind(n int) {
	if r.pos+n < r.end {
		r.advance(n+1, 1)
	} else {
		r.advance(n, 0)
	}
}

// skipLine moves behind a line of any length, and reports whether it has a line end.
func (r *CSVReader) skipLine() bool {
	for {
		n := r.lineEnd(r.unread())
		if n >= 0 {
			r.moveBehind(n)
			return true
		}
		kept := 0 // a carriage return, of which only what follows says whether it ends the line
		if rest := r.unread(); r.srcErr == nil && rest[len(rest)-1] == '\r' {
			kept = 1
		}
		r.advance(len(r.unread())-kept, 0)
		if r.srcErr != nil {
			return r.srcErr != io.EOF
		}
		r.load()
	}
}

// splitPlain splits a line without quotes. The cells share one string, the only allocation of a row.
func (r *CSVReader) splitPlain(line []byte, limit int) {
	text := string(bytes.TrimSuffix(line, []byte("\r")))
	r.cells = r.cells[:0]
	separator := r.separator()
	for len(r.cells) < limit {
		i := strings.IndexByte(text, separator)
		if i < 0 {
			r.cells = append(r.cells, text)
			return
		}
		r.cells = append(r.cells, text[:i])
		text = text[i+1:]
	}
}

// readQuoted is readRow for a row that holds quotes and so may go on after its first line, of n bytes.
func (r *CSVReader) readQuoted(n, limit int) (whole bool, err error) {
	size, found := r.splitQuoted(limit)
	if found == rowOpen && r.srcErr == nil {
		r.load()
		size, found = r.splitQuoted(limit)
	}
	if found == rowWhole {
		row := r.unread()[:size]
		lines := bytes.Count(row, []byte("\n"))
		if whole = row[size-1] == '\n'; !whole && r.endsLine(r.unread()[size-1:]) {
			whole = true
			lines++
		}
		r.advance(size, lines)
		return whole, nil
	}
	r.cells = r.cells[:0]
	at := r.line
	if n == len(r.unread()) {
		r.advance(n, 0)
		return false, nil
	}
	r.advance(n+1, 1)
	reason := "a quoted value does not end"
	if found == rowBroken {
		reason = "something stands behind a closing quote"
	}
	return false, &RowError{Line: at, Reason: reason}
}

// What splitQuoted found in the buffer.
type rowState int

const (
	rowWhole  rowState = iota // a row, with its line end or up to the end of the feed
	rowOpen                   // the beginning of a row
	rowBroken                 // something that is no row
)

// splitQuoted splits the row that begins the unread bytes, and returns its size with the line end.
func (r *CSVReader) splitQuoted(limit int) (size int, found rowState) {
	data, separator := r.unread(), r.separator()
	r.scratch, r.ends = r.scratch[:0], r.ends[:0]
	for i := 0; ; i++ {
		rest := data[i:]
		pad := r.padding(rest, separator)
		if rest = rest[pad:]; len(rest) > 0 && rest[0] == '"' {
			n, closed := r.takeQuoted(rest)
			if !closed {
				return 0, rowOpen
			}
			i += pad + n
			i += r.padding(data[i:], separator)
		} else {
			i += r.takeBare(data[i:], separator)
		}
		if len(r.ends) < limit {
			r.ends = append(r.ends, len(r.scratch))
		}
		switch rest := data[i:]; {
		case len(rest) > 0 && rest[0] == separator:
			continue
		case len(rest) > 0 && rest[0] == '\n':
			r.cutCells()
			return i + 1, rowWhole
		case len(rest) > 0 && r.endsLine(rest):
			r.cutCells()
			return i + 1, rowWhole
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			r.cutCells()
			return i + 2, rowWhole
		case len(rest) > 1 || len(rest) == 1 && rest[0] != '\r':
			return 0, rowBroken
		case r.srcErr == nil:
			return 0, rowOpen
		default:
			r.cutCells()
			return len(data), rowWhole
		}
	}
}

// takeQuoted adds the value between the quote that data begins with and its closing one to the scratch. It returns the
// size of both quotes and what is between, and whether there is a closing one.
func (r *CSVReader) takeQuoted(data []byte) (size int, closed bool) {
	i := 1
	for {
		n := bytes.IndexByte(data[i:], '"')
		if n < 0 {
			return 0, false
		}
		end := i + n
		if end+1 == len(data) || data[end+1] != '"' {
			r.scratch = append(r.scratch, data[i:end]...)
			return end + 1, true
		}
		r.scratch = append(r.scratch, data[i:end+1]...) // of two quotes, one
		i = end + 2
	}
}

// padding is the size of the blanks that data begins with, where a file may have them around quoted values.
func (r *CSVReader) padding(data []byte, separator byte) (n int) {
	if r.file == nil || !r.file.Padded {
		return 0
	}
	for n < len(data) && (data[n] == ' ' || data[n] == '\t') && data[n] != separator {
		n++
	}
	return n
}

// takeBare adds the value up to the next separator or line end to the scratch, and returns its size.
func (r *CSVReader) takeBare(data []byte, separator byte) (size int) {
	size = r.lineEnd(data)
	if size < 0 {
		size = len(data)
	}
	if n := bytes.IndexByte(data[:size], separator); n >= 0 {
		size = n
	}
	if size > 0 && data[size-1] == '\r' && (size == len(data) || data[size] == '\n') {
		size--
	}
	r.scratch = append(r.scratch, data[:size]...)
	return size
}

// cutCells makes the cells of the row in the scratch.
func (r *CSVReader) cutCells() {
	text := string(r.scratch[:r.ends[len(r.ends)-1]])
	r.cells = r.cells[:0]
	begin := 0
	for _, end := range r.ends {
		r.cells = append(r.cells, text[begin:end])
		begin = end
	}
}
