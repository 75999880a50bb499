package feed

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// text is a file as UTF-8.
type text struct {
	*bufio.Reader
	packed, utf16 bool
	kept          []byte // the beginning, where it had to be read in advance
	cut           bool   // a packed file ends before its end
}

// peek returns the beginning of the text.
func (t *text) peek() ([]byte, error) {
	head, err := t.Peek(headBytes)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("reading a feed: %w", err)
	}
	return head, nil
}

// assumed says how the file is read, as far as that is unusual.
func (t *text) assumed(separator byte) []string {
	var how string
	if t.packed {
		how = "packed with gzip, "
	}
	if t.utf16 {
		how += "UTF-16, "
	}
	switch separator {
	case 0, ',':
	case '\t':
		how += "separated by tabs, "
	default:
		how += fmt.Sprintf("separated by %q, ", separator)
	}
	if how == "" {
		return nil
	}
	return []string{"it is read as: " + how[:len(how)-2]}
}

// decode takes off what stands around a text: gzip, UTF-16.
func decode(src io.Reader) (*text, error) {
	t := &text{Reader: bufio.NewReaderSize(src, headBytes)}
	head, err := t.peek()
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(head, []byte("\x1f\x8b")) {
		counted := &countingReader{src: t.Reader}
		packed, err := gzip.NewReader(counted)
		if err != nil {
			return nil, &NotFeedError{Is: "it begins like a gzip file and is none", Next: "download it again"}
		}
		t.packed = true
		t.Reader = bufio.NewReaderSize(&unpacker{src: packed, packed: counted, cut: &t.cut}, headBytes)
		if head, err = t.peek(); err != nil {
			return nil, err
		}
	}
	if high, bom := utf16Order(head); high >= 0 {
		t.Discard(bom)
		t.utf16 = true
		t.Reader = bufio.NewReaderSize(&utf16Reader{src: t.Reader, high: high}, headBytes)
	}
	return t, nil
}

type countingReader struct {
	src io.Reader
	n   int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	r.n += int64(n)
	return n, err
}

// What an unpacked file may have: maxRatio times the size of the packed one, and always freeBytes. Tokens pack three to
// four, sensors' values ten to twenty times.
const (
	maxRatio  = 100
	freeBytes = 256 << 20
)

// unpacker bounds what a packed file may become, and takes one that is cut short for its beginning.
type unpacker struct {
	src    io.Reader
	packed *countingReader
	n      int64
	cut    *bool
}

func (r *unpacker) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	r.n += int64(n)
	if r.n > freeBytes && r.n/maxRatio > r.packed.n {
		return n, &NotFeedError{
			Is:   fmt.Sprintf("unpacked it is more than %d times as large as packed, which no feed is", maxRatio),
			Next: "if you know where it comes from, unpack it yourself",
		}
	}
	if err != nil && err != io.EOF && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum)) {
		*r.cut = true
		err = io.EOF
	}
	return n, err
}

// utf16Order tells where the high byte of each unit stands, 0 or 1, and the size of the byte order mark; -1 if the text
// is not UTF-16. Without a mark, the zeros beside the letters of the first line give it away.
func utf16Order(head []byte) (high, bom int) {
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return 1, 2
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return 0, 2
	case len(head) < 4:
	case head[0] != 0 && head[1] == 0 && head[2] != 0 && head[3] == 0:
		return 1, 0
	case head[0] == 0 && head[1] != 0 && head[2] == 0 && head[3] != 0:
		return 0, 0
	}
	return -1, 0
}

// utf16Reader turns UTF-16 into UTF-8.
type utf16Reader struct {
	src  *bufio.Reader
	high int
	half rune   // the first half of a pair, 0 if there is none
	left []byte // what did not fit when it was read
}

// leastDecoded is how much room a unit may need: a replacement for a lone half before it, and a character of its own.
const leastDecoded = 2 * utf8.UTFMax

func (r *utf16Reader) Read(p []byte) (n int, err error) {
	if len(r.left) == 0 && len(p) >= leastDecoded {
		return r.decode(p)
	}
	if len(r.left) == 0 { // a buffer is almost full, and to read nothing would be taken for the end
		small := make([]byte, leastDecoded)
		n, err := r.decode(small)
		if r.left = small[:n]; n == 0 {
			return 0, err
		}
	}
	n = copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func (r *utf16Reader) decode(p []byte) (n int, err error) {
	for n+leastDecoded <= len(p) {
		var unit [2]byte
		if _, err := io.ReadFull(r.src, unit[:]); err != nil {
			if r.half != 0 || err == io.ErrUnexpectedEOF {
				n += utf8.EncodeRune(p[n:], utf8.RuneError)
				r.half = 0
			}
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			return n, err
		}
		c := rune(unit[r.high])<<8 | rune(unit[1-r.high])
		if r.half != 0 {
			whole := utf16.DecodeRune(r.half, c)
			r.half = 0
			n += utf8.EncodeRune(p[n:], whole)
			if whole != utf8.RuneError {
				continue
			}
		}
		if c >= 0xd800 && c < 0xdc00 {
			r.half = c
			continue
		}
		n += utf8.EncodeRune(p[n:], c) // a lone second half becomes a replacement
	}
	return n, nil
}
