package thingspeak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// tailBlock is how much is read at once from the end of a feed: more than 100 rows that hold one token each.
const tailBlock = 32 << 10

// NewCSVTailReader returns a reader that delivers the last n entries of a CSV feed of the given size, and tells what a
// [CSVReader] of the whole feed would tell behind the last entry that is left out. It has read the header; its errors
// are those of [CSVReader.Header] and of src. With rules it reads as [NewFileReader] does, with nil as [NewCSVReader].
//
// It does not read what comes before: it looks for that entry block by block from the end of the feed.
// Where these blocks hold a quote, which only who reads from the front can understand, it reads the whole feed to count
// its entries. Memory grows neither with the feed nor with n. Lines that were left out are counted only when an error
// has to name one.
func NewCSVTailReader(src io.ReaderAt, size int64, n int, rules *FileRules) (*CSVReader, error) {
	return newCSVTailReader(src, size, n, tailBlock, rules)
}

func newCSVTailReader(src io.ReaderAt, size int64, n int, block int64, rules *FileRules) (*CSVReader, error) {
	whole := func() *CSVReader { return &CSVReader{src: io.NewSectionReader(src, 0, size), file: rules} }
	r := whole()
	if _, err := r.Header(); err != nil {
		return nil, err
	}
	begin := r.taken + int64(r.pos)
	n = max(n, 0)
	at, err := r.findTail(src, begin, size, n, block)
	if errors.Is(err, errQuoteInTail) {
		entries, err := r.skip(-1)
		if err != nil {
			return nil, err
		}
		r = whole()
		_, err = r.skip(max(0, entries-n))
		return r, err
	}
	if err != nil {
		return nil, err
	}
	if at > begin {
		r.src, r.srcErr = io.NewSectionReader(src, at, size-at), nil
		r.pos, r.end = 0, 0
		r.line = 1
		r.before = sync.OnceValue(func() int { return countLines(io.NewSectionReader(src, 0, at)) })
	}
	return r, nil
}

// countLines counts line ends. Where reading fails it is who reads the rows that tells.
func countLines(r io.Reader) (n int) {
	buf := make([]byte, tailBlock)
	for {
		size, err := r.Read(buf)
		n += bytes.Count(buf[:size], []byte("\n"))
		if err != nil {
			return n
		}
	}
}

var errQuoteInTail = errors.New("a quote in the tail")

// findTail returns where the rows behind all but the last n entries begin; that is begin, the end of the header, if
// there are no more entries. It understands plain lines only.
//
// Lines behind the last quote of a feed are rows each: a quoted value that is open there never ends, and for that a
// CSVReader gives up one line only, which comes before them.
func (r *CSVReader) findTail(src io.ReaderAt, begin, size int64, n int, block int64) (at int64, err error) {
	at = size
	pos := size          // data begins there
	var buf, data []byte // data, in buf: lines not yet looked at, of which the first may lack its beginning
	lacksEnd := true     // the last line in data has no line end
	for {
		i := bytes.LastIndexByte(data, '\n')
		if i < 0 && pos > begin {
			length := min(block, pos-begin)
			pos -= length
			// A line that is too long to be read may be as long as the feed: of such a one keep enough to know it by.
			head := data[:min(len(data), MaxRowBytes+1)]
			buf = slices.Grow(buf[:0], int(length)+len(head))
			data = append(buf[:length], head...)
			if _, err := io.ReadFull(io.NewSectionReader(src, pos, length), data[:length]); err != nil {
				return 0, fmt.Errorf("reading a feed from its end: %w", err)
			}
			if bytes.IndexByte(data[:length], '"') >= 0 {
				return 0, errQuoteInTail
			}
			if pos+length == size && data[length-1] == '\n' {
				data = data[:length-1]
				lacksEnd = false
			}
			continue
		}
		if r.readsLine(data[i+1:], lacksEnd) {
			if n == 0 {
				return at, nil
			}
			n--
		}
		at = pos + int64(i+1)
		if i < 0 {
			return at, nil
		}
		data, lacksEnd = data[:i], false
	}
}

// readsLine reports whether Read would make an entry of a line without quotes. It looks only at the columns that decide
// it: the first few, as services order them.
func (r *CSVReader) readsLine(line []byte, lacksEnd bool) bool {
	if len(line) > MaxRowBytes || lacksEnd && bytes.Count(line, []byte{r.separator()}) < len(r.columns)-1 {
		return false
	}
	decisive := 1 + max(slices.Index(r.columns, columnCreatedAt), slices.Index(r.columns, columnEntryID))
	end := 0
	for range decisive {
		n := bytes.IndexByte(line[end:], r.separator())
		if n < 0 {
			end = len(line) + 1
			break
		}
		end += n + 1
	}
	r.splitPlain(line[:end-1], decisive)
	var e Entry
	return r.fill(&e) == ""
}

// skip reads n entries, all for a negative n, and returns their number.
func (r *CSVReader) skip(n int) (entries int, err error) {
	var e Entry
	for entries != n {
		err := r.Read(&e)
		_, isRow := errors.AsType[*RowError](err)
		switch {
		case err == nil:
			entries++
		case err == io.EOF:
			return entries, nil
		case !isRow && !errors.Is(err, ErrCutShort):
			return entries, err
		}
	}
	return entries, nil
}
