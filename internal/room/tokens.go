package room

import (
	"crypto/sha256"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// opener opens tokens with the keys of a room.
type opener struct {
	ring fernet.Ring
	ids  []record.KeyID // of the ring's keys
}

// page is an entry of the feed on its way from its texts to opened tokens.
type page struct {
	at     record.Place
	posted time.Time
	// tokens are the canonical tokens, in the form of kept.AppendToken.
	tokens []byte
	// damaged means that something begins like a token and is none.
	damaged bool
	opened  []opened
	// unopened means that no key opens one of the tokens.
	unopened bool
}

// opened is a token that a key has opened.
type opened struct {
	field  int
	mac    [16]byte
	key    int // of the ring
	sealed time.Time
	plain  []byte
	sum    [sha256.Size]byte // of the token, unless it is a cell
}

// in returns the token in a field that a key has opened, nil if there is none.
func (p *page) in(field int) *opened {
	for i := range p.opened {
		if p.opened[i].field == field {
			return &p.opened[i]
		}
	}
	return nil
}

// isCell reports whether the token holds a cell of a record.
func (o *opened) isCell() bool { return record.IsCell(o.plain) }

// tokenBytes is the size of a token of a cell, with what stands before it in a page.
const tokenBytes = 3 + token.Overhead + token.BlockSize*(token.CellSize/token.BlockSize+1)

// read takes the tokens out of an entry.
func (p *page) read(e *thingspeak.Entry, clears uint32) {
	var buf [token.BufferSize]byte
	*p = page{at: record.Place{Clear: clears, Entry: e.ID}, posted: e.CreatedAt}
	for i := range e.Fields {
		text := e.Fields[i].Text
		if len(text) < token.EncodedLen(0)-2 && !token.Resembles(text) {
			continue
		}
		bare, _ := token.Unwrap(text)
		tok, err := token.ParseInto(buf[:], bare)
		if err != nil {
			p.damaged = p.damaged || token.Resembles(bare)
			continue
		}
		if p.tokens == nil {
			p.tokens = make([]byte, 0, tokenBytes*given(e.Fields[i:]))
		}
		p.tokens = kept.AppendToken(p.tokens, i+1, tok.Bytes())
	}
}

// given counts the fields that have a text.
func given(fields []thingspeak.Value) (n int) {
	for i := range fields {
		if fields[i].Text != "" {
			n++
		}
	}
	return n
}

// open opens the tokens of a page.
func (o *opener) open(p *page) {
	p.opened, p.unopened = p.opened[:0], false
	for field, raw := range kept.Tokens(p.tokens) {
		tok, err := token.Encode(raw)
		if err != nil {
			continue // the archive is damaged
		}
		found, err := o.ring.OpenToken(tok)
		if err != nil {
			p.unopened = true
			continue
		}
		mac := tok.MAC()
		t := opened{
			field: field, mac: [16]byte(mac[:16]), key: found.KeyIndex, sealed: found.SealedAt, plain: found.Plaintext,
		}
		if !t.isCell() {
			t.sum = sha256.Sum256(raw)
		}
		p.opened = append(p.opened, t)
	}
}

// cell returns an opened token as a cell of a record, if it is one.
func (o *opener) cell(at record.Place, t *opened) record.Cell {
	return record.Cell{
		Spot: record.Spot{Place: at, Field: t.field}, Key: o.ids[t.key], Plain: [record.CellSize]byte(t.plain),
	}
}

// cells yields the cells among the opened tokens, and when they were sealed.
func (p *page) cells(o *opener) iter.Seq2[record.Cell, time.Time] {
	return func(yield func(record.Cell, time.Time) bool) {
		for i := range p.opened {
			if t := &p.opened[i]; t.isCell() && !yield(o.cell(p.at, t), t.sealed) {
				return
			}
		}
	}
}

// openAll opens the tokens of pages on all processors.
func (o *opener) openAll(pages []*page) { parallel(len(pages), func(i int) { o.open(pages[i]) }) }

// fetch returns the pages of these places that are kept, opened and in order.
func (o *opener) fetch(store feedStore, places []record.Place) (pages []page, err error) {
	for run := range runs(places) {
		err := store.Entries(run[0], run[len(run)-1], func(e kept.Entry) error {
			if _, wanted := slices.BinarySearchFunc(run, e.At, record.Place.Compare); wanted {
				pages = append(pages, page{at: e.At, posted: e.Posted, tokens: e.Tokens})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	parallel(len(pages), func(i int) { o.open(&pages[i]) })
	return pages, nil
}

// runs sorts places, drops those that are there twice, and yields them in stretches that are worth one question each:
// without great gaps.
func runs(places []record.Place) iter.Seq[[]record.Place] {
	const gap = 16
	places = slices.Clone(places)
	slices.SortFunc(places, record.Place.Compare)
	places = slices.Compact(places)
	return func(yield func([]record.Place) bool) {
		for len(places) > 0 {
			n := 1
			for n < len(places) && places[n].Clear == places[0].Clear && places[n].Entry-places[n-1].Entry <= gap {
				n++
			}
			if !yield(places[:n]) {
				return
			}
			places = places[n:]
		}
	}
}

// parallel calls work for 0 to n-1, on all processors.
func parallel(n int, work func(int)) {
	const chunk = 16
	var next atomic.Int64
	loop := func() {
		for {
			first := int(next.Add(chunk)) - chunk
			if first >= n {
				return
			}
			for i := first; i < min(first+chunk, n); i++ {
				work(i)
			}
		}
	}
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (n+chunk-1)/chunk) - 1 {
		workers.Go(loop)
	}
	loop()
	workers.Wait()
}

// macOf returns the first half of a token's MAC.
func macOf(raw []byte) (mac [16]byte) {
	if len(raw) >= token.MACSize {
		copy(mac[:], raw[len(raw)-token.MACSize:])
	}
	return mac
}
