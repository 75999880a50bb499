package room_test

import (
	"slices"
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
	if !ok || !opens(c, key) || opens(c, other) || opens(c, fernet.Key{}) {
		t.Errorf("%v, opens with its key %v, with another %v", ok, opens(c, key), opens(c, other))
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

func opens(c room.Check, key fernet.Key) bool {
	opens, _ := c.Opens(key)
	return opens
}

// Whoever joins with a key that a room has moved to was told that it is wrong. Each key of the room opens the check, the
// newest one last; nothing that was there is taken away.
func TestCheckIsRenewedWithEachKey(t *testing.T) {
	metadata := ""
	var keys []fernet.Key
	for n := range 40 {
		key := fernet.GenerateKey()
		renewed, ok, err := room.RenewCheck(metadata, key, time.Unix(int64(n), 0))
		if err != nil || !ok || !strings.HasPrefix(renewed, metadata) {
			t.Fatalf("renewed for the %dth time: %v, %v", n, ok, err)
		}
		keys, metadata = append(keys, key), renewed
		if again, ok, err := room.RenewCheck(metadata, key, time.Now()); again != metadata || !ok || err != nil {
			t.Fatalf("the same key once more: %v, %v, %v", again == metadata, ok, err)
		}
	}
	if len(metadata) > 10_000 {
		t.Errorf("40 keys take %d bytes, more than a relay keeps", len(metadata))
	}
	c, ok := room.ParseCheck(metadata)
	for n, key := range keys {
		if opens, behind := c.Opens(key); !ok || !opens || behind != len(keys)-1-n {
			t.Errorf("key %d opens it: %v, %d behind", n, opens, behind)
		}
	}
	for _, others := range []string{"x", `{"fw":"1.2"}`} {
		if got, ok, err := room.RenewCheck(others, fernet.GenerateKey(), time.Now()); ok || err != nil {
			t.Errorf("behind %.20q stands %.20q (%v)", others, got, err)
		}
	}
}

// One foreign word, which anybody with the write key can put there, was the end of all checks.
func TestCheckIsRenewedBesideForeignWords(t *testing.T) {
	first, err := room.NewCheck(fernet.GenerateKey(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, metadata := range []string{first + " x", "x\n" + first, first + "\n" + first[:247]} {
		key := fernet.GenerateKey()
		renewed, ok, err := room.RenewCheck(metadata, key, time.Now())
		c, _ := room.ParseCheck(renewed)
		if err != nil || !ok || !strings.HasPrefix(renewed, metadata) || !opens(c, key) {
			t.Errorf("behind %.20q…: %v, %v, opens %v", metadata, ok, err, opens(c, key))
		}
	}
}

// FuzzParseCheck: metadata are anybody's. What is taken for a check are tokens of a cell's length, and they open with no key
// that has not sealed them.
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
		"gAAAAAB" + strings.Repeat("A", 241), strings.Repeat(" ", 10_000), strings.Repeat(text+"\n", 100),
	} {
		f.Add(s)
	}
	other := fernet.GenerateKey()
	f.Fuzz(func(t *testing.T, metadata string) {
		c, ok := room.ParseCheck(metadata)
		isLong := func(word string) bool { return len(word) == len(text) }
		if ok && (!slices.ContainsFunc(strings.Fields(metadata), isLong) || opens(c, other)) {
			t.Errorf("%q is taken for a check", metadata)
		}
		if !ok && opens(c, key) {
			t.Errorf("what is no check opens: %q", metadata)
		}
	})
}
