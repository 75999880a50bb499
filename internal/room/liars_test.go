package room_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/memory"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// watcher is somebody who reads a room into an archive of their own.
type watcher struct {
	t     *rapid.T
	c     *room.Conversation
	known room.Store
	// trusted are authors of whom it is certain that all they have named was written so.
	trusted map[record.PublicKey]bool
	// patience is how long a number is asked for before it is taken for absent.
	patience time.Duration
	since    map[int64]time.Time // when a number was first known to be lacking
	held     map[int64]bool
	top      int64
	// told is what was told and not taken back.
	told map[string]record.Finding
	model.Findings
}

func (p *play) watcher(key fernet.Key) (w *watcher, end func()) {
	t := p.t
	store, end := p.store()
	c, err := room.Open(store, room.Options{Keys: []fernet.Key{key}, Salt: salt, Fields: []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	patience := rapid.SampledFrom([]time.Duration{10 * time.Minute, 150 * time.Minute}).Draw(t, "patience")
	w = &watcher{
		t: t, c: c, known: store, trusted: map[record.PublicKey]bool{}, patience: patience,
		since: map[int64]time.Time{}, held: map[int64]bool{}, told: map[string]record.Finding{},
	}
	for _, author := range p.honest {
		w.trusted[author.key()] = !p.twins
	}
	return w, end
}

// store is one on disk or one in memory.
func (p *play) store() (s room.Store, end func()) {
	if rapid.Bool().Draw(p.t, "in memory") {
		return memory.New(), func() {}
	}
	dir, err := os.MkdirTemp("", "fernpost")
	if err != nil {
		p.t.Fatal(err)
	}
	store, err := archive.OpenRoom(dir, "lab")
	if err != nil {
		p.t.Fatal(err)
	}
	return store, func() { store.Close(); os.RemoveAll(dir) }
}

// read reads what is new, as a follower does who asks for each number that is lacking again and again: after some time it
// counts as asked for.
func (w *watcher) read(rows []thingspeak.Entry, now time.Time) {
	in, err := w.c.Receive(0)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range rows {
		if err := in.Add(&rows[i]); err != nil {
			w.t.Fatal(err)
		}
		w.held[rows[i].ID] = true
		w.top = max(w.top, rows[i].ID)
	}
	view := record.View{}
	for n := int64(1); n < w.top; n++ {
		if w.held[n] {
			continue
		}
		if w.since[n].IsZero() {
			w.since[n] = now
		}
		view.Holes = append(view.Holes, record.Hole{
			First: n, Last: n, Since: w.since[n], Asked: now.Sub(w.since[n]) >= w.patience,
		})
	}
	got, err := in.Finish(room.Facts{View: view, Now: now})
	if err != nil {
		w.t.Fatal(err)
	}
	// What is taken back first: an accusation may be told anew for what is left of it.
	for i := range got.TakenBack {
		for id := range oneByOne(got.TakenBack[i]) {
			delete(w.told, id)
		}
	}
	for i := range got.Told {
		maps.Copy(w.told, oneByOne(got.Told[i]))
		if f := got.Told[i]; f.Kind == record.Missing && f.By.IsZero() {
			f.Kind = record.Hidden // it was only that until now
			for id := range oneByOne(f) {
				delete(w.told, id)
			}
		}
	}
	w.supersede()
	w.Repeats, w.NotOurs, w.Damaged = w.Repeats+got.Repeats, w.NotOurs+got.NotOurs, w.Damaged+got.Damaged
}

// supersede drops what is told otherwise by now: of that nothing more is said. What somebody honest has said to be missing
// must be missing still, or be counted, and so must be what was incomplete.
func (w *watcher) supersede() {
	for id, f := range w.told {
		if f.By.IsZero() && f.Kind != record.Incomplete {
			continue
		}
		_, told, err := w.known.Told(f.ID())
		if err != nil {
			w.t.Fatal(err)
		}
		if told {
			continue
		}
		delete(w.told, id)
		_, missing := w.told[numbered(record.Missing, record.Tag{}, 0)] // counted
		for _, g := range w.told {
			missing = missing || g.Kind == record.Missing && g.Tag == f.Tag && g.First <= f.Last && f.Last <= g.Last
		}
		if !missing && (f.Kind == record.Incomplete || f.Kind == record.Missing && w.trusted[f.By]) {
			w.t.Fatalf("neither taken back nor told otherwise: %s", f.Text())
		}
	}
}

// oneByOne takes a finding apart into numbers, by what makes each the same one: how numbers are put together is not what
// is compared.
func oneByOne(f record.Finding) map[string]record.Finding {
	if id := f.ID(); !f.By.IsZero() {
		return map[string]record.Finding{id.String(): f}
	}
	all := map[string]record.Finding{}
	who := f.Tag.String()
	switch f.Kind {
	case record.Missing, record.Fork, record.Hidden:
		if !f.Author.IsZero() {
			who = f.Author.String()
		}
	case record.Incomplete, record.Forged:
	default:
		id := f.ID()
		return map[string]record.Finding{id.String(): f}
	}
	for n := f.First; n <= f.Last; n++ {
		one := f
		one.First, one.Last = n, n
		all[numbered(f.Kind, who, n)] = one
	}
	return all
}

func numbered(kind record.FindingKind, who any, number uint32) string {
	return fmt.Sprint(kind, " ", who, " ", number)
}

// proven are what was told and rests on nobody's word. Of accusations there is room for a few lines only, so which of
// them are told depends on the order in which they came.
func (w *watcher) proven(without []record.FindingKind) (ids []string) {
	for _, id := range sortedKeys(w.told) {
		if f := w.told[id]; f.By.IsZero() && !slices.Contains(without, f.Kind) {
			ids = append(ids, id)
		}
	}
	return ids
}

// history returns the lines that are shown, without and with names.
func (w *watcher) history() (lines, names []string) {
	err := w.c.History(0, func(it *model.Item) error {
		if it.Record == nil {
			lines = append(lines, fmt.Sprint(it.At.Entry, " text"))
			return nil
		}
		m := it.Record
		lines = append(lines, fmt.Sprint(it.At.Entry, " ", m.Author.Tag(), " ", m.Number, " ", m.Hash))
		names = append(names, m.Name)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return lines, names
}

func (w *watcher) digest() [32]byte {
	d, err := w.c.Digest()
	if err != nil {
		w.t.Fatal(err)
	}
	return d.Sum()
}

// TestLiarsAndInsiders plays whole conversations, in which insiders and the relay do whatever they like, all of it at
// once, and reads them in two ways: as they come, and when all is there. Nobody is accused of what did not happen; what
// was done is named, or the digest differs; and whoever was shown the same has the same lines, digest and names.
//
//	go test -run TestLiarsAndInsiders -rapid.checks=100000 -timeout 0 ./internal/room
func TestLiarsAndInsiders(t *testing.T) {
	key, other := fernet.GenerateKey(), fernet.GenerateKey()
	testenv.Check(t, func(t *rapid.T) {
		p := newPlay(t, key, other)
		p.converse()
		p.duplicate()
		p.intrude()
		p.number()
		posted := p.truth(slices.Clone(p.rows))
		p.cheat()

		step, end := p.watcher(key)
		defer end()
		now := time.Unix(1_800_000_000, 0)
		for look := range looks {
			var rows []thingspeak.Entry
			for i, since := range p.since {
				row := p.rows[i]
				switch blank := p.blank[i]; {
				case since == look:
					rows = append(rows, row)
				case len(blank) > 0 && look == 0 && since != never:
					for _, field := range blank {
						row.Fields[field] = thingspeak.Value{}
					}
					rows = append(rows, row)
				}
			}
			step.read(rows, now)
			now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, 4 * time.Minute, 20 * time.Minute, 2 * time.Hour}).Draw(t, "pause"))
		}
		late := now.Add(3 * time.Hour)
		step.read(nil, late)
		step.read(nil, late.Add(3*time.Hour))

		once, end := p.watcher(key)
		defer end()
		once.read(p.shown(), now)
		once.read(nil, late)
		once.read(nil, late.Add(3*time.Hour))

		shown := p.truth(p.shown())
		p.sameForBoth(step, once)
		shown.isShown(once)
		for _, w := range []*watcher{step, once} {
			shown.justifies(w)
			shown.isNamed(w)
		}
		if same := slices.EqualFunc(posted.lines(), shown.lines(), func(a, b record.Held) bool {
			return a.Hash == b.Hash
		}); same != (posted.digest() == once.digest()) {
			t.Fatalf("the relay shows the same lines: %v; the digest says otherwise", same)
		}
	})
}

// sameForBoth holds two readers of the same rows against each other.
func (p *play) sameForBoth(step, once *watcher) {
	stepLines, stepNames := step.history()
	onceLines, onceNames := once.history()
	if d := cmp.Diff(stepLines, onceLines); d != "" {
		p.t.Fatalf("lines step by step (-) and at once (+):\n%s", d)
	}
	if step.digest() != once.digest() {
		p.t.Fatal("the digest differs step by step and at once")
	}
	if p.inOrder() {
		if d := cmp.Diff(stepNames, onceNames); d != "" {
			p.t.Fatalf("names step by step (-) and at once (+):\n%s", d)
		}
	}
	order := []record.FindingKind{record.Namesake, record.Renamed}
	if p.inOrder() {
		order = nil
	}
	a, b := step.proven(order), once.proven(order)
	if d := cmp.Diff(a, b, cmpopts.EquateEmpty()); d != "" {
		p.t.Fatalf("findings step by step (-) and at once (+):\n%s", d)
	}
}

// isShown holds what a reader is shown against what can be read.
func (tr *truth) isShown(w *watcher) {
	var want []string
	for _, line := range tr.lines() {
		if line.Author.IsZero() {
			want = append(want, fmt.Sprint(line.At.Entry, " text"))
			continue
		}
		want = append(want, fmt.Sprint(line.At.Entry, " ", line.Author.Tag(), " ", line.Number, " ", line.Hash))
	}
	got, _ := w.history()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		tr.t.Fatalf("lines that can be read (-) and that are shown (+):\n%s", d)
	}
	if w.digest() != tr.digest() {
		tr.t.Fatal("the digest is not that of the lines")
	}
}

