package room_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/record/recordtest"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// play is a channel as it may come about: authors who write honestly, some of them with faults that happen to honest
// people; insiders, who have the key and write what they like; and a relay that shows something else than it was given.
type play struct {
	t       *rapid.T
	ring    fernet.Ring
	foreign fernet.Ring // nobody here has its key
	ctx     record.Context
	width   int
	seeds   byte
	rows    []thingspeak.Entry // what was posted, and then what is shown; an entry's number is its index + 1
	cells   map[string][record.CellSize]byte
	texts   map[string]bool // tokens that hold something else than a cell

	honest, insiders []*writer
	said             []*utterance
	// forged are the tags and numbers under which somebody has posted what its author has not signed, and stray those
	// under which somebody has posted cells of no record.
	forged, stray map[string]bool
	// lied means that somebody did what honest people never do, and twins that somebody's home was copied.
	lied, twins bool
	// spoilt means that somebody has posted cells that break the format.
	spoilt bool
	// since is when the relay shows a row first, by its index: the number of the look, 0 for most. Until then it shows those
	// of blank without some fields.
	since []int
	blank map[int][]int
}

// writer is who writes under one key.
type writer struct {
	id       record.Identity
	nick     string
	number   uint32
	previous record.ShortHash
}

func (w *writer) key() record.PublicKey { return w.id.Public() }

// utterance is a record that somebody has signed.
type utterance struct {
	record.Signed
	record.Record
	cells  [][record.CellSize]byte
	honest bool
	// again are its cells with another signature by its author.
	again [][record.CellSize]byte
}

// chains are the cells that carry it, each of them enough.
func (u *utterance) chains() [][][record.CellSize]byte {
	if u.again == nil {
		return [][][record.CellSize]byte{u.cells}
	}
	return [][][record.CellSize]byte{u.cells, u.again}
}

func newPlay(t *rapid.T, key, other fernet.Key) *play {
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := fernet.NewRing(other)
	if err != nil {
		t.Fatal(err)
	}
	p := &play{
		t: t, ring: ring, foreign: foreign, ctx: record.Context{Salt: salt, Key: record.KeyID(key.ID())},
		width: rapid.SampledFrom([]int{1, 2, 8}).Draw(t, "width"), cells: map[string][record.CellSize]byte{},
		texts: map[string]bool{}, forged: map[string]bool{}, stray: map[string]bool{},
	}
	for range rapid.IntRange(1, 3).Draw(t, "authors") {
		p.honest = append(p.honest, p.writer(rapid.SampledFrom([]string{"", "ana", "bo", "cy"}).Draw(t, "nick")))
	}
	return p
}

func (p *play) writer(nick string) *writer {
	p.seeds++
	return &writer{id: record.NewIdentity([record.KeySize]byte{p.seeds}), nick: nick}
}

func (p *play) roll(n int) int { return rapid.IntRange(0, n-1).Draw(p.t, "roll") }

// write signs a writer's next record.
func (p *play) write(w *writer, honest bool, body record.Body, seen record.Seen) *utterance {
	w.number++
	r := record.Record{
		Number: w.number, Clock: 1, Author: w.key(), Previous: w.previous, Seen: seen, Nick: w.nick, Body: body,
	}
	signed, err := record.Sign(w.id, p.ctx, r)
	if err != nil {
		p.t.Fatal(err)
	}
	w.previous = signed.Hash.Short()
	cells, err := signed.Cells()
	if err != nil {
		p.t.Fatal(err)
	}
	u := &utterance{Signed: signed, Record: r, cells: cells, honest: honest}
	p.said = append(p.said, u)
	return u
}

// seal makes a token, and remembers what is in it.
func (p *play) seal(cell [record.CellSize]byte) thingspeak.Value {
	text, err := p.ring.Seal(cell[:], time.Unix(1_700_000_000, 0))
	if err != nil {
		p.t.Fatal(err)
	}
	p.cells[text] = cell
	return thingspeak.Text(text)
}

// lay makes rows of cells.
func (p *play) lay(cells [][record.CellSize]byte) (rows []thingspeak.Entry) {
	for some := range slices.Chunk(cells, p.width) {
		var e thingspeak.Entry
		for i, cell := range some {
			e.Fields[i] = p.seal(cell)
		}
		rows = append(rows, e)
	}
	return rows
}

