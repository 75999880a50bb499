package fernet

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/token"
)

var sealedAt = time.Date(2024, 5, 6, 7, 8, 9, 987654321, time.UTC)

func TestSealAndOpen(t *testing.T) {
	r := ring(t, key(1, 2))
	for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 111, 112, 126, 127, 128, 1000, 70000} {
		t.Run(fmt.Sprintf("%dB", n), func(t *testing.T) {
			message := bytes.Repeat([]byte{0xfe}, n)
			text, err := r.Seal(message, sealedAt)
			if err != nil {
				t.Fatalf("Seal: %v", err)
			}
			if len(text) != token.EncodedLen(n) {
				t.Errorf("Seal wrote %d characters, want %d", len(text), token.EncodedLen(n))
			}
			o, err := r.Open(text)
			if err != nil {
				t.Fatalf("Open(%q): %v", text, err)
			}
			if o.Plaintext == nil || !bytes.Equal(o.Plaintext, message) {
				t.Errorf("Open(%q) = %q, want %q", text, o.Plaintext, message)
			}
			if o.KeyIndex != 0 {
				t.Errorf("KeyIndex = %d, want 0", o.KeyIndex)
			}
			if want := sealedAt.Truncate(time.Second); o.SealedAt != want {
				t.Errorf("SealedAt = %v, want %v", o.SealedAt, want)
			}
		})
	}
}

// Seal writes what the specification says for the time and the IV that it took.
func TestSealFollowsTheSpecification(t *testing.T) {
	k := key(1, 2)
	r := ring(t, k)
	seen := map[[token.IVSize]byte]bool{}
	for n := range 130 {
		message := bytes.Repeat([]byte{'x'}, n)
		text, err := r.Seal(message, sealedAt)
		if err != nil {
			t.Fatal(err)
		}
		tok, err := token.Parse(text)
		if err != nil {
			t.Fatalf("Seal wrote %q: %v", text, err)
		}
		if want := sealAt(k, uint64(sealedAt.Unix()), ivOf(tok), message); text != want {
			t.Errorf("Seal(%d bytes) = %q, want %q", n, text, want)
		}
		if seen[ivOf(tok)] {
			t.Errorf("the IV %x was used twice", ivOf(tok))
		}
		seen[ivOf(tok)] = true
	}
}

func TestSealRefuses(t *testing.T) {
	if _, err := (Ring{}).Seal(nil, sealedAt); !errors.Is(err, ErrEmptyRing) {
		t.Errorf("Seal with the zero Ring: %v, want %v", err, ErrEmptyRing)
	}
	r := ring(t, key(1, 2))
	for _, now := range []time.Time{{}, time.Unix(-1, 0)} {
		if text, err := r.Seal(nil, now); err == nil {
			t.Errorf("Seal at %v = %q, want an error", now, text)
		}
	}
	if _, err := r.Seal(nil, time.Unix(0, 0)); err != nil {
		t.Errorf("Seal at the start of 1970: %v", err)
	}
}

func TestNewRingRefuses(t *testing.T) {
	for name, keys := range map[string][]Key{
		"no key":             nil,
		"a zero key":         {{}},
		"a zero key between": {key(1, 2), {}, key(3, 4)},
	} {
		if _, err := NewRing(keys...); !errors.Is(err, ErrEmptyRing) {
			t.Errorf("NewRing of %s: %v, want %v", name, err, ErrEmptyRing)
		}
	}
}

