package room

import (
	"bytes"
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

	// recent are tokens that were opened when they came, by their MACs, so that showing them opens none again.
	recent map[[16]byte]opened
	// decrypted, if set, is told of each token that is opened with a key, or not, in tests.
	decrypted func()
}

// mostRecent bounds the tokens that are remembered: 4 MB of them at most.
const mostRecent = 8192

// page is an entry of the feed on its way from its texts to opened tokens.
type page struct {
	at     record.Place
	posted time.Time
	// tokens are the canonical tokens, in the form of kept.AppendToken.
	tokens []byte
	// damaged means that something begins like a token and is none.
	damaged bool
	// disguise is how a token seems to stand in it that is not opened, empty if none does.
	disguise string
	// content means that a field holds something, be it a token or not.
	content bool
	// dates means that several rows were taken together that have different dates.
	dates bool
	// before is what is kept at this place. Of the tokens, unknown are those that are not among it, and gone means that
	// one is kept and not among them.
	before  kept.Entry
	unknown []byte
	gone    bool
	// taken are the fields of tokens that are kept, as long as the batch lasts also of one that moves to a lower entry.
	taken fieldSet
	// opened are those of the unknown tokens that a key opens, and unopened means that one of them stays closed.
	opened   []opened
	unopened bool
	// letter means that one of them is part of an invitation to somebody's public key, which is not for this room to open.
	letter bool
}

// opened is a token that a key has opened.
type opened struct {
	field  int
	mac    [16]byte
	key    int // of the ring
	sealed time.Time
	plain  []byte
	raw    []byte            // the token, decoded
	sum    [sha256.Size]byte // its hash, unless it is a cell
}

// isCell reports whether the token holds a cell of a record.
func (o *opened) isCell() bool { return record.IsCell(o.plain) }

// tokenBytes is the size of a token of a cell, with what stands before it in a page.
const tokenBytes = 3 + token.Overhead + token.BlockSize*(token.CellSize/token.BlockSize+1)

// read takes the tokens out of an entry.
func (p *page) read(e *thingspeak.Entry, clears uint32, status bool) {
	var buf [token.BufferSize]byte
	*p = page{at: record.Place{Clear: clears, Entry: e.ID}, posted: e.CreatedAt}
	for i := range e.Fields {
		p.content = p.content || e.Fields[i].Text != ""
		p.readToken(buf[:], e.Fields[i:], i+1)
	}
	if status {
		p.readToken(buf[:], []thingspeak.Value{e.Status}, kept.StatusField)
	}
}

// readToken takes the token out of the first of some fields, if there is one.
func (p *page) readToken(buf []byte, from []thingspeak.Value, field int) {
	text := from[0].Text
	if len(text) < token.EncodedLen(0)-2 && !token.Resembles(text) {
		return
	}
	bare, _ := token.Unwrap(text)
	tok, err := token.ParseInto(buf, bare)
	if err != nil {
		if disguise := token.Disguise(text); disguise != "" {
			p.disguise = disguise
		} else {
			p.damaged = p.damaged || token.Resembles(text)
		}
		return
	}
	if p.tokens == nil {
		p.tokens = make([]byte, 0, tokenBytes*given(from))
	}
	p.tokens = kept.AppendToken(p.tokens, field, tok.Bytes())
}

