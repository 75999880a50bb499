package fernet

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	fernetgo "github.com/fernet/fernet-go"

	"github.com/fernpost/fernpost/internal/token"
)

// bare tells what the library does when it is called without this package.
func bare(text string, keys ...Key) (verdict string) {
	defer func() {
		if recover() != nil {
			verdict = "panics"
		}
	}()
	var list []*fernetgo.Key
	for _, k := range keys {
		list = append(list, k.secret())
	}
	if fernetgo.VerifyAndDecrypt([]byte(text), 0, list) == nil {
		return "refuses"
	}
	return "opens"
}

// Every case is written by somebody who knows the key, so the MAC fits. The verdict of the bare library shows that the
// case is the trap that it claims to be; where a new version of the library changes it, the column is to follow.
func TestOpenHostileTokens(t *testing.T) {
	k := key(1, 2)
	iv := [token.IVSize]byte{7, 7, 7}
	const seconds = 1_700_000_000
	blocks := func(plain ...byte) string { return sealBody(k, seconds, iv, encrypt(k, iv, plain)) }
	repeat := func(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }
	good := sealAt(k, seconds, iv, []byte("hello"))

	version81 := func() string {
		raw, err := base64.URLEncoding.DecodeString(good)
		if err != nil {
			t.Fatal(err)
		}
		head := raw[:len(raw)-token.MACSize]
		head[0] = 0x81
		return base64.URLEncoding.EncodeToString(sign(k, head))
	}

	tests := []struct {
		name, text, bare string
		want             error
	}{
		{"no block", sealBody(k, seconds, iv, nil), "panics", token.TooShort},
		{"half a block", sealBody(k, seconds, iv, repeat(0, 8)), "refuses", token.TooShort},
		{"a block and a half", sealBody(k, seconds, iv, repeat(0, 24)), "refuses", token.WrongLength},
		{"padding byte 0", blocks(repeat(0, 16)...), "opens", ErrNoKey},
		{"padding byte 0 behind a text", blocks([]byte("sixteen letters\x00")...), "opens", ErrNoKey},
		{"padding of 17 in two blocks", blocks(repeat(17, 32)...), "opens", ErrNoKey},
		{"padding of 32 in two blocks", blocks(repeat(32, 32)...), "opens", ErrNoKey},
		{"padding of 255 in sixteen blocks", blocks(repeat(255, 256)...), "opens", ErrNoKey},
		{"padding longer than the ciphertext", blocks(repeat(33, 32)...), "refuses", ErrNoKey},
		{"padding bytes that differ", blocks(append(repeat('x', 14), 1, 2)...), "refuses", ErrNoKey},
		{"junk behind", good + "AAAA", "opens", token.NotBase64},
		{"junk behind that is not base64", good + "%", "opens", token.NotBase64},
		{"line break behind", good + "\n", "opens", token.NotCanonical},
		{"line break inside", good[:50] + "\r\n" + good[50:], "opens", token.NotCanonical},
		{"last bits altered", strings.TrimRight(good, "=")[:len(good)-3] + "B==", "opens", token.NotCanonical},
		{"padding missing", strings.TrimRight(good, "="), "refuses", token.NotBase64},
		{"white space before", " " + good, "refuses", token.NotBase64},
		{"the wrapper of Python", token.Wrap(good), "refuses", token.NotBase64},
		{"version 0x81", version81(), "refuses", token.WrongVersion},
		{"no bytes", "", "refuses", token.TooShort},
		{"a whole block of padding is an empty message", blocks(repeat(16, 16)...), "opens", nil},
		{"the best filled block", blocks(append(repeat('x', 15), 1)...), "opens", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := bare(test.text, k); got != test.bare {
				t.Errorf("the bare library %s, the test says that it %s", got, test.bare)
			}
			o, err := ring(t, k).Open(test.text)
			if !errors.Is(err, test.want) {
				t.Errorf("Open(%q) = %q, %v; want %v", test.text, o.Plaintext, err, test.want)
			}
			if err == nil && o.Plaintext == nil {
				t.Errorf("Open(%q): the plaintext is nil", test.text)
			}
			if errors.Is(test.want, ErrMalformed) != errors.Is(err, ErrMalformed) {
				t.Errorf("Open(%q) = %v: ErrMalformed is not told apart", test.text, err)
			}
		})
	}
}

// An empty message is an empty slice, which must not be taken for a refusal.
func TestOpenEmptyMessage(t *testing.T) {
	r := ring(t, key(1, 2))
	text, err := r.Seal(nil, sealedAt)
	if err != nil {
		t.Fatal(err)
	}
	o, err := r.Open(text)
	if err != nil || o.Plaintext == nil || len(o.Plaintext) != 0 {
		t.Errorf("Open of an empty message = %v, %v", o.Plaintext, err)
	}
}

// Two keys that share the signing half: the MAC fits under both, and only the padding tells the first try from the
// second. The library, given both, decrypts what it has decrypted already.
func TestOpenKeysThatShareTheSigningHalf(t *testing.T) {
	wrong, right := key(1, 3), key(1, 2)
	r := ring(t, wrong, right)
	message := bytes.Repeat([]byte("message "), 5)
	tries := 0
	for i := range byte(64) {
		iv := [token.IVSize]byte{i}
		text := sealAt(right, 1_700_000_000, iv, message)
		tok, err := token.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, opens := openStrictly(wrong, tok); opens {
			continue // one in 256 has valid padding under the wrong key: nothing can tell
		}
		tries++
		if got := bare(text, wrong, right); got != "refuses" {
			t.Errorf("the bare library %s: the case is no trap", got)
		}
		o, err := r.Open(text)
		if err != nil || o.KeyIndex != 1 || !bytes.Equal(o.Plaintext, message) {
			t.Errorf("Open(%q) = %q with key %d, %v; want %q with key 1", text, o.Plaintext, o.KeyIndex, err, message)
		}
	}
	if tries == 0 {
		t.Error("no token was tried")
	}
}

// The library panics on a nil key; a ring cannot hold one.
func TestRingHoldsNoNilKey(t *testing.T) {
	text := sealAt(key(1, 2), 1, [token.IVSize]byte{}, nil)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the bare library takes a nil key: the case is no trap")
			}
		}()
		fernetgo.VerifyAndDecrypt([]byte(text), 0, []*fernetgo.Key{nil})
	}()
	if _, err := NewRing(Key{}); !errors.Is(err, ErrEmptyRing) {
		t.Errorf("NewRing(Key{}) = %v, want %v", err, ErrEmptyRing)
	}
}
