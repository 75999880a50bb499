package roomtest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/room/memory"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// other is a store for whoever else there is.
func other(testing.TB) room.Store { return memory.New() }

// testAllChanges makes random changes in a store and in one in memory: both answer all questions alike, and a transaction
// that fails changes no answer.
func testAllChanges(t *testing.T, open func(testing.TB) room.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		p := &play{Rapid: rt, keys: keys}
		s, reference := open(t), memory.New()
		for range rapid.IntRange(1, 8).Draw(rt, "changes") {
			before := p.clone()
			c := p.change()
			fails := rapid.IntRange(0, 4).Draw(rt, "fails") == 0
			for _, s := range []room.Store{s, reference} {
				err := s.Transact(func() error {
					err := s.Apply(&c)
					if err == nil && fails {
						err = errFails
					}
					return err
				})
				if fails != errors.Is(err, errFails) || !fails && err != nil {
					rt.Fatal(err)
				}
			}
			if fails {
				p.restore(before)
			}
			if want, got := p.answers(reference), p.answers(s); !maps.Equal(want, got) {
				rt.Fatalf("failed: %t; answers of the store in memory and of this one:\n%s", fails, gocmp.Diff(want, got))
			}
		}
	})
}

var errFails = errors.New("fails")

// keys are those of a few authors.
var keys = []record.PublicKey{{1}, {2}, {3}, {4}}

// play is what random changes are about.
type play struct {
	Rapid *rapid.T
	keys  []record.PublicKey
	known map[record.PublicKey]bool
	rows  []kept.Message
	seqs  int64
}

func (p *play) clone() play {
	c := *p
	c.known = map[record.PublicKey]bool{}
	for k := range p.known {
		c.known[k] = true
	}
	c.rows = slices.Clone(p.rows)
	return c
}

func (p *play) restore(before play) { p.known, p.rows, p.seqs = before.known, before.rows, before.seqs }

func (p *play) n(name string, most int) int { return rapid.IntRange(0, most).Draw(p.Rapid, name) }

func (p *play) is(name string) bool { return rapid.Bool().Draw(p.Rapid, name) }

func (p *play) key() record.PublicKey { return rapid.SampledFrom(p.keys).Draw(p.Rapid, "key") }

func (p *play) place() record.Place {
	return record.Place{Clear: uint32(p.n("clear", 1)), Entry: int64(1 + p.n("entry", 5))}
}

func (p *play) spot() record.Spot { return record.Spot{Place: p.place(), Field: 1 + p.n("field", 2)} }

func (p *play) time() time.Time { return time.Unix(1_800_000_000+int64(p.n("time", 5)), 0).UTC() }

func (p *play) finding() record.Finding {
	kind := rapid.SampledFrom([]record.FindingKind{record.Fork, record.Missing, record.Forged}).Draw(p.Rapid, "kind")
	return record.Finding{Kind: kind, Author: p.key(), First: uint32(p.n("first", 1)), Last: uint32(p.n("last", 3))}
}

func (p *play) findings(name string) (all []record.Finding) {
	for range p.n(name, 2) {
		all = append(all, p.finding())
	}
	return all
}

func (p *play) groupID() record.GroupID {
	return record.GroupID{Tag: p.key().Tag(), Number: uint32(1 + p.n("number", 2)), Parts: 2}
}

// cell returns a cell of a group; where it stands says of which, so that none changes it.
func (p *play) cell() record.Cell {
	at := p.spot()
	tag := p.keys[at.Entry%int64(len(p.keys))].Tag()
	c := record.Cell{Spot: at}
	copy(c.Plain[:], []byte{record.Mark, record.Version, tag[0], tag[1], tag[2], tag[3], 0, 0, 0, byte(at.Field), 0, 1, 0, 2})
	return c
}