func (p *play) post(cells ...[record.CellSize]byte) { p.rows = append(p.rows, p.lay(cells)...) }

// seen names a record by somebody else, as a writer does: the newest one.
func (p *play) seen(w *writer) (seen record.Seen) {
	for _, u := range slices.Backward(p.said) {
		if u.Author != w.key() && u.honest {
			return record.Seen{Tag: u.Tag, Number: u.Record.Number, Hash: u.Hash.Short()}
		}
	}
	return seen
}

// converse lets the authors write, with what happens to honest people: replies that are lost, so that an entry is posted
// twice; entries of two authors between each other; another nickname; texts of older programs.
func (p *play) converse() {
	for i := range 1 + p.roll(14) {
		w := p.honest[p.roll(len(p.honest))]
		seen := record.Seen{}
		if p.roll(2) == 0 {
			seen = p.seen(w)
		}
		text := fmt.Sprint(i, strings.Repeat("x", rapid.SampledFrom([]int{0, 0, 90, 700}).Draw(p.t, "length")))
		rows := p.lay(p.write(w, true, record.Text(text), seen).cells)
		switch p.roll(12) {
		case 0:
			rows = append(rows, rows[len(rows)-1]) // the reply was lost
		case 1:
			other := p.honest[p.roll(len(p.honest))]
			if other != w {
				rows = interleave(rows, p.lay(p.write(other, true, record.Text("between"), record.Seen{}).cells))
			}
		case 2:
			if w.nick != "" {
				w.nick += "x"
			}
		case 3:
			token, err := p.ring.Seal(fmt.Append(nil, "a text ", i), time.Unix(1_700_000_000, 0))
			if err != nil {
				p.t.Fatal(err)
			}
			p.texts[token] = true
			rows = append(rows, thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(token)}})
		}
		p.rows = append(p.rows, rows...)
	}
}

func interleave(a, b []thingspeak.Entry) (rows []thingspeak.Entry) {
	for i := range max(len(a), len(b)) {
		if i < len(a) {
			rows = append(rows, a[i])
		}
		if i < len(b) {
			rows = append(rows, b[i])
		}
	}
	return rows
}

// victim is a record that an insider has read.
func (p *play) victim() *utterance { return p.said[p.roll(len(p.said))] }

func group(tag record.Tag, number uint32) string { return fmt.Sprint(tag, " ", number) }

