package thingspeak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// story reads a feed to its end as a list of what it says, in order.
func story(t testing.TB, r *CSVReader) (story []string) {
	t.Helper()
	for {
		var e Entry
		err := r.Read(&e)
		row, isRow := errors.AsType[*RowError](err)
		cut, isCut := errors.AsType[*CutShortError](err)
		switch {
		case err == nil:
			story = append(story, fmt.Sprintf("entry %v", e))
		case isRow:
			story = append(story, row.Error())
		case isCut:
			story = append(story, fmt.Sprintf("cut short, delivered %t", cut.Delivered))
		case err == io.EOF:
			return story
		default:
			t.Fatal(err)
		}
	}
}

// tailOf is the story's part behind all entries but the last n.
func tailOf(story []string, n int) []string {
	for i, line := range slices.Backward(story) {
		if strings.HasPrefix(line, "entry ") {
			if n == 0 {
				return story[i+1:]
			}
			n--
		}
	}
	return story
}

func compareTail(t *testing.T, feed []byte, n int, block int64) {
	t.Helper()
	whole := NewCSVReader(bytes.NewReader(feed))
	_, headerErr := whole.Header()
	tail, err := newCSVTailReader(bytes.NewReader(feed), int64(len(feed)), n, block, nil)
	if fmt.Sprint(err) != fmt.Sprint(headerErr) {
		t.Fatalf("the tail's error is %v, the feed's %v", err, headerErr)
	}
	if err != nil {
		return
	}
	want := tailOf(story(t, whole), n)
	if diff := cmp.Diff(want, story(t, tail)); diff != "" {
		t.Fatalf("the last %d of %q in blocks of %d (-whole +tail):\n%s", n, feed, block, diff)
	}
	if tail.header != whole.header {
		t.Fatalf("the tail's header is %v, the feed's %v", tail.header, whole.header)
	}
}

func TestCSVTailAgreesWithReadingOn(t *testing.T) {
	const at = "2018-06-12 21:16:46 UTC"
	row := func(id int, value string) string { return fmt.Sprintf("%s,%d,%s\n", at, id, value) }
	const header = "created_at,entry_id,field1\n"
	long := strings.Repeat("x", MaxRowBytes-len(at+",1,"))
	for name, feed := range map[string]string{
		"header only":              header,
		"header without its end":   strings.TrimSpace(header),
		"plain rows":               header + row(1, "a") + row(2, "b") + row(3, "") + row(4, "d"),
		"CRLF and empty lines":     strings.ReplaceAll(header+row(1, "a")+"\n\n"+row(2, "b")+row(3, "c")+"\n", "\n", "\r\n"),
		"empty lines only":         header + "\n\n\n",
		"unreadable rows":          header + "no\n" + row(1, "a") + "no\n" + row(2, "b") + "no\nno\n" + row(3, "c") + "no\n",
		"cut in its value":         header + row(1, "a") + row(2, "b") + at + ",3,c",
		"cut in its date":          header + row(1, "a") + row(2, "b") + "2018-",
		"cut in its line end":      header + row(1, "a") + at + ",2,b\r",
		"cut behind an empty line": header + row(1, "a") + "\r",
		"not a feed":               "-1",
		"quotes at the end":        header + row(1, "a") + row(2, "b") + row(3, "\"c\nd\"") + row(4, "d"),
		"quotes at the beginning":  header + row(1, "\"a\n\"\"b\"") + strings.Repeat(row(2, "b"), 30),
		"an open quote":            header + row(1, "\"a") + strings.Repeat(row(2, "b"), 30),
		"quotes in the header":     "\"created_at\",\"entry_id\"\n" + row(1, "a") + row(2, "b") + row(3, "c"),
		"long rows": header + row(1, long) + row(2, "b") + row(3, "x"+long) + row(4, "d") +
			row(5, strings.Repeat(long, 3)) + row(6, "f"),
		"a long last line":                    header + row(1, "a") + row(2, long+"x"),
		"a long last line without its end":    header + row(1, "a") + strings.TrimSpace(row(2, long+"x")),
		"the longest last line, without end":  header + row(1, "a") + strings.TrimSpace(row(2, long)),
		"a first line that is much too long":  header + row(1, strings.Repeat(long, 3)) + row(2, "b"),
		"the only line is too long":           header + row(1, strings.Repeat(long, 3)),
		"an open quote before long plain row": header + row(1, "\""+long) + row(2, "b") + row(3, "c"),
	} {
		t.Run(name, func(t *testing.T) {
			blocks := []int64{1, 7, 50, 1000, tailBlock}
			if len(feed) > 10000 {
				blocks = []int64{5000, tailBlock}
			}
			for _, block := range blocks {
				for _, n := range []int{1, 2, 3, 5, 1000} {
					compareTail(t, []byte(feed), n, block)
				}
			}
		})
	}
}

func TestCSVTailReadsLittle(t *testing.T) {
	feed := tokenFeed(8000)
	src := &countingReaderAt{src: bytes.NewReader(feed)}
	r, err := NewCSVTailReader(src, int64(len(feed)), 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	entries, told := readAll(t, r)
	if len(entries) != 10 || entries[0].ID != 7991 || entries[9].ID != 8000 || told != nil {
		t.Errorf("read %v, told %v, want the entries 7991 to 8000", entries, told)
	}
	if src.n > 200_000 {
		t.Errorf("%d of %d bytes were read", src.n, len(feed))
	}
}

type countingReaderAt struct {
	src io.ReaderAt
	n   int
}

func (r *countingReaderAt) ReadAt(p []byte, offset int64) (int, error) {
	n, err := r.src.ReadAt(p, offset)
	r.n += n
	return n, err
}

func TestCSVTailOfNothing(t *testing.T) {
	feed := tokenFeed(3)
	for _, n := range []int{0, -1} {
		r, err := NewCSVTailReader(bytes.NewReader(feed), int64(len(feed)), n, nil)
		if err != nil {
			t.Fatal(err)
		}
		if entries, told := readAll(t, r); entries != nil || told != nil {
			t.Errorf("the last %d are %v, %v", n, entries, told)
		}
	}
}

func TestCSVTailNamesLinesOfTheWholeFeed(t *testing.T) {
	feed := append(tokenFeed(3), "no\nno"...)
	r, err := NewCSVTailReader(bytes.NewReader(feed), int64(len(feed)), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, told := readAll(t, r)
	want := []string{`5 entry_id is not a number above 0: ""`, "6 cut short, delivered false"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestCSVTailPassesErrorsOn(t *testing.T) {
	feed := tokenFeed(1000)
	if _, err := NewCSVTailReader(bytes.NewReader(feed), int64(len(feed))+5, 1, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that shrank: %v, want io.ErrUnexpectedEOF", err)
	}
}

func FuzzCSVTail(f *testing.F) {
	const rows = "created_at,entry_id,field1\n2018-06-12 21:16:46 UTC,1,a\nno\n\n2018-06-12 21:16:46 UTC,2,b\r\n"
	f.Add([]byte(rows), 1, int64(7))
	f.Add([]byte(rows+"2018-06-12 21:16:46 UTC,3,\"c\n\"\"\"\n2018-06-12 21:16:46 UTC,4,\"d"), 2, int64(20))
	f.Add([]byte(rows+"2018-06-12 21:16:46 UTC,3,c"), 3, int64(100))
	f.Fuzz(func(t *testing.T, feed []byte, n int, block int64) {
		if n < 1 || n > 1000 || block < 1 || block > 1<<20 {
			return
		}
		compareTail(t, feed, n, block)
	})
}