func (p *play) learnt() *record.Change {
	c := &record.Change{
		TakenBack: p.findings("taken back"), Superseded: p.findings("superseded"), Told: p.findings("told"),
	}
	for _, key := range p.keys {
		if p.n("author", 2) > 0 {
			continue
		}
		p.known[key] = true
		a := record.Author{
			Key: key, Nick: "nick", Pinned: p.n("pinned", 2), Base: uint32(p.n("base", 1)), Top: uint32(p.n("top", 4)),
			Named: uint32(p.n("named", 4)), NamedAt: uint32(p.n("named at", 2)), SawOwn: uint32(p.n("saw", 1)),
			Claims: p.n("claims", 2),
		}
		if p.is("gap") {
			a.Gaps = []record.Gap{{First: 2, Last: 3, Told: p.is("gap is told")}}
		}
		c.Authors = append(c.Authors, a)
	}
	for i := range p.rows {
		if h := &p.rows[i].Held; !h.Author.IsZero() && p.n("moves", 4) == 0 {
			h.At = p.spot()
			h.Cells = []record.Spot{h.At}
			c.Held = append(c.Held, *h)
		}
	}
	for range p.n("claims", 2) {
		claim := record.Claim{
			Tag: p.key().Tag(), Number: uint32(p.n("number", 2)), Hash: record.ShortHash{byte(p.n("hash", 1))}, By: p.key(),
			Said: uint32(p.n("said", 9)), At: p.spot(), Doubted: p.is("doubted"), Below: p.is("below"),
		}
		if p.is("gone") {
			c.ClaimsGone = append(c.ClaimsGone, claim)
		} else {
			c.Claims = append(c.Claims, claim)
		}
	}
	for range p.n("pins", 2) {
		c.Pins = append(c.Pins, record.Pin{Form: fmt.Sprint("form ", p.n("form", 4)), Key: p.key()})
	}
	for range p.n("devices", 2) {
		d := record.DeviceClaim{
			Author: p.key(), Device: p.key(), Number: uint32(p.n("number", 9)), Claims: p.is("claims"), Refuses: p.is("refuses"),
		}
		d.Claimed = d.Claims || d.Refuses && p.is("claimed")
		c.Devices = append(c.Devices, d)
	}
	p.groups(c)
	return c
}

func (p *play) groups(c *record.Change) {
	for range p.n("cells", 3) {
		cell := p.cell()
		id, err := cell.Group()
		if err != nil {
			p.Rapid.Fatal(err)
		}
		c.Pending = append(c.Pending, cell)
		c.Groups = append(c.Groups, record.Group{
			ID: id, Cells: p.n("in group", 3), Sum: uint64(p.n("sum", 3)), Newest: cell.Place, LastAt: p.time(),
			State: record.GroupState(p.n("state", 2)), Untried: p.is("untried"),
		})
	}
	for range p.n("cells gone", 2) {
		c.PendingGone = append(c.PendingGone, p.spot())
	}
	id := p.groupID()
	comes := slices.ContainsFunc(c.Groups, func(g record.Group) bool { return g.ID == id })
	if p.is("group gone") && !comes {
		c.GroupsGone = append(c.GroupsGone, id)
	}
}

func (p *play) change() kept.Change {
	if p.known == nil {
		p.known = map[record.PublicKey]bool{}
	}
	var c kept.Change
	if p.is("learnt") {
		c.Learnt = p.learnt()
	}
	for _, key := range p.keys {
		switch {
		case !p.known[key]:
		case p.n("compared", 5) == 0:
			c.Compared = append(c.Compared, kept.KeyDate{Key: key, At: p.time()})
		case p.n("forgotten", 5) == 0:
			c.Forgotten = append(c.Forgotten, kept.KeyDate{Key: key, At: p.time()})
		}
	}
	if p.is("drops") {
		c.Emptied = []record.GroupID{p.groupID(), p.groupID()}
		f := p.finding()
		c.ToldGone = []record.FindingID{f.ID()}
		c.EventsGone = []int64{int64(p.n("event", 3))}
		c.Learnt = cmp.Or(c.Learnt, &record.Change{})
		c.Learnt.Told = append(c.Learnt.Told, f) // or the newest event might go, and its ID be given out again
	}
	p.feed(&c)
	p.messages(&c)
	p.outbox(&c)
	if p.is("mark") {
		m := kept.Mark{Name: fmt.Sprint(p.n("name", 1)), Message: int64(p.n("message", 9)), Event: int64(p.n("event", 9))}
		c.Marks = []kept.Mark{m}
	}
	if p.is("mark gone") {
		c.MarksGone = []string{fmt.Sprint(p.n("name", 1))}
	}
	if p.is("once") {
		id := model.OwnID{Author: p.key(), Number: uint32(p.n("number", 3))}
		c.Once = []kept.Once{{OwnID: id, Name: [32]byte{byte(p.n("once", 2))}, Body: [32]byte{byte(p.n("body", 2))}, At: p.time()}}
	}
	if p.is("once gone") {
		c.OnceFrom = p.time()
	}
	if p.is("state") {
		c.State = &kept.State{Clears: uint32(p.n("clears", 3)), Position: []byte{byte(p.n("position", 9))}, Seq: p.seqs}
	}
	return c
}