// deeds are what insiders do; all of them may be done in one conversation.
var deeds = map[string]func(p *play, mal *writer){
	"write as others do": func(p *play, mal *writer) {
		p.post(p.write(mal, false, record.Text("hello"), p.seen(mal)).cells...)
	},
	"leave a number out": func(p *play, mal *writer) {
		p.post(p.write(mal, false, record.Text("first"), record.Seen{}).cells...)
		p.write(mal, false, record.Text("never posted"), record.Seen{})
		p.post(p.write(mal, false, record.Text("third"), record.Seen{}).cells...)
	},
	"write a number twice": func(p *play, mal *writer) {
		p.post(p.write(mal, false, record.Text("before"), record.Seen{}).cells...)
		twin := *mal
		p.post(p.write(mal, false, record.Text("here"), record.Seen{}).cells...)
		p.post(p.write(&twin, false, record.Text("there"), record.Seen{}).cells...)
	},
	"sign a record twice": func(p *play, mal *writer) {
		u := p.write(mal, false, record.Text(strings.Repeat("x", rapid.SampledFrom([]int{0, 61, 64, 90}).Draw(p.t, "length"))), p.seen(mal))
		u.again = signAgain(p.t, mal.id, p.ctx, u.Signed, byte(p.roll(40)))
		all := slices.Concat(u.cells, u.again)
		for range p.roll(4) {
			all = append(all, all[p.roll(len(all))])
		}
		p.post(rapid.Permutation(all).Draw(p.t, "cells")...)
	},
	"accuse of what was never written": func(p *play, mal *writer) {
		v := p.victim()
		p.post(p.write(mal, false, record.Heartbeat{
			{Tag: v.Tag, Number: v.Record.Number + 1 + uint32(p.roll(1000)), Hash: record.ShortHash{1}},
		}, record.Seen{Tag: v.Tag, Number: 1<<32 - 1, Hash: record.ShortHash{2}}).cells...)
	},
	"accuse of a fork": func(p *play, mal *writer) {
		v := p.victim()
		p.post(p.write(mal, false, record.Text("really?"), record.Seen{
			Tag: v.Tag, Number: v.Record.Number, Hash: record.ShortHash{3},
		}).cells...)
	},
	"forge a record": func(p *play, _ *writer) {
		v := p.victim()
		wrong := slices.Clone(v.Bytes)
		wrong[len(wrong)-record.SignatureSize-1] ^= 1
		p.forge(wrong, v.Tag, v.Record.Number+uint32(p.roll(3)))
	},
	"carry a record to another number": func(p *play, _ *writer) {
		v := p.victim()
		p.forge(v.Bytes, v.Tag, v.Record.Number+1+uint32(p.roll(3)))
	},
	"forge chains without an end": func(p *play, _ *writer) {
		v := p.victim()
		number := v.Record.Number + uint32(p.roll(3))
		cells, err := record.Cut(v.Bytes, v.Tag, number)
		if err != nil {
			p.t.Fatal(err)
		}
		first := cells[0]
		for i := range 1 + p.roll(5) {
			binary.BigEndian.PutUint16(first[record.CellSize-2:], uint16(i+1))
			p.post(first)
		}
		p.stray[group(v.Tag, number)] = true
	},
	"claim that parts are on their way": func(p *play, _ *writer) {
		v := p.victim()
		number := v.Record.Number + uint32(p.roll(4))
		cells, err := record.Cut(make([]byte, 300), v.Tag, number)
		if err != nil {
			p.t.Fatal(err)
		}
		p.post(cells[1+p.roll(len(cells)-1)])
		p.stray[group(v.Tag, number)] = true
	},
	"take a name": func(p *play, _ *writer) {
		mal := p.writer(rapid.SampledFrom([]string{"ana", "ANA", "bо", "cy"}).Draw(p.t, "nick"))
		p.post(p.write(mal, false, record.Text("it is me"), record.Seen{}).cells...)
	},
	"call each other devices in a circle": func(p *play, mal *writer) {
		ring := []*writer{mal, p.writer("pal"), p.writer("")}
		for i, w := range ring {
			next := ring[(i+1)%len(ring)]
			p.post(p.write(w, false, record.Device{
				Key: next.key(), Proof: next.id.ProveDevice(salt, w.key()),
			}, record.Seen{}).cells...)
		}
	},
	"withdraw": func(p *play, mal *writer) {
		if v := p.victim(); v.Author != mal.key() {
			p.post(p.write(mal, false, record.Device{Key: v.Author}, record.Seen{}).cells...)
		}
	},
	"post what nobody can open": func(p *play, _ *writer) {
		text, err := p.foreign.Seal([]byte("not for you"), time.Unix(1_700_000_000, 0))
		if err != nil {
			p.t.Fatal(err)
		}
		p.rows = append(p.rows, thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(text)}})
	},
	"spoil a cell": func(p *play, _ *writer) {
		cell := p.victim().cells[0]
		binary.BigEndian.PutUint16(cell[12:], 0xffff) // parts
		p.post(cell)
		p.spoilt = true
	},
}

// signAgain returns the cells of a record with another signature by its author.
func signAgain(
	t interface{ Fatal(...any) }, id record.Identity, ctx record.Context, signed record.Signed, nonce byte,
) [][record.CellSize]byte {
	said := signed.Bytes[:len(signed.Bytes)-record.SignatureSize]
	message := slices.Concat([]byte("fernpost/v1 record\x00"), ctx.Salt[:], ctx.Key[:])
	message = append(binary.BigEndian.AppendUint32(message, signed.Number), said...)
	signature := recordtest.SignAgain(id.RevealSeed(), message, nonce)
	cells, err := record.Cut(slices.Concat(said, signature), signed.Tag, signed.Number)
	if err != nil {
		t.Fatal(err)
	}
	return cells
}

