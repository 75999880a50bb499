package fernet

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	fernetgo "github.com/fernet/fernet-go"

	"github.com/fernpost/fernpost/internal/token"
)

func sealed(b *testing.B, r Ring, n int) string {
	b.Helper()
	text, err := r.Seal(bytes.Repeat([]byte{'x'}, n), sealedAt)
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// BenchmarkOpen is to stay within 1.3 times BenchmarkBareFernetGo.
func BenchmarkOpen(b *testing.B) {
	r := ring(b, key(1, 2))
	for _, n := range []int{0, token.CellSize, 4096} {
		b.Run(fmt.Sprintf("%dB", n), func(b *testing.B) {
			text := sealed(b, r, n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Open(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBareFernetGo is the library alone, with one key and no checks.
func BenchmarkBareFernetGo(b *testing.B) {
	k := key(1, 2)
	keys := []*fernetgo.Key{k.secret()}
	r := ring(b, k)
	for _, n := range []int{0, token.CellSize, 4096} {
		b.Run(fmt.Sprintf("%dB", n), func(b *testing.B) {
			text := []byte(sealed(b, r, n))
			b.ReportAllocs()
			for b.Loop() {
				if fernetgo.VerifyAndDecrypt(text, 0, keys) == nil {
					b.Fatal("refused")
				}
			}
		})
	}
}

// BenchmarkOpenParallel opens on all processors, as the receiver does.
func BenchmarkOpenParallel(b *testing.B) {
	r := ring(b, key(1, 2))
	b.Run("127B", func(b *testing.B) {
		text := sealed(b, r, token.CellSize)
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := r.Open(text); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// BenchmarkOpenWrongKey is a stranger's token, which every key of the ring is tried on.
func BenchmarkOpenWrongKey(b *testing.B) {
	text := sealed(b, ring(b, key(1, 2)), token.CellSize)
	for _, n := range []int{1, 16} {
		b.Run(fmt.Sprintf("127B/%dkeys", n), func(b *testing.B) {
			var keys []Key
			for i := range n {
				keys = append(keys, key(3, byte(i)))
			}
			r := ring(b, keys...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Open(text); !errors.Is(err, ErrNoKey) {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	r := ring(b, key(1, 2))
	b.Run("127B", func(b *testing.B) {
		message := make([]byte, token.CellSize)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Seal(message, sealedAt); err != nil {
				b.Fatal(err)
			}
		}
	})
}
