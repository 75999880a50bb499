package fernet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/cryptotest"
)

// specKey is the key of the specification's vectors.
const specKey = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="

func TestParseKey(t *testing.T) {
	k, err := ParseKey(specKey)
	if err != nil {
		t.Fatalf("ParseKey(%q): %v", specKey, err)
	}
	raw := k.RevealBytes()
	const want = "730ff4c7af3d46923e8ed451ee813c87f790b0a226bc96a92de49b5e9c05e1ee"
	if got := hex.EncodeToString(raw[:]); got != want {
		t.Errorf("RevealBytes() = %s, want %s", got, want)
	}
	if got := k.Reveal(); got != specKey {
		t.Errorf("Reveal() = %q, want %q", got, specKey)
	}
	if again := NewKey(raw); !again.Equal(k) {
		t.Error("NewKey(RevealBytes()) is another key")
	}
}

func TestParseKeyRefuses(t *testing.T) {
	tests := []struct{ name, text, reason string }{
		{"nothing", "", "0 bytes, want 32"},
		{"hexadecimal", "730ff4c7af3d46923e8ed451ee813c87f790b0a226bc96a92de49b5e9c05e1ee", "48 bytes, want 32"},
		{"the standard alphabet", "cw/0x689RpI+jtRR7oE8h/eQsKImvJapLeSbXpwF4e4=", "standard base64 alphabet"},
		{"padding missing", strings.TrimSuffix(specKey, "="), "not URL-safe base64 with padding"},
		{"line end", specKey + "\n", "not the canonical base64"},
		{"space before", " " + specKey, "not URL-safe base64 with padding"},
		{"spare bits set", strings.TrimSuffix(specKey, "4=") + "5=", "not the canonical base64"},
		{"16 bytes", "AAAAAAAAAAAAAAAAAAAAAA==", "16 bytes, want 32"},
		{"33 bytes", strings.Repeat("A", 44), "33 bytes, want 32"},
		{"a passphrase", "correct horse battery staple", "not URL-safe base64 with padding"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k, err := ParseKey(test.text)
			if !errors.Is(err, ErrMalformedKey) || !strings.Contains(err.Error(), test.reason) {
				t.Fatalf("ParseKey(%q) = %v, want %q", test.text, err, test.reason)
			}
			if !k.IsZero() {
				t.Error("a refused text gave a key")
			}
			if len(test.text) > 0 && strings.Contains(err.Error(), strings.TrimSpace(test.text)[:8]) {
				t.Errorf("the error repeats the text: %v", err)
			}
		})
	}
}

func TestGenerateKey(t *testing.T) {
	if GenerateKey().Equal(GenerateKey()) {
		t.Error("two generated keys are the same")
	}
	cryptotest.SetGlobalRandom(t, 1)
	first := GenerateKey()
	cryptotest.SetGlobalRandom(t, 1)
	if second := GenerateKey(); !first.Equal(second) {
		t.Error("keys do not come from crypto/rand alone")
	}
}

func TestKeyEqual(t *testing.T) {
	a := key(1, 2)
	tests := []struct {
		name string
		x, y Key
		want bool
	}{
		{"same bytes", a, key(1, 2), true},
		{"another encryption half", a, key(1, 3), false},
		{"another signing half", a, key(3, 2), false},
		{"zero and key", Key{}, a, false},
		{"key and zero", a, Key{}, false},
		{"zero and zero", Key{}, Key{}, true},
	}
	for _, test := range tests {
		if got := test.x.Equal(test.y); got != test.want {
			t.Errorf("%s: Equal = %t, want %t", test.name, got, test.want)
		}
	}
}

// The value was computed with Python's hashlib.
func TestKeyID(t *testing.T) {
	k, err := ParseKey(specKey)
	if err != nil {
		t.Fatal(err)
	}
	const want = "da11fccd347793f6407a5b4e7727788d"
	if got := fmt.Sprintf("%x", k.ID()); got != want {
		t.Errorf("ID() = %s, want %s", got, want)
	}
	if got := k.String(); got != "fernet-key:"+want[:8] {
		t.Errorf("String() = %q, want the first 4 bytes of the ID", got)
	}
	if got := (Key{}).String(); got != "fernet-key:none" {
		t.Errorf("String() of the zero Key = %q", got)
	}
}

// No way of printing a key, or something that holds one, shows the key.
func TestKeyRedactsItself(t *testing.T) {
	k, err := ParseKey(specKey)
	if err != nil {
		t.Fatal(err)
	}
	raw := k.RevealBytes()
	r := ring(t, k)
	type room struct {
		Name string
		Key  Key
		keys []Key
		one  Key
		ring Ring
	}
	holder := room{"lab", k, []Key{k}, k, r}

	var out bytes.Buffer
	for _, value := range []any{k, &k, []Key{k}, map[string]Key{"lab": k}, holder, &holder, r, &r, struct{ k any }{k}} {
		for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "o", "b", "c", "U", "t", "e", "p"} {
			fmt.Fprintf(&out, "%"+verb+"\n", value)
		}
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("seen", "value", value)
		}
		if text, err := json.Marshal(value); err != nil {
			t.Errorf("json.Marshal(%T): %v", value, err)
		} else {
			out.Write(text)
		}
	}
	printed := strings.ToLower(out.String())
	for name, secret := range map[string]string{
		"base64":        specKey[:12],
		"bytes":         string(raw[:4]),
		"hexadecimal":   hex.EncodeToString(raw[:4]),
		"decimal":       "115 15 244 199",
		"Go syntax":     "0x73, 0xf, 0xf4, 0xc7",
		"octal":         "163 17 364 307",
		"binary":        "1110011 1111 11110100",
		"second half":   hex.EncodeToString(raw[16:20]),
		"second, dec":   "247 144 176 162",
		"second, go":    "0xf7, 0x90, 0xb0, 0xa2",
		"second, b64":   "95cwoia8lqkt",
		"spaced, in %U": "u+0073 u+000f",
	} {
		if strings.Contains(printed, strings.ToLower(secret)) {
			t.Errorf("the key shows: %s", name)
		}
	}
	for _, want := range []string{
		fmt.Sprintf("%x", k), fmt.Sprintf("%#v", k), k.GoString(), `"` + k.String() + `"`, "value=" + k.String(),
	} {
		if !strings.Contains(out.String(), want) || !strings.Contains(want, "fernet-key:") {
			t.Errorf("the fingerprint %q is missing", want)
		}
	}
}