func (p *play) forge(bytes []byte, tag record.Tag, number uint32) {
	cells, err := record.Cut(bytes, tag, number)
	if err != nil {
		p.t.Fatal(err)
	}
	p.post(cells...)
	p.forged[group(tag, number)] = true
}

// intrude lets insiders do some of it, between what the others have posted.
func (p *play) intrude() {
	for range p.roll(4) {
		if len(p.insiders) == 0 || p.roll(2) == 0 {
			p.insiders = append(p.insiders, p.writer(rapid.SampledFrom([]string{"", "mal"}).Draw(p.t, "nick")))
		}
		before := p.rows
		p.rows = nil
		names := sortedKeys(deeds)
		name := names[p.roll(len(names))]
		p.t.Logf("insider: %s", name)
		deeds[name](p, p.insiders[len(p.insiders)-1])
		at := p.roll(len(before) + 1)
		p.rows = slices.Concat(before[:at], p.rows, before[at:])
		p.lied = true
	}
}

// duplicate lets an author write from two copies of a home.
func (p *play) duplicate() {
	if p.roll(6) > 0 {
		return
	}
	w := p.honest[p.roll(len(p.honest))]
	twin := *w
	for range 1 + p.roll(2) {
		p.post(p.write(w, true, record.Text("here"), record.Seen{}).cells...)
		p.post(p.write(&twin, true, record.Text("there"), record.Seen{}).cells...)
	}
	p.twins = true
}

// lies are what a relay does with rows.
var lies = map[string]func(p *play){
	"show a row without its tokens": func(p *play) { p.rows[p.roll(len(p.rows))].Fields = thingspeak.Fields{} },
	"never show a row":              func(p *play) { p.since[p.roll(len(p.since))] = never },
	"show a row late":               func(p *play) { p.since[p.roll(len(p.since))] = 1 + p.roll(looks-1) },
	"show a row without its tokens for a while": func(p *play) {
		i, fields := p.roll(len(p.rows)), []int{0, 1, 2, 3, 4, 5, 6, 7}
		if p.roll(2) == 0 {
			fields = []int{p.roll(p.width)}
		}
		p.since[i], p.blank[i] = 1+p.roll(looks-1), fields
	},
	"show rows one by one, the last first": func(p *play) {
		for i := range p.since {
			if p.since[i] != never {
				p.since[i] = max(p.since[i], looks-1-i*looks/len(p.since))
			}
		}
	},
	"let two rows change places": func(p *play) {
		i, j := p.roll(len(p.rows)), p.roll(len(p.rows))
		p.rows[i].Fields, p.rows[j].Fields = p.rows[j].Fields, p.rows[i].Fields
	},
	"let two tokens change places": func(p *play) {
		i, j := p.roll(len(p.rows)), p.roll(len(p.rows))
		a, b := &p.rows[i].Fields[p.roll(p.width)], &p.rows[j].Fields[p.roll(p.width)]
		*a, *b = *b, *a
	},
	"repeat a row": func(p *play) {
		p.rows = append(p.rows, p.rows[p.roll(len(p.rows))])
		p.since = append(p.since, 0)
	},
	"alter a token": func(p *play) {
		v := &p.rows[p.roll(len(p.rows))].Fields[p.roll(p.width)]
		if len(v.Text) < 50 {
			return
		}
		other := "A"
		if v.Text[40:41] == other {
			other = "B"
		}
		*v = thingspeak.Text(v.Text[:40] + other + v.Text[41:])
	},
	"invent numbers": func(p *play) {
		for range 1 + p.roll(20) {
			p.rows, p.since = append(p.rows, thingspeak.Entry{}), append(p.since, never)
		}
		p.rows, p.since = append(p.rows, thingspeak.Entry{}), append(p.since, 0)
	},
}

// A play is looked at so many times, and what is never shown is shown after the last one.
const (
	looks = 5
	never = looks
)

// cheat lets the relay tell some lies about the rows, and numbers them.
func (p *play) cheat() {
	p.since, p.blank = make([]int, len(p.rows)), map[int][]int{}
	for range p.roll(4) {
		names := sortedKeys(lies)
		name := names[p.roll(len(names))]
		p.t.Logf("relay: %s", name)
		lies[name](p)
		p.lied = p.lied || !strings.HasSuffix(name, "late") && !strings.HasSuffix(name, "first")
	}
	p.number()
}

