package capture

import (
	"bufio"
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// mostHead and mostBody are how many bytes are kept of a message's head and body.
	mostHead = 32 << 10
	mostBody = 64 << 10
	// mostAnswer is mostBody of an answer: feeds are long, and say nothing here.
	mostAnswer = 16 << 10
)

// said is a message of HTTP, a request or an answer.
type said struct {
	at      time.Time // of its first byte
	request *http.Request
	answer  *http.Response
	body    []byte // its beginning
	cut     bool   // some of it is lacking: nothing behind that is kept
}

// part is which part of a message comes next.
type part int

const (
	head      part = iota
	counted        // a body of known length
	untilEnd       // one that lasts as long as the connection
	chunkSize      // the line that says how long the next chunk is
	chunk          // a chunk, and the line end behind it
	trailer        // what follows the last chunk
)

// message reads one message after the other, as far as it is HTTP, in whatever pieces they come.
type message struct {
	part
	line []byte // what came of the head or line under way
	left int64  // of the body or chunk
	said
}

// underWay reports whether a message has begun.
func (m *message) underWay() bool { return m.part != head || len(m.line) > 0 }

// asks reports whether what is under way is a request.
func (m *message) asks() bool {
	return m.request != nil || m.answer == nil && !bytes.HasPrefix(m.line, []byte("HTTP/"))
}

// skip notes that so many bytes are lacking, and returns the message that ends by that, if one does.
func (m *message) skip(n int64) *said {
	switch {
	case m.part == counted && n <= m.left, m.part == chunk && n <= m.left-2:
		m.left -= n
		m.cut = true
	case m.part == untilEnd:
		m.cut = true
	default:
		return m.breakOff()
	}
	return nil
}

// breakOff ends a message whose end is lacking; nil if too little of it came to be one.
func (m *message) breakOff() *said {
	if m.request == nil && m.answer == nil && !m.parseBeginning(m.line) {
		*m = message{}
		return nil
	}
	m.cut = true
	return m.finish()
}

// parseBeginning reads the beginning of a head: the lines that are whole, or of the first one the parameters that are.
func (m *message) parseBeginning(text []byte) bool {
	if end := bytes.LastIndexByte(text, '\n'); end >= 0 {
		text = bytes.TrimRight(text[:end], "\r")
	} else if method, target, ok := bytes.Cut(text, []byte(" ")); ok && !bytes.HasPrefix(text, []byte("HTTP/")) {
		address, _, whole := bytes.Cut(target, []byte(" "))
		if !whole { // half a key is none
			address = address[:max(bytes.LastIndexAny(address, "?&"), 0)]
		}
		text = append(append(bytes.Clone(method), ' '), address...)
	}
	return m.parse(append(bytes.Clone(text), "\r\n\r\n"...), false)
}

// take takes data up to the end of a message, and returns that, if it came, and what is left of the data. A piece that does not begin
// like HTTP where a message has to is left out: the next request begins in a piece of its own, mostly.
func (m *message) take(data []byte, at time.Time, isHead func() bool) (rest []byte, done *said) {
	switch m.part {
	case head:
		return m.takeHead(data, at, isHead)
	case counted, untilEnd:
		n := int64(len(data))
		if m.part == counted {
			n = min(n, m.left)
			m.left -= n
		}
		m.keep(data[:n])
		if rest = data[n:]; m.part == counted && m.left == 0 {
			done = m.finish()
		}
		return rest, done
	case chunk:
		n := min(int64(len(data)), m.left)
		m.keep(data[:max(min(n, m.left-2), 0)])
		if m.left -= n; m.left == 0 {
			m.part = chunkSize
		}
		return data[n:], nil
	}
	return m.takeLine(data)
}

func (m *message) takeHead(data []byte, at time.Time, isHead func() bool) (rest []byte, done *said) {
	if len(m.line) == 0 {
		if data = bytes.TrimLeft(data, "\r\n"); !begins(data) { // some send an empty line behind a body, which is part of none
			return nil, nil
		}
		m.at = at
	}
	before := len(m.line)
	m.line = append(m.line, data[:min(len(data), mostHead+4-before)]...)
	end := endOfHead(m.line, max(before-3, 0))
	if end < 0 {
		if len(m.line) > mostHead {
			done = m.breakOff()
		}
		return nil, done
	}
	rest = data[end-before:]
	whole := m.line[:end]
	m.line = nil
	if !m.parse(whole, isHead()) { // servers differ in what they take
		first, _, _ := bytes.Cut(whole, []byte("\n"))
		m.line = append(bytes.TrimRight(first, "\r"), "\r\n"...)
		return rest, m.breakOff()
	}
	if m.part == head {
		done = m.finish()
	}
	return rest, done
}