func (p *play) entries(name string) (all []kept.Entry) {
	for range p.n(name, 3) {
		all = append(all, kept.Entry{
			At: p.place(), Posted: p.time(), Tokens: make([]byte, p.n("size", 2)), Wiped: p.is("wiped"),
		})
	}
	return all
}

func (p *play) mac() [16]byte { return [16]byte{byte(p.n("mac", 5))} }

func (p *play) feed(c *kept.Change) {
	c.Entries, c.Unopened, c.UnopenedGone = p.entries("entries"), p.entries("unopened"), p.is("unopened gone")
	if p.is("ranges") {
		at := p.place()
		c.Ranges = map[int][]kept.Range{1 + p.n("why", 3): {{First: at, Last: at}}}
	}
	for range p.n("macs", 3) {
		c.MACs = append(c.MACs, kept.MAC{MAC: p.mac(), At: p.place()})
	}
	for range p.n("macs gone", 2) {
		c.MACsGone = append(c.MACsGone, p.mac())
	}
}

func (p *play) messages(c *kept.Change) {
	for range p.n("messages", 4) {
		at := p.spot()
		m := kept.Message{Kind: record.Kind(p.n("kind", 3))}
		m.Held = record.Held{At: at, Hash: record.Hash{byte(len(p.rows) + 1), byte((len(p.rows) + 1) >> 8)}}
		if key := p.key(); p.known[key] && p.is("signed") {
			m.Held.Author, m.Held.Number, m.Held.Nick = key, uint32(1+p.n("number", 3)), "nick"
			m.Held.Cells, m.Held.Key = []record.Spot{at}, record.KeyID{byte(p.n("sealed", 1))}
		} else {
			m.Held.Number = uint32(p.n("own text", 2))
		}
		p.rows = append(p.rows, m)
		c.Messages = append(c.Messages, m)
	}
	for i := range p.rows {
		h := &p.rows[i].Held
		if h.Author.IsZero() && p.n("text moves", 9) == 0 {
			c.TextsMoved = append(c.TextsMoved, kept.TextMove{From: h.At, To: p.spot(), Own: uint32(p.n("own text", 2))})
		}
		if !h.Author.IsZero() && p.n("names", 5) == 0 {
			c.Moves = append(c.Moves, kept.Move{
				Author: h.Author, Number: h.Number, Hash: h.Hash, Named: record.KeyID{byte(p.n("names key", 2))},
			})
		}
	}
}

func (p *play) seq() int64 { return int64(1 + p.n("seq", int(p.seqs)+1)) }

func (p *play) own() kept.Own {
	first := p.seq()
	return kept.Own{
		Author: p.key(), Number: uint32(1 + p.n("own number", 12)), Hash: record.Hash{7}, Kind: record.KindText,
		First: first, Last: first + int64(p.n("more posts", 2)), Queued: p.time(),
	}
}

func (p *play) outbox(c *kept.Change) {
	if p.n("rewind", 5) == 0 {
		c.PostsFrom = p.seq()
	}
	for range p.n("own gone", 1) {
		c.OwnGone = append(c.OwnGone, p.own())
	}
	for range p.n("posts", 3) {
		p.seqs++
		post := kept.Post{
			Seq: p.seqs, Cells: thingspeak.FieldsOf(2), State: model.State(p.n("sent", 3)), After: p.place(), At: p.place(),
		}
		if post.Fields[1] = thingspeak.Text("token"); p.is("is dated") {
			post.Dated = p.time()
		}
		if p.is("has a status") {
			post.Status = thingspeak.Text("token of a status")
		}
		c.Posts = append(c.Posts, post)
	}
	for range p.n("own", 2) {
		c.Own = append(c.Own, p.own())
	}
	for range p.n("states", 2) {
		s := model.OwnState{OwnID: model.OwnID{Author: p.key(), Number: uint32(1 + p.n("own number", 2))}, State: model.State(p.n("state", 5))}
		if s.State == model.StateSeen {
			s.By = p.key()
		} else if p.is("signed anew") {
			s.Was = model.OwnID{Author: p.key(), Number: 1}
		}
		c.States = append(c.States, s)
	}
	for range p.n("dated", 1) {
		c.Dated = append(c.Dated, kept.PostDate{Seq: p.seq(), At: p.time()})
	}
	for range p.n("settled", 1) {
		c.Settled = append(c.Settled, kept.Settled{Seq: p.seq(), State: model.State(p.n("sent", 3)), At: p.place()})
	}
}