// isPlain reports whether the entry has content, and no sign of a token in it.
func (p *page) isPlain() bool {
	return p.content && len(p.tokens) == 0 && !p.damaged && p.disguise == ""
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

// compare finds out which of the tokens are kept already.
func (p *page) compare(before kept.Entry) {
	p.before, p.unknown, p.gone, p.taken = before, nil, false, fieldSet{}
	for field := range kept.Tokens(before.Tokens) {
		p.taken.add(field)
	}
	switch {
	case len(before.Tokens) == 0:
		p.unknown = p.tokens
		return
	case bytes.Equal(p.tokens, before.Tokens):
		return
	}
	p.unknown = addTokens(before.Tokens, p.tokens)[len(before.Tokens):]
	p.gone = len(addTokens(p.tokens, before.Tokens)) > len(p.tokens)
}

// addTokens returns the tokens of an entry with those of other rows that are not among them, in the fields of those rows.
func addTokens(tokens []byte, rows ...[]byte) []byte {
	has := map[string]bool{}
	for _, raw := range kept.Tokens(tokens) {
		has[string(raw)] = true
	}
	tokens = slices.Clip(tokens)
	for _, row := range rows {
		for field, raw := range kept.Tokens(row) {
			if !has[string(raw)] {
				has[string(raw)] = true
				tokens = kept.AppendToken(tokens, field, raw)
			}
		}
	}
	return tokens
}

// fieldSet is a set of fields as [kept.AppendToken] has them.
type fieldSet [4]uint64

func (s *fieldSet) add(field int) { s[field>>6] |= 1 << (field & 63) }

func (s *fieldSet) has(field int) bool { return s[field>>6]>>(field&63)&1 == 1 }

// freeField returns the field that a token is given which stands in one, of those that others of its entry have not taken:
// see [kept.AppendToken]. It is 0 if there is none, since the entry was rewritten thirty times. That has to be found out
// among tokens that are opened and kept: whatever else stands in the rows, and in which batches they come, the lines have
// the same order.
func freeField(field int, isTaken func(int) bool) int {
	step, last := thingspeak.FieldCount, kept.StatusField-1
	if field >= kept.StatusField {
		field, step, last = kept.StatusField, 1, 0xff
	} else {
		field = (field-1)%thingspeak.FieldCount + 1
	}
	for ; field <= last; field += step {
		if !isTaken(field) {
			return field
		}
	}
	return 0
}

// open opens the unknown tokens of a page.
func (o *opener) open(p *page) {
	p.opened, p.unopened, p.letter = p.opened[:0], false, false
	for field, raw := range kept.Tokens(p.unknown) {
		// Anybody can give another token the same MAC, so all of it has to be the same.
		if t, ok := o.recent[macOf(raw)]; ok && bytes.Equal(t.raw, raw) {
			t.field = field
			p.opened = append(p.opened, t)
			continue
		}
		if o.decrypted != nil {
			o.decrypted()
		}
		tok, err := token.Encode(raw)
		if err != nil {
			continue // the archive is damaged
		}
		found, err := o.ring.OpenToken(tok)
		if err != nil {
			// Everybody can make those, so nothing in them counts: neither as a message nor as one that is missing.
			if tok.IsLetter() {
				p.letter = true
			} else {
				p.unopened = true
			}
			continue
		}
		mac := tok.MAC()
		t := opened{
			field: field, mac: [16]byte(mac[:16]), key: found.KeyIndex, sealed: found.SealedAt, plain: found.Plaintext,
			raw: raw,
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

// remember keeps what was opened of pages at hand, unless it is too much.
func (o *opener) remember(pages []page) {
	for i := range pages {
		for j := range pages[i].opened {
			t := &pages[i].opened[j]
			if len(o.recent) == mostRecent {
				clear(o.recent)
			}
			if o.recent == nil {
				o.recent = map[[16]byte]opened{}
			}
			o.recent[t.mac] = *t
		}
	}
}

// openAll opens the unknown tokens of pages on all processors.
func (o *opener) openAll(pages []page) { parallel(len(pages), func(i int) { o.open(&pages[i]) }) }

// in returns the token in a field that a key has opened, nil if there is none.
func (p *page) in(field int) *opened {
	for i := range p.opened {
		if p.opened[i].field == field {
			return &p.opened[i]
		}
	}
	return nil
}

// fetch opens what is kept at these spots, and returns it by entry, in order.
func (o *opener) fetch(store Store, spots []record.Spot) (pages []page, err error) {
	spots = slices.Clone(spots)
	slices.SortFunc(spots, record.Spot.Compare)
	places := make([]record.Place, len(spots))
	for i, s := range spots {
		places[i] = s.Place
	}
	for run := range runs(places) {
		err := store.Entries(kept.EntryQuery{First: run[0], Last: run[len(run)-1]}, func(e kept.Entry) error {
			p := page{at: e.At, posted: e.Posted}
			for field, raw := range kept.Tokens(e.Tokens) {
				if _, ok := slices.BinarySearchFunc(spots, record.Spot{Place: e.At, Field: field}, record.Spot.Compare); ok {
					p.unknown = kept.AppendToken(p.unknown, field, raw)
				}
			}
			if len(p.unknown) > 0 {
				pages = append(pages, p)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	o.openAll(pages)
	return pages, nil
}

// cells yields the cells among the opened tokens.
func (p *page) cells(o *opener) iter.Seq[record.Cell] {
	return func(yield func(record.Cell) bool) {
		for i := range p.opened {
			if t := &p.opened[i]; t.isCell() && !yield(o.cell(p.at, t)) {
				return
			}
		}
	}
}

// runs drops the places that are there twice of some in order, and yields them in stretches that are worth one question
// each: without great gaps.
func runs(places []record.Place) iter.Seq[[]record.Place] {
	const gap = 16
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