// justifies fails if a reader was told what is not so.
func (tr *truth) justifies(w *watcher) {
	for id, f := range w.told {
		if !tr.lied && !tr.twins && f.Kind != record.Renamed && f.Kind != record.Namesake {
			tr.t.Fatalf("told of honest people and an honest relay: %s", f.Text())
		}
		if !tr.isSo(&f) {
			tr.t.Fatalf("told, and not so: %s (%s)", f.Text(), id)
		}
	}
}

// isSo reports whether a finding is true.
func (tr *truth) isSo(f *record.Finding) bool {
	if !f.By.IsZero() {
		return tr.isSaid(f)
	}
	held := tr.held(f.Author)
	base, top := tr.base(f.Author)
	switch f.Kind {
	case record.Missing, record.Hidden:
		return base < f.First && f.First < top && len(held[f.First]) == 0
	case record.Incomplete:
		parts := tr.stray[group(f.Tag, f.First)] || tr.forged[group(f.Tag, f.First)]
		for _, u := range tr.said {
			_, whole := tr.whole[u]
			if u.Tag != f.Tag || u.Record.Number != f.First {
				continue
			}
			if whole {
				return false
			}
			for _, cell := range slices.Concat(u.cells, u.again) {
				_, there := tr.where[cell]
				parts = parts || there
			}
		}
		return parts
	case record.Fork:
		differs := len(held[f.First]) > 1
		for _, next := range held[f.First+1] {
			differs = differs || len(held[f.First]) > 0 && next.Previous != held[f.First][0].Hash.Short()
		}
		return differs
	case record.Forged:
		return tr.forged[group(f.Tag, f.First)] || tr.stray[group(f.Tag, f.First)]
	case record.Reordered:
		return slices.ContainsFunc(held[f.First], func(u *utterance) bool {
			return slices.ContainsFunc(held[f.Last], func(later *utterance) bool {
				return f.First < f.Last && tr.whole[later].Compare(tr.whole[u]) < 0
			})
		})
	case record.Malformed:
		return f.Author.IsZero() && tr.spoilt
	case record.Namesake:
		for u := range tr.whole {
			if u.Author != f.Author && u.Nick != "" && slices.ContainsFunc(record.Skeletons(u.Nick), func(form string) bool {
				return slices.Contains(record.Skeletons(f.Name), form)
			}) {
				return true
			}
		}
		return false
	case record.Renamed:
		nicks := map[string]bool{}
		for _, all := range held {
			for _, u := range all {
				nicks[u.Nick] = true
			}
		}
		return len(nicks) > 1
	case record.Contradiction:
		claims := 0
		for u := range tr.whole {
			if _, ok := u.Body.(record.Device); ok {
				claims++
			}
		}
		return claims > 1
	default:
		return false
	}
}

