package token

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// vector is one case of the specification's generate.json, verify.json and invalid.json.
type vector struct {
	Desc   string
	Token  string
	Now    time.Time
	IV     [IVSize]byte
	Src    string
	TTLSec int `json:"ttl_sec"`
}

// vectors returns the cases of every testdata/*/name.
func vectors(t *testing.T, name string) []vector {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*", name))
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

func TestSpecGenerate(t *testing.T) {
	for _, v := range vectors(t, "generate.json") {
		tok, err := Parse(v.Token)
		if err != nil {
			t.Fatalf("Parse(%q): %v", v.Token, err)
		}
		if got, want := tok.Time(), uint64(v.Now.Unix()); got != want {
			t.Errorf("Time() = %d, want %d", got, want)
		}
		if got := tok.SealedAt(); !got.Equal(v.Now) {
			t.Errorf("SealedAt() = %v, want %v", got, v.Now)
		}
		if got := tok.IV(); got != v.IV {
			t.Errorf("IV() = %x, want %x", got, v.IV)
		}
		if got := tok.MinPlaintext(); got > len(v.Src) {
			t.Errorf("MinPlaintext() = %d, but the message has %d", got, len(v.Src))
		}
		if got := tok.MaxPlaintext(); got < len(v.Src) {
			t.Errorf("MaxPlaintext() = %d, but the message has %d", got, len(v.Src))
		}
	}
}

func TestSpecVerify(t *testing.T) {
	for _, v := range vectors(t, "verify.json") {
		if _, err := Parse(v.Token); err != nil {
			t.Errorf("Parse(%q): %v", v.Token, err)
		}
	}
}

// What is wrong with a vector's key, padding or age is not to be seen without the key.
func TestSpecInvalid(t *testing.T) {
	reasons := []struct {
		desc string
		want error
	}{
		{"too short", TooShort},
		{"invalid base64", NotBase64},
		{"payload size not multiple of block size", TooShort}, // a payload of 15 bytes
		{"trailing characters after b64 padding", NotBase64},
		{"invalid characters in b64", NotBase64},
		{"invalid non-urlsafe characters in b64", NotBase64},
		{"very short payload size", TooShort},
		{"super short payload size", TooShort},
		{"incorrect mac", nil},
		{"payload padding error", nil},
		{"far-future TS (unacceptable clock skew)", nil},
		{"expired TTL", nil},
		{"incorrect IV (causes padding error)", nil},
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
			if _, err := Parse(v.Token); !errors.Is(err, reason) {
				t.Errorf("Parse(%q) = %v, want %v", v.Token, err, reason)
			}
		})
	}
}
