package thingspeak

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// readAll reads a feed to its end: entries, and in their places what Read said about rows without one.
func readAll(t testing.TB, r *CSVReader) (entries []Entry, told []string) {
	t.Helper()
	for {
		var e Entry
		err := r.Read(&e)
		if err == io.EOF {
			if again := r.Read(&e); again != io.EOF {
				t.Fatalf("reading on behind the end: %v, want io.EOF", again)
			}
			return entries, told
		}
		if row, ok := errors.AsType[*RowError](err); ok {
			told = append(told, fmt.Sprintf("%d %s", row.Line, row.Reason))
			continue
		}
		if cut, ok := errors.AsType[*CutShortError](err); ok && errors.Is(err, ErrCutShort) {
			told = append(told, fmt.Sprintf("%d cut short, delivered %t", cut.Line, cut.Delivered))
			continue
		}
		if err != nil {
			t.Fatalf("reading a feed: %v", err)
		}
		entries = append(entries, e)
	}
}

// entry returns an entry of 2018-06-12 with the given fields; "" stands for an absent one.
func entry(id int64, fields ...string) Entry {
	e := Entry{ID: id, CreatedAt: time.Date(2018, 6, 12, 21, 16, 46, 0, time.UTC)}
	for i, text := range fields {
		if text != "" {
			e.Fields[i] = Text(text)
		}
	}
	return e
}

