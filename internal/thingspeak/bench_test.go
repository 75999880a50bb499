package thingspeak

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// tokenFeed is a feed of rows that hold one token as the published scripts write it, 251 bytes.
func tokenFeed(rows int) []byte {
	e := Entry{CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	e.Fields[0] = Text("b'" + strings.Repeat("gAAAAABo", 31) + "'")
	feed := AppendCSVHeader(nil, FieldsOf(1), false, false)
	for range rows {
		e.ID++
		e.CreatedAt = e.CreatedAt.Add(15 * time.Second)
		feed = AppendCSVRow(feed, &e, FieldsOf(1), false, false, nil)
	}
	return feed
}

// quoteTokens puts the tokens of a feed into quotes.
func quoteTokens(feed []byte) []byte {
	feed = bytes.ReplaceAll(feed, []byte("b'"), []byte(`"b'`))
	return bytes.ReplaceAll(feed, []byte("'\n"), []byte("'\"\n"))
}

func BenchmarkReadCSV(b *testing.B) {
	const rows = 8000
	feed := tokenFeed(rows)
	quoted := quoteTokens(feed)
	for _, bb := range []struct {
		name string
		feed []byte
	}{{"plain", feed}, {"quoted", quoted}} {
		b.Run(fmt.Sprintf("%s/%d_rows", bb.name, rows), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.feed)))
			for b.Loop() {
				r := NewCSVReader(bytes.NewReader(bb.feed))
				var e Entry
				n := 0
				for {
					err := r.Read(&e)
					if err == io.EOF {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != rows {
					b.Fatalf("read %d rows", n)
				}
			}
		})
	}
}

func BenchmarkAppendCSVRow(b *testing.B) {
	e := Entry{ID: 4711, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	e.Fields[0] = Text(strings.Repeat("gAAAAABo", 31))
	b.Run("token_of_248_bytes", func(b *testing.B) {
		var row []byte
		b.ReportAllocs()
		for b.Loop() {
			row = AppendCSVRow(row[:0], &e, FieldsOf(1), false, false, nil)
		}
	})
}

func BenchmarkAppendEntryJSON(b *testing.B) {
	e := Entry{ID: 4711, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	e.Fields[0] = Text(strings.Repeat("gAAAAABo", 31))
	b.Run("token_of_248_bytes", func(b *testing.B) {
		var object []byte
		b.ReportAllocs()
		for b.Loop() {
			object = AppendEntryJSON(object[:0], &e, FieldsOf(1), false, false, nil)
		}
	})
}

func BenchmarkDecodeFeedJSON(b *testing.B) {
	const rows = 8000
	r := NewCSVReader(bytes.NewReader(tokenFeed(rows)))
	feed := AppendChannelJSON([]byte(`{"channel":`), &Channel{ID: 9, Name: "bench"}, false, nil)
	feed = append(feed, `,"feeds":[`...)
	var e Entry
	for n := 0; r.Read(&e) == nil; n++ {
		if n > 0 {
			feed = append(feed, ',')
		}
		feed = AppendEntryJSON(feed, &e, FieldsOf(1), false, false, nil)
	}
	feed = append(feed, `]}`...)
	b.Run(fmt.Sprintf("%d_entries", rows), func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(feed)))
		for b.Loop() {
			n := 0
			_, err := DecodeFeedJSON(bytes.NewReader(feed), func(*Entry) error { n++; return nil })
			if err != nil || n != rows {
				b.Fatal(n, err)
			}
		}
	})
}
