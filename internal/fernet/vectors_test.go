package fernet

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/token"
)

// vector is one case of the specification's generate.json, verify.json and invalid.json.
type vector struct {
	Desc   string
	Token  string
	Now    time.Time
	TTLSec int `json:"ttl_sec"`
	IV     [token.IVSize]byte
	Src    string
	Secret string
}

// vectors returns the cases of every set that stands with package token.
func vectors(t *testing.T, name string) []vector {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "token", "testdata", "*", name))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors called %s: %v", name, err)
	}
	var all []vector
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var some []vector
		if err := json.Unmarshal(text, &some); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, some...)
	}
	return all
}

// verify does with a vector what the specification asks for. The vectors are dated 1985, and their ttl_sec is 0 or less
// where the age is not to be judged.
func verify(t *testing.T, v vector) ([]byte, error) {
	t.Helper()
	k, err := ParseKey(v.Secret)
	if err != nil {
		t.Fatalf("ParseKey(%q): %v", v.Secret, err)
	}
	o, err := ring(t, k).Open(v.Token)
	if err == nil && v.TTLSec > 0 {
		err = o.CheckAge(time.Duration(v.TTLSec)*time.Second, v.Now)
	}
	return o.Plaintext, err
}

// The IV of generate.json cannot be given to Seal, which takes it at random. So this opens the token, and reproduces it
// with the sealer of the tests; TestSealFollowsTheSpecification shows that Seal writes what that sealer writes.
func TestSpecGenerate(t *testing.T) {
	for _, v := range vectors(t, "generate.json") {
		plaintext, err := verify(t, v)
		if err != nil || string(plaintext) != v.Src {
			t.Errorf("Open(%q) = %q, %v; want %q", v.Token, plaintext, err, v.Src)
		}
		k, err := ParseKey(v.Secret)
		if err != nil {
			t.Fatal(err)
		}
		if got := sealAt(k, uint64(v.Now.Unix()), v.IV, []byte(v.Src)); got != v.Token {
			t.Errorf("sealing %q again = %q, want %q", v.Src, got, v.Token)
		}
	}
}

func TestSpecVerify(t *testing.T) {
	for _, v := range vectors(t, "verify.json") {
		plaintext, err := verify(t, v)
		if err != nil || string(plaintext) != v.Src {
			t.Errorf("Open(%q) with a TTL of %d s = %q, %v; want %q", v.Token, v.TTLSec, plaintext, err, v.Src)
		}
	}
}

func TestSpecInvalid(t *testing.T) {
	reasons := []struct {
		desc string
		want error
	}{
		{"incorrect mac", ErrNoKey},
		{"too short", ErrMalformed},
		{"invalid base64", ErrMalformed},
		{"payload size not multiple of block size", ErrMalformed},
		{"payload padding error", ErrNoKey},
		{"far-future TS (unacceptable clock skew)", ErrFromTheFuture},
		{"expired TTL", ErrExpired},
		{"incorrect IV (causes padding error)", ErrNoKey},
		{"trailing characters after b64 padding", ErrMalformed},
		{"invalid characters in b64", ErrMalformed},
		{"invalid non-urlsafe characters in b64", ErrMalformed},
		{"very short payload size", ErrMalformed},
		{"super short payload size", ErrMalformed},
	}
	want := map[string]error{}
	for _, r := range reasons {
		want[r.desc] = r.want
	}
	for _, v := range vectors(t, "invalid.json") {
		t.Run(v.Desc, func(t *testing.T) {
			reason, known := want[v.Desc]
			if !known {
				t.Fatal("a vector that this test does not know")
			}
			if _, err := verify(t, v); !errors.Is(err, reason) {
				t.Errorf("Open(%q) = %v, want %v", v.Token, err, reason)
			}
		})
	}
}