func TestReadCSV(t *testing.T) {
	const at = "2018-06-12 21:16:46 UTC"
	long := strings.Repeat("x", MaxRowBytes-len(at+",1,"))
	located := entry(17, "5")
	located.Latitude, located.Longitude, located.Elevation = Text("40.44"), Text("-79.9"), Text("high")
	located.Status = Text("fine")
	tests := []struct {
		name   string
		feed   string
		header Header
		want   []Entry
		told   []string
	}{
		{
			name:   "as the service writes it",
			feed:   "created_at,entry_id,field1,field2\n" + at + ",17,5,\n" + at + ",18,,b'gA=='\n",
			header: Header{Fields: FieldsOf(1, 2)},
			want:   []Entry{entry(17, "5"), entry(18, "", "b'gA=='")},
		},
		{
			name:   "header only",
			feed:   "created_at,entry_id,field3\n",
			header: Header{Fields: FieldsOf(3)},
		},
		{
			name:   "location and status",
			feed:   "created_at,entry_id,field1,latitude,longitude,elevation,status\n" + at + ",17,5,40.44,-79.9,high,fine\n",
			header: Header{Fields: FieldsOf(1), Location: true, Status: true},
			want:   []Entry{located},
		},
		{
			name:   "columns in another order, unknown and repeated ones",
			feed:   "field2,x,entry_id,,field1,created_at,field2,field9,field0\n2,?,17,?,1," + at + ",no,9,0\n",
			header: Header{Fields: FieldsOf(1, 2)},
			want:   []Entry{entry(17, "1", "2")},
		},
		{
			name:   "names with blanks, capitals and quotes",
			feed:   "Created_At, entry_id ,\"field1\"\n" + at + ",\"17\",5\n",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(17, "5")},
		},
		{
			name:   "byte order mark, CRLF, empty lines",
			feed:   "\ufeff\r\n\ncreated_at,entry_id,field1\r\n\r\n" + at + ",17,5\r\n\n\n" + at + ",18,6\r\n\r\n",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(17, "5"), entry(18, "6")},
		},
		{
			name: "quoted values",
			feed: "created_at,entry_id,field1,field2\n" + at + ",1,\"a,b\",\"\"\n" +
				at + ",2,\"say \"\"hi\"\"\",\"two\nlines\"\n" + at + ",3,\"\"\"\",\"\r\n\"\r\n" + at + ",4,5,6\n",
			header: Header{Fields: FieldsOf(1, 2)},
			want: []Entry{
				entry(1, "a,b"), entry(2, `say "hi"`, "two\nlines"), entry(3, `"`, "\r\n"), entry(4, "5", "6"),
			},
		},
		{
			name:   "quotes inside of a value",
			feed:   "created_at,entry_id,field1\n" + at + ",1,5\" long\n" + at + ",2,b\"gA\"\n",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(1, `5" long`), entry(2, `b"gA"`)},
		},
		{
			name:   "missing and extra columns in a row",
			feed:   "created_at,entry_id,field1,field2\n" + at + ",1\n" + at + ",2,5\n" + at + ",3,5,6,7,\"8\n9\"\n",
			header: Header{Fields: FieldsOf(1, 2)},
			want:   []Entry{entry(1), entry(2, "5"), entry(3, "5", "6")},
		},
		{
			name: "dates of every year's fashion",
			feed: "created_at,entry_id\n2018-06-12T21:16:46Z,1\n2018-06-12T21:16:46+00:00,2\n" +
				"2018-06-12 17:16:46 -0400,3\n2018-06-12T23:16:46+02:00,4\n",
			want: []Entry{entry(1), entry(2), entry(3), entry(4)},
		},
		{
			name: "rows that cannot be read",
			feed: "created_at,entry_id,field1\n" + at + "\n" + at + ",0,a\n" + at + ",-1,a\n" + at + ",1e3,a\n" +
				at + ",9223372036854775808,a\nyesterday,1,a\n,1,a\n" + at + ",,a\n-1\n" + at + ",9223372036854775807,a\n",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(9223372036854775807, "a")},
			told: []string{
				`2 entry_id is not a number above 0: ""`, `3 entry_id is not a number above 0: "0"`,
				`4 entry_id is not a number above 0: "-1"`, `5 entry_id is not a number above 0: "1e3"`,
				`6 entry_id is not a number above 0: "9223372036854775808"`, `7 created_at is not a date: "yesterday"`,
				`8 created_at is not a date: ""`, `9 entry_id is not a number above 0: ""`,
				`10 entry_id is not a number above 0: ""`,
			},
		},
		{
			name:   "a reason repeats little, and nothing that a terminal obeys",
			feed:   "created_at,entry_id\n" + at + ",\x1b[2Jone\u202etwo" + strings.Repeat("x", 99) + "\n",
			header: Header{},
			told:   []string{`2 entry_id is not a number above 0: "[2Jonetwo` + strings.Repeat("x", 31) + `"`},
		},
		{
			name:   "last line without its end",
			feed:   "created_at,entry_id,field1\n" + at + ",1,a\n" + at + ",2,gAAAA",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(1, "a"), entry(2, "gAAAA")},
			told:   []string{"3 cut short, delivered true"},
		},
		{
			name:   "last line cut in a column before the last",
			feed:   "created_at,entry_id,field1,field2\n" + at + ",1,a,b\n" + at + ",2,gAAAA",
			header: Header{Fields: FieldsOf(1, 2)},
			want:   []Entry{entry(1, "a", "b")},
			told:   []string{"3 cut short, delivered false"},
		},
		{
			name: "last line cut in its date",
			feed: "created_at,entry_id\n" + at + ",1\n2018-06-",
			want: []Entry{entry(1)},
			told: []string{"3 cut short, delivered false"},
		},
		{
			name:   "last line cut in a quoted value",
			feed:   "created_at,entry_id,field1\n" + at + ",1,a\n" + at + ",2,\"gAAAA",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(1, "a")},
			told:   []string{"3 cut short, delivered false"},
		},
		{
			name:   "last line cut behind a quoted value",
			feed:   "created_at,entry_id,field1\n" + at + ",2,\"gA\nAA\"\r",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(2, "gA\nAA")},
			told:   []string{"2 cut short, delivered true"},
		},
		{
			name:   "header without its end",
			feed:   "created_at,entry_id,field1,fie",
			header: Header{Fields: FieldsOf(1)},
			told:   []string{"1 cut short, delivered true"},
		},
		{
			name:   "a quote that is never closed costs its own row only",
			feed:   "created_at,entry_id,field1\n" + at + ",1,\"a\n" + at + ",2,b\n" + at + ",3,c\n",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(2, "b"), entry(3, "c")},
			told:   []string{"2 a quoted value does not end"},
		},
		{
			name:   "a quote that closes in a later row costs its own row only",
			feed:   "created_at,entry_id,field1\n" + at + ",1,\"a\n" + at + ",2,\"b\"\n" + at + ",3,c\n",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(2, "b"), entry(3, "c")},
			told:   []string{"2 something stands behind a closing quote"},
		},
		{
			name:   "something behind a closing quote",
			feed:   "created_at,entry_id,field1\n" + at + ",1,\"a\"b\n" + at + ",2,\"a\"\rb\n" + at + ",3,c\n",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(3, "c")},
			told:   []string{"2 something stands behind a closing quote", "3 something stands behind a closing quote"},
		},
		{
			name:   "the longest row",
			feed:   "created_at,entry_id,field1\n" + at + ",1," + long + "\n" + at + ",2,b\n",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(1, long), entry(2, "b")},
		},
		{
			name: "rows that are too long",
			feed: "created_at,entry_id,field1\n" + at + ",1,x" + long + "\n" + at + ",2," + strings.Repeat(long, 20) + "\n" +
				at + ",3,\"" + strings.Repeat(strings.Repeat(",", 99)+"\n", 660) + "\"\n" + at + ",4,d\n",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(4, "d")},
			told: slices.Concat([]string{
				"2 longer than 65535 bytes", "3 longer than 65535 bytes", "4 a quoted value does not end",
			}, lines(659, func(i int) string { return fmt.Sprintf(`%d entry_id is not a number above 0: ""`, 5+i) }),
				[]string{"664 a quoted value does not end"}),
		},
		{
			name:   "the last line too long and without its end",
			feed:   "created_at,entry_id,field1\n" + at + ",1,a\n" + at + ",2,x" + long,
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(1, "a")},
			told:   []string{"3 longer than 65535 bytes", "3 cut short, delivered false"},
		},
		{
			name:   "zero bytes and invalid UTF-8 are values",
			feed:   "created_at,entry_id,field1\n" + at + ",1,a\x00\xff\x80\n",
			header: Header{Fields: FieldsOf(1)},
			want:   []Entry{entry(1, "a\x00\xff\x80")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, src := range map[string]io.Reader{
				"at once":       strings.NewReader(tt.feed),
				"byte by byte":  iotest.OneByteReader(strings.NewReader(tt.feed)),
				"end with data": iotest.DataErrReader(strings.NewReader(tt.feed)),
			} {
				r := NewCSVReader(src)
				h, err := r.Header()
				if err != nil || h != tt.header {
					t.Fatalf("%s: Header() = %v, %v, want %v", name, h, err, tt.header)
				}
				entries, told := readAll(t, r)
				if diff := cmp.Diff(tt.want, entries); diff != "" {
					t.Errorf("%s: entries (-want +got):\n%s", name, diff)
				}
				if diff := cmp.Diff(tt.told, told); diff != "" {
					t.Errorf("%s: told (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

func lines(n int, line func(i int) string) []string {
	var all []string
	for i := range n {
		all = append(all, line(i))
	}
	return all
}

func TestCSVHeaderRefuses(t *testing.T) {
	tests := []struct {
		name, body string
		want       error
	}{
		{"nothing", "", ErrEmptyReply},
		{"white space only", "\ufeff\r\n\n", ErrEmptyReply},
		{"the service's refusal", "-1", ErrDenied},
		{"the service's refusal as JSON", "\"-1\"\n", ErrDenied},
		{"zero", "0", &NotDataError{Want: "a CSV feed", Excerpt: "0"}},
		{
			"HTML page", "\n <!DOCTYPE html>\n<html><head><TITLE lang=en>Sign\n in &amp; pay\x1b[31m</TITLE></head>",
			&NotDataError{Want: "a CSV feed", HTML: true, Excerpt: "Sign in & pay[31m"},
		},
		{"HTML without title", "<html>created_at,entry_id", &NotDataError{Want: "a CSV feed", HTML: true}},
		{"code word", "error_auth_required", &ServiceError{Code: CodeAuthRequired}},
		{
			"JSON error", string(AppendErrorJSON(nil, CodeNotFound, "none")),
			&ServiceError{Code: CodeNotFound, Message: "Resource Not Found", Details: "none"},
		},
		{"no entry_id", "created_at,field1\n", &NotDataError{Want: "a CSV feed", Excerpt: "created_at,field1"}},
		{"no created_at", "entry_id,field1", &NotDataError{Want: "a CSV feed", Excerpt: "entry_id,field1"}},
		{
			"no header", "2018-06-12 21:16:46 UTC,1,a\n",
			&NotDataError{Want: "a CSV feed", Excerpt: "2018-06-12 21:16:46 UTC,1,a"},
		},
		{"open quote", "\"created_at", &NotDataError{Want: "a CSV feed", Excerpt: "\"created_at"}},
		{"open quote in a whole line", "\"a\nb\n", &NotDataError{Want: "a CSV feed", Excerpt: "\"a b"}},
		{
			"one endless line", strings.Repeat("x", 1<<20),
			&NotDataError{Want: "a CSV feed", Excerpt: strings.Repeat("x", 200)},
		},
		{
			"binary", "\x00\x01\x7f\x89PNG\r\n\x1a\n",
			&NotDataError{Want: "a CSV feed", Excerpt: "\ufffdPNG"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewCSVReader(strings.NewReader(tt.body))
			for range 2 {
				_, err := r.Header()
				if diff := cmp.Diff(fmt.Sprintf("%T: %v", tt.want, tt.want), fmt.Sprintf("%T: %v", err, err)); diff != "" {
					t.Errorf("Header (-want +got):\n%s", diff)
				}
				if readErr := r.Read(new(Entry)); readErr != err {
					t.Errorf("Read says %v, Header %v", readErr, err)
				}
			}
		})
	}
}

func TestCSVReaderTakesOneBufferOfAPage(t *testing.T) {
	src := &countingReader{src: strings.NewReader("<html>" + strings.Repeat("<p>down for maintenance</p>\n", 800_000))}
	if _, err := NewCSVReader(src).Header(); err == nil {
		t.Error("a page passed for a feed")
	}
	if src.n > MaxRowBytes+1 {
		t.Errorf("%d bytes of a page were read", src.n)
	}
}

type countingReader struct {
	src io.Reader
	n   int
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	r.n += n
	return n, err
}

func TestCSVReaderMemoryIsBounded(t *testing.T) {
	endless := strings.Repeat("x", 20<<20)
	const at = "2018-06-12 21:16:46 UTC"
	r := NewCSVReader(strings.NewReader("created_at,entry_id,field1\n" + at + ",1,\"" + endless + "\n" + at + ",2,b\n"))
	entries, told := readAll(t, r)
	if len(entries) != 1 || len(told) != 1 {
		t.Errorf("read %d entries, told %v, want one of each", len(entries), told)
	}
	if n := cap(r.buf) + cap(r.scratch); n > 4*MaxRowBytes {
		t.Errorf("the reader holds %d bytes", n)
	}
}

func TestRowErrorsNameTheRow(t *testing.T) {
	for want, err := range map[string]error{
		"row 7 of a feed: why":                       &RowError{Line: 7, Reason: "why"},
		"last line of a feed: the data is cut short": &CutShortError{Line: 7},
	} {
		if err.Error() != want {
			t.Errorf("%#v reads %q, want %q", err, err, want)
		}
	}
}

func TestCSVReaderPassesErrorsOn(t *testing.T) {
	broken := errors.New("connection reset")
	const feed = "created_at,entry_id,field1\n2018-06-12 21:16:46 UTC,1,a\n2018-06-12 21:1"
	r := NewCSVReader(io.MultiReader(strings.NewReader(feed), iotest.ErrReader(broken)))
	var e Entry
	if err := r.Read(&e); err != nil || e.ID != 1 {
		t.Errorf("the row before the break: %v, %v", e, err)
	}
	for range 2 {
		if err := r.Read(&e); !errors.Is(err, broken) {
			t.Errorf("Read = %v, want %v", err, broken)
		}
	}
	if _, err := NewCSVReader(iotest.ErrReader(broken)).Header(); !errors.Is(err, broken) {
		t.Errorf("Header = %v, want %v", err, broken)
	}
	if _, err := NewCSVReader(idleReader{}).Header(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("Header = %v, want io.ErrNoProgress", err)
	}
}

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

func TestReadCSVAllocatesOncePerRow(t *testing.T) {
	const rows = 1000
	feed := tokenFeed(rows)
	allocs := testing.AllocsPerRun(5, func() {
		r := NewCSVReader(bytes.NewReader(feed))
		var e Entry
		err := r.Read(&e)
		for err == nil {
			err = r.Read(&e)
		}
		if err != io.EOF {
			t.Fatal(err)
		}
	})
	if allocs > rows+20 {
		t.Errorf("%d rows take %v allocations", rows, allocs)
	}
}

func TestAppendCSV(t *testing.T) {
	e := entry(17, "a,b", `say "hi"`, "two\nlines", "cr\r", " blanks ", "b'gA=='", "", "ü")
	e.Latitude, e.Longitude, e.Elevation = Text("40.44"), Text("-79.9"), Text("1,5")
	e.Status = Text("fine")
	tests := []struct {
		name             string
		fields           FieldSet
		location, status bool
		zone             *time.Location
		want             string
	}{
		{"no field", 0, false, false, nil, "created_at,entry_id\n2018-06-12 21:16:46 UTC,17\n"},
		{
			"some fields", FieldsOf(1, 6, 7), false, false, time.UTC,
			"created_at,entry_id,field1,field6,field7\n2018-06-12 21:16:46 UTC,17,\"a,b\",b'gA==',\n",
		},
		{
			"everything", AllFields, true, true, time.FixedZone("", -4*3600),
			"created_at,entry_id,field1,field2,field3,field4,field5,field6,field7,field8," +
				"latitude,longitude,elevation,status\n" +
				"2018-06-12 17:16:46 -0400,17,\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\"cr\r\", blanks ,b'gA==',,ü," +
				"40.44,-79.9,\"1,5\",fine\n",
		},
		{"status only", 0, false, true, nil, "created_at,entry_id,status\n2018-06-12 21:16:46 UTC,17,fine\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := AppendCSVHeader([]byte("x"), tt.fields, tt.location, tt.status)
			got = AppendCSVRow(got, &e, tt.fields, tt.location, tt.status, tt.zone)
			if diff := cmp.Diff("x"+tt.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAppendCSVBucket(t *testing.T) {
	row := entry(0, "20.5")
	got := AppendCSVBucketHeader(nil, FieldsOf(1, 2), false, true)
	got = AppendCSVRow(got, &row, FieldsOf(1, 2), false, true, nil)
	const want = "created_at,field1,field2,status\n2018-06-12 21:16:46 UTC,20.5,,\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzCSV(f *testing.F) {
	const at = "2018-06-12 21:16:46 UTC"
	f.Add([]byte("created_at,entry_id,field1,field2\n" + at + ",17,5,\n" + at + ",18,,b'gA=='\n"))
	f.Add([]byte("\ufeffcreated_at,entry_id,field1,status\r\n" + at + ",1,\"a,\"\"b\"\"\nc\",x\r\n\n" + at + ",2,\"a"))
	f.Add([]byte("field8,latitude,longitude,elevation,entry_id,created_at\n1,2,3,4,5," + at + "\n\"\"x,,,,1," + at))
	f.Add([]byte("\"-1\""))
	f.Add([]byte("<html><title>no</title>"))
	f.Add(bytes.Replace(tokenFeed(3), []byte("b'gA"), []byte("\"b'"), 1))
	f.Fuzz(func(t *testing.T, feed []byte) {
		r := NewCSVReader(bytes.NewReader(feed))
		h, err := r.Header()
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		entries, told := readAll(t, r)
		slow := NewCSVReader(iotest.HalfReader(bytes.NewReader(feed)))
		slowEntries, slowTold := readAll(t, slow)
		if !slices.Equal(entries, slowEntries) || !slices.Equal(told, slowTold) {
			t.Fatalf("piece by piece the feed reads as %v, %v, at once as %v, %v", slowEntries, slowTold, entries, told)
		}
		// What was read is written and read back as it is.
		again := AppendCSVHeader(nil, h.Fields, true, true)
		for i := range entries {
			again = AppendCSVRow(again, &entries[i], h.Fields, true, true, nil)
		}
		back, told := readAll(t, NewCSVReader(bytes.NewReader(again)))
		if !slices.Equal(back, entries) || told != nil {
			t.Fatalf("%v was written as %q and read as %v, %v", entries, again, back, told)
		}
	})
}

// Where the standard library can read rows, we read the same ones.
func FuzzCSVAgainstStandardLibrary(f *testing.F) {
	f.Add([]byte("a,b,c\n1,\"2\n3\",\"\"\"\"\n\n,,\n\"\",x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// The library changes CRLF inside of a value to LF; we keep it.
		if bytes.IndexByte(data, '\r') >= 0 || len(data) > MaxRowBytes {
			return
		}
		standard := csv.NewReader(bytes.NewReader(data))
		standard.FieldsPerRecord = -1
		want, err := standard.ReadAll()
		if err != nil {
			return
		}
		r := NewCSVReader(bytes.NewReader(data))
		var got [][]string
		for {
			_, err := r.readRow(MaxRowBytes)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("reading %q: %v, where the standard library reads %q", data, err, want)
			}
			if !r.isBlank() {
				got = append(got, slices.Clone(r.cells))
			}
		}
		// A quoted empty value alone on a line is no row for us.
		want = slices.DeleteFunc(want, func(row []string) bool { return len(row) == 1 && row[0] == "" })
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("reading %q: %q, where the standard library reads %q", data, got, want)
		}
	})
}

// Any values survive writing and reading.
func FuzzCSVRow(f *testing.F) {
	f.Add(int64(17), int64(1528838206), "a,b", "say \"hi\"", "two\r\nlines", uint8(7))
	f.Add(int64(1), int64(0), "\xff", "\"", "\r", uint8(0xff))
	f.Fuzz(func(t *testing.T, id, sec int64, a, b, c string, set uint8) {
		at, err := timeOf(sec)
		if id < 1 || err != nil || 2*(len(a)+len(b)+len(c)) > MaxRowBytes/9 {
			return
		}
		written := Entry{ID: id, CreatedAt: at}
		texts := []string{a, b, c}
		value := func(i int) Value {
			text := texts[i%len(texts)]
			return Value{Text: text, Given: text != ""}
		}
		fields := FieldSet(set)
		for n := range fields.All() {
			written.Fields[n-1] = value(n)
		}
		written.Latitude, written.Longitude, written.Elevation, written.Status = value(0), value(1), value(2), value(3)
		feed := AppendCSVHeader(nil, fields, true, true)
		feed = AppendCSVRow(feed, &written, fields, true, true, nil)
		feed = AppendCSVRow(feed, &written, fields, true, true, time.FixedZone("", 5400))
		if year := at.Add(5400 * time.Second).Year(); year > 9999 {
			return
		}
		read, told := readAll(t, NewCSVReader(bytes.NewReader(feed)))
		if diff := cmp.Diff([]Entry{written, written}, read); diff != "" || told != nil {
			t.Fatalf("written as %q, told %q (-want +got):\n%s", feed, told, diff)
		}
		// Values are quoted only where they have to be.
		if !strings.ContainsAny(a+b+c, ",\"\r\n") && bytes.IndexByte(feed, '"') >= 0 {
			t.Fatalf("quotes without need: %q", feed)
		}
	})
}