// answers asks a store all questions.
func (p *play) answers(s room.Store) map[string]string {
	all := map[string]string{}
	note := func(question string, answer any, err error) {
		if err != nil {
			p.Rapid.Fatalf("%s: %v", question, err)
		}
		all[question] = fmt.Sprintf("%+v", answer)
	}
	state, err := s.State()
	note("state", state, err)
	p.askFeed(s, note)
	p.askAuthors(s, note)
	p.askGroups(s, note)
	p.askMessages(s, note)
	p.askOutbox(s, note)
	return all
}

type noteFunc func(question string, answer any, err error)

func (p *play) askFeed(s room.Store, note noteFunc) {
	middle := record.Place{Clear: 1, Entry: 2}
	for _, q := range []kept.EntryQuery{
		{Last: kept.Highest()},
		{Last: kept.Highest(), Unopened: true},
		{First: middle, Last: kept.Highest(), Limit: 2},
		{Last: middle, Limit: 2, Newest: true},
		{First: middle, Last: middle},
		{First: kept.Highest()},
	} {
		var entries []kept.Entry
		err := s.Entries(q, func(e kept.Entry) error {
			entries = append(entries, e)
			return nil
		})
		note(fmt.Sprintf("%+v", q), entries, err)
	}
	for why := range 5 {
		ranges, err := s.Ranges(why)
		note(fmt.Sprint("ranges ", why), ranges, err)
	}
	var macs [][16]byte
	for i := range byte(200) { // many at a time
		macs = append(macs, [16]byte{i})
	}
	found, err := s.MACs(macs)
	note("macs", found, err)
}

func (p *play) askAuthors(s room.Store, note noteFunc) {
	for only := record.AnyAuthor; only <= record.Compared; only++ {
		authors, err := s.Authors(record.AuthorQuery{Only: only})
		note(fmt.Sprint("authors ", only), authors, err)
	}
	claims, err := s.Claims(record.ClaimQuery{})
	note("claims", sorted(claims), err)
	for _, key := range p.keys {
		name, tag := key.String(), key.Tag()
		a, _, err := s.Author(key)
		note("author "+name, a, err)
		authors, err := s.Authors(record.AuthorQuery{Tag: &tag})
		note("authors with the tag of "+name, authors, err)
		claims, err := s.Claims(record.ClaimQuery{Tag: &tag})
		note("claims about "+name, sorted(claims), err)
		devices, err := s.Devices(key)
		note("devices of "+name, sorted(devices), err)
		pins, err := s.Pins(record.PinQuery{Key: key})
		note("pinned to "+name, pins, err)
		if !p.known[key] {
			continue
		}
		held, err := s.Held(record.HeldQuery{Author: key, First: 2, Last: 3})
		note("some held of "+name, held, err)
		held, err = s.Held(record.HeldQuery{Author: key, First: 1, Last: math.MaxUint32})
		note("held of "+name, held, err)
		lines, err := s.Held(record.HeldQuery{
			Author: key, From: record.Spot{Place: record.Place{Entry: 3}}, To: record.Spot{Place: record.Place{Clear: 1, Entry: 3}},
		})
		for i := range lines {
			lines[i] = record.Held{Author: key, Number: lines[i].Number, Hash: lines[i].Hash, At: lines[i].At}
		}
		note("lines of "+name, lines, err)
	}
	pins, err := s.Pins(record.PinQuery{})
	note("pins", pins, err)
	pins, err = s.Pins(record.PinQuery{Form: "form 1"})
	note("pins of a form", pins, err)
	for _, kind := range []record.FindingKind{record.Fork, record.Missing, record.Forged} {
		for _, key := range p.keys {
			for first := range uint32(2) {
				f := record.Finding{Kind: kind, Author: key, First: first, Last: first}
				last, told, err := s.Told(f.ID())
				note("told "+f.ID().String(), []any{last, told}, err)
			}
		}
	}
}

