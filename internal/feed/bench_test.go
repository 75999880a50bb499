package feed_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// BenchmarkRead reads a feed as a relay writes it, strictly and leniently: the two should cost the same. The third is of a
// spreadsheet.
func BenchmarkRead(b *testing.B) {
	const rows = 8000
	csv := thingspeak.AppendCSVHeader(nil, thingspeak.FieldsOf(1), false, false)
	sheet := []byte("created_at;entry_id;field1\n")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range rows {
		e := thingspeak.Entry{ID: int64(i + 1), CreatedAt: at.Add(time.Duration(i) * time.Hour)}
		e.Fields[0] = thingspeak.Text("b'" + strings.Repeat("gAAAAABo", 31) + "'")
		csv = thingspeak.AppendCSVRow(csv, &e, thingspeak.FieldsOf(1), false, false, nil)
		sheet = append(e.CreatedAt.AppendFormat(sheet, "1/2/2006 15:04;1;"), e.Fields[0].Text+"\n"...)
	}
	read := func(b *testing.B, text []byte, read func(*os.File) int) {
		name := filepath.Join(b.TempDir(), "feed.csv")
		if err := os.WriteFile(name, text, 0o600); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			f, err := os.Open(name)
			if err != nil {
				b.Fatal(err)
			}
			if n := read(f); n != rows {
				b.Fatalf("read %d rows", n)
			}
			f.Close()
		}
	}
	leniently := func(f *os.File) (n int) {
		if _, err := feed.Read(f, feed.Options{}, func(int, *thingspeak.Entry) error { n++; return nil }); err != nil {
			b.Fatal(err)
		}
		return n
	}
	b.Run("strictly/8000_rows", func(b *testing.B) {
		read(b, csv, func(f *os.File) (n int) {
			r := thingspeak.NewCSVReader(f)
			var e thingspeak.Entry
			for r.Read(&e) != io.EOF {
				n++
			}
			return n
		})
	})
	b.Run("leniently/8000_rows", func(b *testing.B) { read(b, csv, leniently) })
	b.Run("of_a_spreadsheet/8000_rows", func(b *testing.B) { read(b, sheet, leniently) })
}