// isSaid reports whether somebody has said what a finding rests on, and, if that is somebody honest, whether it is true.
func (tr *truth) isSaid(f *record.Finding) bool {
	for u, at := range tr.whole {
		if u.Author != f.By {
			continue
		}
		for _, s := range u.says() {
			if s.Tag != f.Tag || s.Number < f.First {
				continue
			}
			named, place := tr.named(s)
			switch {
			case f.Kind == record.Reordered && (named == nil || place.Compare(at) < 0):
			case f.Kind == record.Missing && u.honest && named != nil:
			case f.Kind == record.Fork && u.honest && !tr.twins:
			default:
				return true
			}
		}
	}
	return false
}

// named returns the record that somebody names, if it is whole, and where it stands.
func (tr *truth) named(s record.Seen) (*utterance, record.Spot) {
	for u, at := range tr.whole {
		if u.Tag == s.Tag && u.Record.Number == s.Number && u.Hash.Short() == s.Hash {
			return u, at
		}
	}
	return nil, record.Spot{}
}

// isNamed fails if a reader was not told what can be known: a number of an author that is lacking below one that is
// there, two records of one number, and what bears a name that its author has not signed.
func (tr *truth) isNamed(w *watcher) {
	told := func(kind record.FindingKind, who any, number uint32) bool {
		_, ok := w.told[numbered(kind, who, number)]
		return ok
	}
	authors := map[record.PublicKey]bool{}
	for u := range tr.whole {
		authors[u.Author] = true
	}
	for key := range authors {
		held := tr.held(key)
		base, top := tr.base(key)
		for n := base; n <= top; n++ {
			switch len(held[n]) {
			case 0:
				if !told(record.Missing, key, n) {
					tr.t.Fatalf("%s %d is lacking, and nothing was told: %v", key.Tag(), n, sortedKeys(w.told))
				}
			case 1:
			default:
				if !told(record.Fork, key, n) {
					tr.t.Fatalf("%s %d is there twice, and nothing was told: %v", key.Tag(), n, sortedKeys(w.told))
				}
			}
		}
	}
}
