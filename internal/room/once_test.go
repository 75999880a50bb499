package room

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/room/memory"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// Each token that comes is opened once, though it is judged first and shown later.
func TestATokenIsOpenedOnce(t *testing.T) {
	key := fernet.GenerateKey()
	all := []int{1, 2, 3, 4, 5, 6, 7, 8}
	ana, err := Open(memory.New(), Options{
		Keys: []fernet.Key{key}, Identity: record.GenerateIdentity(), Fields: all, Nick: "ana", Salt: record.Salt{1},
	})
	if err != nil {
		t.Fatal(err)
	}
	const messages = 300
	want, tokens := 0, 0
	var rows []thingspeak.Entry
	for i := range messages {
		if _, err := ana.Write(record.Text(strings.Repeat("x", 1+i)), noon); err != nil {
			t.Fatal(err)
		}
		want++
	}
	posts, err := ana.store.Posts(kept.PostQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range posts {
		rows = append(rows, thingspeak.Entry{ID: int64(i + 1), CreatedAt: noon, Fields: p.Fields})
		for _, f := range p.Fields {
			if f.Text != "" {
				tokens++
			}
		}
	}
	bo, err := Open(memory.New(), Options{Keys: []fernet.Key{key}, Identity: record.GenerateIdentity(), Fields: all, Salt: record.Salt{1}})
	if err != nil {
		t.Fatal(err)
	}
	var opened atomic.Int64
	bo.decrypted = func() { opened.Add(1) }
	in, err := bo.Receive(0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := in.Add(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.Finish(Facts{LastID: int64(len(rows)), Now: noon}); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for range 2 {
		shown = 0
		if err := bo.History(0, func(it *model.Item) error {
			if got := fmt.Sprint(it.Record.Body); got != strings.Repeat("x", 1+shown) {
				return fmt.Errorf("message %d is %q", shown, got)
			}
			shown++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if shown != want || opened.Load() != int64(tokens) {
		t.Errorf("%d of %d messages, and %d tokens opened %d times", shown, want, tokens, opened.Load())
	}
}

// A token that ends with the MAC of one that was opened, and is another one otherwise, is not taken for it.
func TestATokenWithTheMACOfAnotherIsNotTakenForIt(t *testing.T) {
	o, err := newOpener([]fernet.Key{fernet.GenerateKey()})
	if err != nil {
		t.Fatal(err)
	}
	text, err := o.ring.Seal([]byte("hello"), noon)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := token.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	raw := tok.Bytes()
	pages := []page{{unknown: kept.AppendToken(nil, 1, raw)}}
	o.openAll(pages)
	o.remember(pages)
	raw[len(raw)-token.MACSize-1] ^= 1
	altered := page{unknown: kept.AppendToken(nil, 1, raw)}
	if o.open(&altered); len(pages[0].opened) != 1 || len(altered.opened) != 0 || !altered.unopened {
		t.Errorf("%d opened, of the altered one %d", len(pages[0].opened), len(altered.opened))
	}
}

// What is kept for 30 days of what a message says does not depend on what types and fields are called in this program.
func TestWhatIsKeptOfANamedMessageIsThatOfItsBytes(t *testing.T) {
	key, err := fernet.ParseKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(memory.New(), Options{Keys: []fernet.Key{key}, Fields: []int{1}, Salt: record.Salt{1}})
	if err != nil {
		t.Fatal(err)
	}
	for want, body := range map[string]record.Body{
		"5592dad9a0e59660d079f8a779d836a5": record.Text("once"), "8dec2e074ea5f32de457e5cb7db3e11c": record.File{Name: "a", Media: "text/plain", Content: []byte("once")},
		"99f1dcd24021564874ff11ce27d98fee": record.Reading{Values: [8]record.Value{{Text: "21.5", Given: true}}},
	} {
		hash, err := c.hashOfBody(0, body)
		if err != nil || fmt.Sprintf("%x", hash[16:]) != want {
			t.Errorf("of %T is kept %x, %v", body, hash[16:], err)
		}
	}
}
