package record

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/fernet"
)

// A text on its way out: encoded, signed, cut and sealed.
func BenchmarkSend(b *testing.B) {
	ring, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		b.Fatal(err)
	}
	ana := newScribe(b, 1, "ana")
	text := Text(strings.Repeat("a", 200))
	b.Run("200B", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			signed := ana.write(text)
			cells, err := signed.Cells()
			if err != nil {
				b.Fatal(err)
			}
			for i := range cells {
				if _, err := ring.Seal(cells[i][:], noon); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// one-entry records of three authors who name each other.
func manyRecords(b *testing.B, n int) (cells []Cell) {
	scribes := []*scribe{newScribe(b, 1, "ana"), newScribe(b, 2, "bo"), newScribe(b, 3, "carl")}
	var last Signed
	for i := range n {
		var named Seen
		if i > 0 {
			named = seen(last)
		}
		last = scribes[i%3].write(Text(strings.Repeat("a", 200)), named)
		cells = append(cells, cellsOf(b, last, testRoom.Key, int64(i+1), 8)...)
	}
	return cells
}

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{1, 8000} {
		cells := manyRecords(b, n)
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				result, err := NewReader(testRoom.Salt, PublicKey{}).Read(NewMemory(), cells, whole, noon)
				if err != nil || len(result.Messages) != n || len(result.Change.Told) > 0 {
					b.Fatal(err, len(result.Messages), texts(result.Change.Told))
				}
			}
		})
	}
}

// The same again, once they are known.
func BenchmarkRecall(b *testing.B) {
	const n = 8000
	cells := manyRecords(b, n)
	l := newListener(b)
	l.read(cells)
	all := pieces(l.known, cells)
	b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			messages, err := Recall(l.known, testRoom.Salt, PublicKey{}, all)
			if err != nil || len(messages) != n {
				b.Fatal(err, len(messages))
			}
		}
	})
}

// One message more, in a room with so many.
func BenchmarkReadOneMore(b *testing.B) {
	for _, history := range []uint32{1000, 10_000, 100_000} {
		ana, bo := newScribe(b, 1, "ana"), newScribe(b, 2, "bo")
		l := newListener(b)
		l.read(at(b, 1, ana.write(Text("hello")), bo.write(Text("hello"))))
		// What a long conversation leaves behind, without having it.
		learnt := Change{Authors: l.known.all().Authors}
		for i := range learnt.Authors {
			a := &learnt.Authors[i]
			a.Top = history / 2
			for n := uint32(2); n <= a.Top; n++ {
				h := Held{Author: a.Key, Number: n, Nick: a.Nick, At: Spot{Place: Place{0, int64(2*n) + int64(i)}}}
				binary.BigEndian.PutUint32(h.Hash[:], n)
				binary.BigEndian.PutUint32(h.Previous[:], n-1)
				learnt.Held = append(learnt.Held, h)
			}
		}
		l.known.Apply(learnt)
		newest := learnt.Held[len(learnt.Held)-1]
		ana.number, ana.previous = history/2, newest.Hash.Short()
		cells := at(b, int64(history)+2, ana.write(Text(strings.Repeat("a", 200)), Seen{bo.tag(), history / 2, ana.previous}))
		b.Run(fmt.Sprintf("history=%d", history), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() { // nothing is kept, so that each time it is new
				result, err := l.reader.Read(l.known, cells, whole, noon)
				if err != nil || len(result.Messages) != 1 || len(result.Change.Told) > 0 {
					b.Fatal(err, len(result.Messages), texts(result.Change.Told))
				}
			}
		})
	}
}

// A large file that comes entry by entry.
func BenchmarkReadFile(b *testing.B) {
	ana := newScribe(b, 1, "ana")
	cells := cellsOf(b, ana.write(File{"a", "b", make([]byte, 1<<20)}), testRoom.Key, 1, 8)
	b.Run("1MiB-by-entries", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l := newListener(b)
			got := 0
			for i := 0; i < len(cells); i += 8 {
				got += len(l.read(cells[i:min(i+8, len(cells))]).Messages)
			}
			if got != 1 {
				b.Fatal(got)
			}
		}
	})
	b.Run("1MiB-at-once", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if l := newListener(b); len(l.read(cells).Messages) != 1 {
				b.Fatal("not read")
			}
		}
	})
}
