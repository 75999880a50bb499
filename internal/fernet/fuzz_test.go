package fernet

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/token"
)

// Whatever text comes, Open returns one of its named errors or a message, and a message can be sealed again.
func FuzzOpen(f *testing.F) {
	k, err := ParseKey(specKey)
	if err != nil {
		f.Fatal(err)
	}
	r := ring(f, k)
	for _, seed := range []string{
		"gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==",
		"gAAAAABdnQ1TUKh2OE_ggbyCIxfg", "gAAA", "", "%", "b'gAAAAA=='",
		sealBody(k, 1, [token.IVSize]byte{}, nil),
		sealBody(k, 1<<63, [token.IVSize]byte{}, make([]byte, 16)),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := r.Open(text)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNoKey) {
				t.Fatalf("Open(%q): %v", text, err)
			}
			return
		}
		reseals(t, r, o)
	})
}

// Somebody who knows the key writes the body: any bytes as ciphertext, or any blocks encrypted, so with any padding.
// Open must agree with the specification in each case.
func FuzzOpenBodyBehindValidMAC(f *testing.F) {
	k := key(1, 2)
	r := ring(f, key(1, 3), k)
	f.Add(uint64(0), []byte{}, []byte{}, false)
	f.Add(uint64(1), []byte{9}, make([]byte, 15), false)
	f.Add(uint64(1<<63), []byte{}, make([]byte, 16), true)
	f.Add(uint64(1<<64-1), []byte("0123456789abcdef"), bytes.Repeat([]byte{17}, 32), true)
	f.Add(uint64(1_700_000_000), []byte{}, bytes.Repeat([]byte{16}, 32), true)
	f.Add(uint64(1_700_000_000), []byte{1}, padded([]byte("hello")), true)
	f.Fuzz(func(t *testing.T, seconds uint64, ivBytes, body []byte, encrypted bool) {
		var iv [token.IVSize]byte
		copy(iv[:], ivBytes)
		if encrypted {
			body = encrypt(k, iv, body[:len(body)/token.BlockSize*token.BlockSize])
		}
		text := sealBody(k, seconds, iv, body)
		o, err := r.Open(text)

		tok, malformed := token.Parse(text)
		if wellFormed := len(body) > 0 && len(body)%token.BlockSize == 0; wellFormed != (malformed == nil) {
			t.Fatalf("a body of %d bytes: Parse = %v", len(body), malformed)
		}
		if malformed != nil {
			if !errors.Is(err, malformed) {
				t.Fatalf("Open(%q) = %v, want %v", text, err, malformed)
			}
			return
		}
		for i, one := range r.keys {
			message, opens := openStrictly(one, tok)
			if !opens {
				continue
			}
			if err != nil || o.KeyIndex != i || !bytes.Equal(o.Plaintext, message) || o.seconds != seconds {
				t.Fatalf("Open(%q) = %q with key %d, %v; want %q with key %d",
					text, o.Plaintext, o.KeyIndex, err, message, i)
			}
			reseals(t, r, o)
			return
		}
		if !errors.Is(err, ErrNoKey) {
			t.Fatalf("Open(%q) = %q, %v; want %v", text, o.Plaintext, err, ErrNoKey)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add(specKey)
	f.Add("")
	f.Add("cw/0x689RpI+jtRR7oE8h/eQsKImvJapLeSbXpwF4e4=")
	f.Add(specKey[:40] + "\n" + specKey[40:])
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		if err != nil {
			if !errors.Is(err, ErrMalformedKey) || !k.IsZero() {
				t.Fatalf("ParseKey(%q) = %v, %v", text, k, err)
			}
			return
		}
		raw := k.RevealBytes()
		if k.Reveal() != text || base64.URLEncoding.EncodeToString(raw[:]) != text {
			t.Fatalf("ParseKey(%q) writes %q", text, k.Reveal())
		}
	})
}

// reseals demands that an opened message can be sealed and opened again, at the time that it bears.
func reseals(t *testing.T, r Ring, o Opened) {
	t.Helper()
	if o.Plaintext == nil {
		t.Fatal("the plaintext is nil")
	}
	text, err := r.Seal(o.Plaintext, o.SealedAt)
	if err != nil {
		t.Fatalf("Seal(%q): %v", o.Plaintext, err)
	}
	again, err := r.Open(text)
	if err != nil {
		t.Fatalf("Open(%q): %v", text, err)
	}
	if again.KeyIndex != 0 || !bytes.Equal(again.Plaintext, o.Plaintext) || !again.SealedAt.Equal(o.SealedAt) {
		t.Fatalf("sealed again: %q at %v, want %q at %v", again.Plaintext, again.SealedAt, o.Plaintext, o.SealedAt)
	}
	if err := again.CheckAge(0, o.SealedAt); err != nil {
		t.Fatal(err)
	}
	if err := again.CheckAge(time.Second, o.SealedAt.Add(2*time.Second)); !errors.Is(err, ErrExpired) {
		t.Fatal(err)
	}
}
