package fernet

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/token"
)

// A clock that no time.Time before 1970 or after 2^63 has must come through a rotation as it is.
func TestRotateKeepsEveryClock(t *testing.T) {
	old, newest := key(1, 2), key(3, 4)
	for _, seconds := range []uint64{0, 1, 1_700_000_000, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		text := sealAt(old, seconds, [token.IVSize]byte{1}, []byte("hello"))
		rotated, was, err := ring(t, newest, old).Rotate(text)
		if err != nil || was.KeyIndex != 1 {
			t.Fatalf("%d: key %d, %v", seconds, was.KeyIndex, err)
		}
		o, err := ring(t, newest).Open(rotated)
		if err != nil || o.Time() != seconds || string(o.Plaintext) != "hello" {
			t.Errorf("sealed at %d, rotated: %q of %d, %v", seconds, o.Plaintext, o.Time(), err)
		}
		if _, _, err := ring(t, newest).Rotate(text); !errors.Is(err, ErrNoKey) {
			t.Errorf("without its key: %v", err)
		}
	}
}

func TestParseKeys(t *testing.T) {
	a, b := key(1, 2), key(3, 4)
	keys, err := ParseKeys("# the newest first\r\n" + a.Reveal() + "\r\n\n  " + b.Reveal() + "\t")
	if err != nil || !slices.EqualFunc(keys, []Key{a, b}, Key.Equal) {
		t.Errorf("%v, %v", keys, err)
	}
	for text, want := range map[string]error{
		"": ErrEmptyRing, "\n# none\n": ErrEmptyRing, a.Reveal() + a.Reveal(): ErrMalformedKey,
		a.Reveal() + "\n" + b.Reveal()[1:]: ErrMalformedKey, "b'" + a.Reveal() + "'": ErrMalformedKey,
	} {
		keys, err := ParseKeys(text)
		if !errors.Is(err, want) || keys != nil {
			t.Errorf("ParseKeys(%q) = %v, %v; want %v", text, keys, err, want)
		}
		if line := new(KeyLineError); errors.As(err, &line) && strings.Contains(err.Error(), text[8:20]) {
			t.Errorf("the refusal repeats the key: %v", err)
		}
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add(specKey + "\n" + specKey)
	f.Add("# x\n\n b'" + specKey + "'")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := ParseKeys(text)
		if err != nil {
			if len(keys) != 0 || !errors.Is(err, ErrMalformedKey) && !errors.Is(err, ErrEmptyRing) {
				t.Fatalf("ParseKeys(%q) = %v, %v", text, keys, err)
			}
			return
		}
		var again strings.Builder
		for _, k := range keys {
			if !strings.Contains(text, k.Reveal()) {
				t.Fatalf("ParseKeys(%q) invents a key", text)
			}
			fmt.Fprintln(&again, k.Reveal())
		}
		if same, err := ParseKeys(again.String()); err != nil || !slices.EqualFunc(keys, same, Key.Equal) {
			t.Fatalf("ParseKeys(%q) = %v, read again %v, %v", text, keys, same, err)
		}
	})
}

// Each refusal has one word for programs, and what was cut is called that wherever it was cut.
func TestRefuse(t *testing.T) {
	k := key(1, 2)
	whole := sealAt(k, 1_700_000_000, [token.IVSize]byte{}, []byte("a text of more than one block"))
	r := ring(t, k)
	for n := 1; n < len(whole)-2; n++ {
		bare, _ := token.Unwrap(whole[:n])
		_, err := r.Open(bare)
		word, err := Refuse(bare, err)
		if blocks := n*3/4 - token.Overhead; blocks > 0 && blocks%token.BlockSize == 0 {
			continue // as long as a token can be, so that only the MAC tells
		}
		if word != RefusedCut || !errors.Is(err, ErrMalformed) {
			t.Errorf("cut after %d of %d characters: %q, %v", n, len(whole), word, err)
		}
	}
	for text, want := range map[string]Refusal{
		"": RefusedCut, "hello, world!": RefusedNotBase64, "AAAA" + whole[4:]: RefusedVersion, whole: "",
		whole[:20] + "\n" + whole[20:]: RefusedNotCanonical,
	} {
		_, err := r.Open(text)
		if word, _ := Refuse(text, err); word != want {
			t.Errorf("%q: %q, want %q", text, word, want)
		}
	}
}