func TestRingOrder(t *testing.T) {
	newest, middle, oldest := key(5, 6), key(3, 4), key(1, 2)
	r := ring(t, newest, middle, oldest)
	for i, k := range []Key{newest, middle, oldest} {
		text, err := ring(t, k).Seal([]byte("hello"), sealedAt)
		if err != nil {
			t.Fatal(err)
		}
		o, err := r.Open(text)
		if err != nil || o.KeyIndex != i || string(o.Plaintext) != "hello" {
			t.Errorf("Open with key %d = %q, key %d, %v", i, o.Plaintext, o.KeyIndex, err)
		}
	}
	text, err := r.Seal([]byte("hello"), sealedAt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring(t, newest).Open(text); err != nil {
		t.Errorf("the newest key did not seal: %v", err)
	}
	if _, err := ring(t, middle, oldest).Open(text); !errors.Is(err, ErrNoKey) {
		t.Errorf("Open without the sealing key: %v, want %v", err, ErrNoKey)
	}
}

// The caller's slice and the ring share nothing that the caller can change.
func TestRingKeepsItsKeys(t *testing.T) {
	keys := []Key{key(1, 2)}
	r := ring(t, keys...)
	text, err := r.Seal([]byte("hello"), sealedAt)
	if err != nil {
		t.Fatal(err)
	}
	keys[0] = key(3, 4)
	if _, err := r.Open(text); err != nil {
		t.Errorf("Open after the caller's slice was changed: %v", err)
	}
}

func TestOpenWithoutKeys(t *testing.T) {
	text := sealAt(key(1, 2), 1, [token.IVSize]byte{}, []byte("hello"))
	if _, err := (Ring{}).Open(text); !errors.Is(err, ErrNoKey) {
		t.Errorf("Open with the zero Ring: %v, want %v", err, ErrNoKey)
	}
	if _, err := ring(t, key(1, 2)).OpenToken(token.Token{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("OpenToken of the zero Token: %v, want %v", err, ErrMalformed)
	}
}

// Every single bit of a token is covered: by the MAC, or by the canonical form.
func TestOpenNoticesEveryBit(t *testing.T) {
	r := ring(t, key(1, 2))
	text, err := r.Seal([]byte("hello"), sealedAt)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(text) {
		for bit := range 8 {
			altered := []byte(text)
			altered[i] ^= 1 << bit
			if o, err := r.Open(string(altered)); err == nil {
				t.Errorf("bit %d of character %d altered: opened as %q", bit, i, o.Plaintext)
			}
		}
		if _, err := r.Open(text[:i]); !errors.Is(err, ErrMalformed) {
			t.Errorf("cut to %d characters: %v, want %v", i, err, ErrMalformed)
		}
	}
}

// A message keeps its meaning when the buffer that its token was parsed into is used again.
func TestOpenedIsIndependent(t *testing.T) {
	r := ring(t, key(1, 2))
	var buf [token.BufferSize]byte
	var opened []Opened
	for i := range 3 {
		text, err := r.Seal([]byte{byte('0' + i)}, sealedAt.Add(time.Duration(i)*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		tok, err := token.ParseInto(buf[:], text)
		if err != nil {
			t.Fatal(err)
		}
		o, err := r.OpenToken(tok)
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, o)
	}
	clear(buf[:])
	for i, o := range opened {
		at := sealedAt.Truncate(time.Second).Add(time.Duration(i) * time.Hour)
		if string(o.Plaintext) != string(rune('0'+i)) || o.SealedAt != at {
			t.Errorf("message %d = %q at %v", i, o.Plaintext, o.SealedAt)
		}
	}
}

func TestOpenAbsurdClock(t *testing.T) {
	k := key(1, 2)
	o, err := ring(t, k).Open(sealAt(k, math.MaxUint64, [token.IVSize]byte{}, []byte("hello")))
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC); o.SealedAt != want {
		t.Errorf("SealedAt = %v, want %v", o.SealedAt, want)
	}
}

// One ring serves many goroutines; the race detector watches.
func TestRingConcurrently(t *testing.T) {
	shared := key(1, 2)
	r := ring(t, key(1, 9), shared, key(3, 4))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				message := fmt.Appendf(nil, "%d/%d", g, i)
				text, err := r.Seal(message, sealedAt)
				if err != nil {
					t.Error(err)
					return
				}
				o, err := r.Open(text)
				if err != nil || !bytes.Equal(o.Plaintext, message) {
					t.Errorf("Open = %q, %v; want %q", o.Plaintext, err, message)
					return
				}
			}
		})
	}
	wg.Wait()
}
