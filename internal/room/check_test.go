package room_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
)

func TestCheckOpensWithItsKeyOnly(t *testing.T) {
	key, other := fernet.GenerateKey(), fernet.GenerateKey()
	text, err := room.NewCheck(key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, ok := room.ParseCheck(" " + text + "\n")
	if !ok || !c.Opens(key) || c.Opens(other) || c.Opens(fernet.Key{}) {
		t.Errorf("%v, opens with its key %v, with another %v", ok, c.Opens(key), c.Opens(other))
	}
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := ring.Open(text)
	if err != nil || record.Filler() != [record.CellSize]byte(opened.Plaintext) {
		t.Errorf("it holds %x (%v), want a filler cell", opened.Plaintext, err)
	}
}

// FuzzParseCheck: metadata are anybody's. What is taken for a check is one token of a cell's length, and opens with no key
// that has not sealed it.
func FuzzParseCheck(f *testing.F) {
	key := fernet.GenerateKey()
	text, err := room.NewCheck(key, time.Unix(0, 0))
	if err != nil {
		f.Fatal(err)
	}
	ring, err := fernet.NewRing(key)
	if err != nil {
		f.Fatal(err)
	}
	short, err := ring.Seal([]byte("hello"), time.Unix(0, 0))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		"", text, text + text, text[:247], text[:247] + "!", short, "b'" + text + "'", `{"x":1}`, strings.Repeat("A", 248),
		"gAAAAAB" + strings.Repeat("A", 241), strings.Repeat(" ", 10_000),
	} {
		f.Add(s)
	}
	other := fernet.GenerateKey()
	f.Fuzz(func(t *testing.T, metadata string) {
		c, ok := room.ParseCheck(metadata)
		if ok && (len(strings.TrimSpace(metadata)) != len(text) || c.Opens(other)) {
			t.Errorf("%q is taken for a check", metadata)
		}
		if !ok && c.Opens(key) {
			t.Errorf("what is no check opens: %q", metadata)
		}
	})
}
