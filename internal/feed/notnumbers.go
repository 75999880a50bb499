package feed

import (
	"bufio"
	"fmt"
)

// notNumbers turns NaN, Infinity and -Infinity into null: JSON has none of them, but programs in Python write them where a
// sensor gave no value.
type notNumbers struct {
	src     *bufio.Reader
	inText  bool
	escaped bool // the byte before was a backslash in a text
	pending string
	found   int
}

// wordsForNoNumber are what follows the first letter of each.
var wordsForNoNumber = map[byte]string{'N': "aN", 'I': "nfinity", '-': "Infinity"}

func (r *notNumbers) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if r.pending != "" {
			written := copy(p[n:], r.pending)
			r.pending = r.pending[written:]
			n += written
			continue
		}
		c, err := r.src.ReadByte()
		if err != nil {
			return n, err
		}
		switch {
		case r.escaped:
			r.escaped = false
		case c == '"':
			r.inText = !r.inText
		case r.inText:
			r.escaped = c == '\\'
		case c == 'N' || c == 'I' || c == '-':
			rest := wordsForNoNumber[c]
			if next, _ := r.src.Peek(len(rest)); string(next) == rest {
				_, _ = r.src.Discard(len(rest))
				r.pending = "null"
				r.found++
				continue
			}
		}
		p[n] = c
		n++
	}
	return n, nil
}

// assumed says how many there were.
func (r *notNumbers) assumed() []string {
	switch r.found {
	case 0:
		return nil
	case 1:
		return []string{"1 value is NaN or Infinity, which JSON does not have; it is read as no value"}
	}
	return []string{fmt.Sprintf("%d values are NaN or Infinity, which JSON does not have; they are read as no value", r.found)}
}