func (p *play) number() {
	for i := range p.rows {
		p.rows[i].ID, p.rows[i].CreatedAt = int64(i+1), time.Unix(int64(1_700_000_000+i), 0).UTC()
	}
}

// shown returns the rows that the relay shows in the end.
func (p *play) shown() (rows []thingspeak.Entry) {
	for i := range p.rows {
		if p.since[i] != never {
			rows = append(rows, p.rows[i])
		}
	}
	return rows
}

// inOrder reports whether rows came in the order of their places.
func (p *play) inOrder() bool {
	shown := slices.DeleteFunc(slices.Clone(p.since), func(look int) bool { return look == never })
	return slices.IsSorted(shown)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// truth is what somebody can know who has read rows, worked out slowly from what was made.
type truth struct {
	*play
	// where is the lowest place of each cell, and whole are the records of which all cells are there, with their places.
	where map[[record.CellSize]byte]record.Spot
	whole map[*utterance]record.Spot
	// texts are the places of tokens that hold something else.
	texts []textAt
}

type textAt struct {
	at   record.Spot
	text string
}

func (p *play) truth(rows []thingspeak.Entry) *truth {
	tr := &truth{play: p, where: map[[record.CellSize]byte]record.Spot{}, whole: map[*utterance]record.Spot{}}
	seen := map[string]bool{}
	for i := range rows {
		for field, v := range rows[i].Fields {
			at := record.Spot{Place: record.Place{Entry: rows[i].ID}, Field: field + 1}
			cell, isCell := p.cells[v.Text]
			if p.texts[v.Text] && !seen[v.Text] {
				tr.texts = append(tr.texts, textAt{at, v.Text})
			}
			seen[v.Text] = true
			if first, ok := tr.where[cell]; isCell && (!ok || at.Compare(first) < 0) {
				tr.where[cell] = at
			}
		}
	}
	for _, u := range p.said {
		for _, cells := range u.chains() {
			last, whole := record.Spot{}, true
			for _, cell := range cells {
				at, ok := tr.where[cell]
				whole = whole && ok
				if at.Compare(last) > 0 {
					last = at
				}
			}
			if lowest, ok := tr.whole[u]; whole && (!ok || last.Compare(lowest) < 0) {
				tr.whole[u] = last
			}
		}
	}
	return tr
}

// held returns the records of a key that are whole, by number.
func (tr *truth) held(key record.PublicKey) map[uint32][]*utterance {
	held := map[uint32][]*utterance{}
	for u := range tr.whole {
		if u.Author == key {
			held[u.Record.Number] = append(held[u.Record.Number], u)
		}
	}
	return held
}

func (tr *truth) base(key record.PublicKey) (base, top uint32) {
	for n := range tr.held(key) {
		if base == 0 || n < base {
			base = n
		}
		top = max(top, n)
	}
	return base, top
}

// lines are the lines that somebody has to see, in their order.
func (tr *truth) lines() (lines []record.Held) {
	for u, at := range tr.whole {
		lines = append(lines, record.Held{Author: u.Author, Number: u.Record.Number, Hash: u.Hash, At: at})
	}
	for _, t := range tr.texts {
		tok, err := token.Parse(t.text)
		if err != nil {
			tr.t.Fatal(err)
		}
		lines = append(lines, record.Held{At: t.at, Hash: sha256.Sum256(tok.Bytes())})
	}
	slices.SortFunc(lines, func(a, b record.Held) int { return a.Compare(&b) })
	return lines
}

// digest is the digest that somebody has to get.
func (tr *truth) digest() [32]byte {
	d := record.NewDigest(salt)
	for _, line := range tr.lines() {
		d.Add(&line)
	}
	return d.Sum()
}

// says lists what a record says about others.
func (u *utterance) says() []record.Seen {
	all := []record.Seen{u.Seen}
	if more, ok := u.Body.(record.Heartbeat); ok {
		all = append(all, more...)
	}
	return slices.DeleteFunc(all, func(s record.Seen) bool { return s.Number == 0 })
}
