package token

import "testing"

func BenchmarkParseInto(b *testing.B) {
	cell, err := Encode(shaped(1_700_000_000, 128))
	if err != nil {
		b.Fatal(err)
	}
	texts := []struct{ name, text string }{
		{"127B", cell.String()},
		{"not-a-token", "23.5"},
	}
	for _, bench := range texts {
		b.Run(bench.name, func(b *testing.B) {
			var buf [BufferSize]byte
			b.ReportAllocs()
			for b.Loop() {
				_, _ = ParseInto(buf[:], bench.text)
			}
		})
	}
}

func BenchmarkUnwrap(b *testing.B) {
	text := Wrap(hello)
	b.ReportAllocs()
	for b.Loop() {
		Unwrap(text)
	}
}