// endOfHead is where the empty line ends that ends a head, looked for from a place on; -1 if it is not there. Sketches leave out the \r.
func endOfHead(text []byte, from int) int {
	for i := from; i < len(text); i++ {
		next := bytes.IndexByte(text[i:], '\n')
		if next < 0 {
			break
		}
		i += next
		switch behind := text[i+1:]; {
		case bytes.HasPrefix(behind, []byte("\n")):
			return i + 2
		case bytes.HasPrefix(behind, []byte("\r\n")):
			return i + 3
		}
	}
	return -1
}

// begins reports whether data begins like a message, as far as it goes.
func begins(data []byte) bool {
	for _, with := range []string{"GET ", "POST ", "PUT ", "DELETE ", "HEAD ", "OPTIONS ", "PATCH ", "HTTP/1."} {
		if n := min(len(with), len(data)); string(data[:n]) == with[:n] {
			return true
		}
	}
	return false
}

// parse reads a head, and finds out what follows it. Without a body the part is still head.
func (m *message) parse(text []byte, answersHEAD bool) bool {
	if bytes.HasPrefix(text, []byte("HTTP/")) {
		answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
		if err != nil {
			return false
		}
		m.answer = answer
		none := answersHEAD || answer.StatusCode < 200 || answer.StatusCode == http.StatusNoContent || answer.StatusCode == http.StatusNotModified
		m.follows(answer.ContentLength, answer.TransferEncoding, none, untilEnd)
		return true
	}
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	if bytes.Count(line, []byte(" ")) == 1 { // modems' sketches leave out the version
		text = append(append(bytes.TrimRight(bytes.Clone(line), "\r"), " HTTP/1.0\r\n"...), rest...)
	}
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
	if err != nil {
		return false
	}
	m.request = request
	m.follows(request.ContentLength, request.TransferEncoding, false, head)
	return true
}

// follows notes which body follows a head, and without a length what is the rule then.
func (m *message) follows(length int64, encoding []string, none bool, otherwise part) {
	switch {
	case none:
		m.part = head
	case len(encoding) > 0:
		m.part = chunkSize
	case length > 0:
		m.part, m.left = counted, length
	case length == 0:
		m.part = head
	default:
		m.part = otherwise
	}
}

// takeLine takes a line of what stands between chunks.
func (m *message) takeLine(data []byte) (rest []byte, done *said) {
	n := bytes.IndexByte(data, '\n') + 1
	if n == 0 {
		n = len(data)
	}
	if m.line = append(m.line, data[:n]...); len(m.line) > mostHead {
		return nil, m.breakOff()
	}
	rest = data[n:]
	if m.line[len(m.line)-1] != '\n' {
		return rest, nil
	}
	line := strings.TrimSpace(string(m.line))
	m.line = m.line[:0]
	if m.part == trailer {
		if line == "" {
			done = m.finish()
		}
		return rest, done
	}
	size, _, _ := strings.Cut(line, ";")
	switch length, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64); {
	case err != nil || length < 0 || length > 1<<40:
		return nil, m.breakOff()
	case length == 0:
		m.part = trailer
	default:
		m.part, m.left = chunk, length+2
	}
	return rest, nil
}

func (m *message) keep(data []byte) {
	if m.cut {
		return
	}
	most := mostBody
	if m.answer != nil {
		most = mostAnswer
	}
	m.body = append(m.body, data[:min(len(data), most-len(m.body))]...)
}

// finish ends a message. One that says only that the answer is still to come (100 to 199) is none.
func (m *message) finish() *said {
	done := m.said
	*m = message{}
	if done.answer != nil && done.answer.StatusCode < 200 {
		return nil
	}
	return &done
}

// end is the message that the end of a connection ends; nil if there is none.
func (m *message) end() *said {
	if m.part == untilEnd {
		return m.finish()
	}
	return m.breakOff()
}