func (p *play) askGroups(s room.Store, note noteFunc) {
	for only := record.AnyGroup; only <= record.MayArrive; only++ {
		groups, err := s.Groups(record.GroupQuery{Only: only})
		note(fmt.Sprint("groups ", only), sorted(groups), err)
		for _, g := range groups {
			spots, err := s.Pending(g.ID)
			slices.SortFunc(spots, record.Spot.Compare)
			note(fmt.Sprintf("pending of %+v", g.ID), spots, err)
		}
		for _, key := range p.keys {
			for _, numbers := range []int{0, 1, 2} {
				q := record.GroupQuery{Tag: key.Tag(), First: 2, Last: math.MaxUint32, Only: only, Numbers: numbers}
				groups, err := s.Groups(q)
				note(fmt.Sprintf("%+v", q), sorted(groups), err)
			}
		}
	}
	arrival, err := s.Arriving()
	slices.SortFunc(arrival.Tags, func(a, b record.Tag) int { return bytes.Compare(a[:], b[:]) })
	note("arriving", arrival, err)
}

func (p *play) askMessages(s room.Store, note noteFunc) {
	for i, q := range []kept.MessageQuery{
		{},
		{After: 2, Limit: 3},
		{After: 1, Until: 2},
		{From: &record.Held{}},
		{From: &record.Held{At: record.Spot{Place: record.Place{Entry: 3}, Field: 1}, Author: p.keys[1]}, Limit: 3},
		{Newest: true},
		{Newest: true, Until: 5, Limit: 2},
		{Newest: true, Signed: true, Limit: 3},
		{Newest: true, Said: true, Limit: 3},
	} {
		messages, err := s.Messages(q)
		note(fmt.Sprint("messages ", i), messages, err)
	}
	for sealed := range byte(2) {
		moves, err := s.Moves(record.KeyID{sealed})
		note(fmt.Sprint("moves from ", sealed), moves, err)
	}
	for _, after := range []int64{0, 3} {
		events, err := s.Events(after, 5)
		for i, e := range events {
			if e.Own != nil { // a pointer would be compared by itself
				note(fmt.Sprintf("state %d after %d", i, after), *e.Own, nil)
				events[i].Own = nil
			}
		}
		note(fmt.Sprint("events after ", after), events, err)
	}
	end, err := s.End()
	note("end", end, err)
	for _, name := range []string{"0", "1"} {
		mark, ok, err := s.Mark(name)
		note("mark "+name, []any{mark, ok}, err)
	}
	for _, prefix := range []string{"", "1", "2"} {
		marks, err := s.Marks(prefix)
		note("marks "+prefix, marks, err)
	}
	for name := range byte(3) {
		once, ok, err := s.Once([32]byte{name})
		note(fmt.Sprint("once ", name), []any{once, ok}, err)
	}
}

func (p *play) askOutbox(s room.Store, note noteFunc) {
	for only := kept.AnyPost; only <= kept.UndatedPost; only++ {
		for _, q := range []kept.PostQuery{{Only: only}, {First: 2, Last: 5, Only: only}, {Newest: true, Limit: 2, Only: only}} {
			posts, err := s.Posts(q)
			note(fmt.Sprintf("%+v", q), posts, err)
		}
	}
	states, err := s.Progress(2, 6)
	note("progress", states, err)
	own, err := s.Own(kept.OwnQuery{})
	note("own", sorted(own), err)
	for _, key := range p.keys {
		own, err := s.Own(kept.OwnQuery{Author: key, First: 2, Last: 9})
		note("own of "+key.String(), own, err)
	}
}

// sorted puts rows in some order that is always the same.
func sorted[T any](rows []T) []T {
	slices.SortFunc(rows, func(a, b T) int { return cmp.Compare(fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b)) })
	return rows
}
