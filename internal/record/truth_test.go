package record

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// truth is what a reader should have been told in the end. Records are written as "key number" or "tag number".
type truth struct {
	missing, incomplete, fork, forged, newer []string
	// late are the records that stand behind a later one, and perhaps those that do so if not all copies of their cells
	// are read at once: what came too late to be one of its parts does not move a record.
	late, perhaps map[string]bool
	// early are the records of which parts came and that lie below the base in the end: they may have been told to be
	// incomplete before anything of their author was verified, where a clear took the rest away.
	early     map[string]bool
	namesakes int
}

// holding is what a reader got of one author.
type holding struct {
	records map[uint32][]Record
	hashes  map[uint32][]ShortHash
	places  map[uint32]Place
	highest map[uint32]Place // by the last copies
	begun   map[uint32]bool
}

func (h *holding) base() (base, top uint32) {
	for n := range h.records {
		if base == 0 || n < base {
			base = n
		}
		top = max(top, n)
	}
	return base, top
}

// holdings works out, from the records that were made and the rows that were read, what a reader got.
func (e *eyes) holdings(all []utterance, rows func(Place) []Cell) map[PublicKey]*holding {
	where, last := map[[CellSize]byte]Place{}, map[[CellSize]byte]Place{}
	for p := range e.held {
		for _, c := range rows(p) {
			if c.Key == testRoom.Key && p.Compare(last[c.Plain]) > 0 {
				last[c.Plain] = p
			}
			if q, ok := where[c.Plain]; c.Key == testRoom.Key && (!ok || p.Compare(q) < 0) {
				where[c.Plain] = p
			}
		}
	}
	authors := map[PublicKey]*holding{}
	for _, r := range all {
		h := authors[r.Author]
		if h == nil {
			h = &holding{
				map[uint32][]Record{}, map[uint32][]ShortHash{}, map[uint32]Place{}, map[uint32]Place{}, map[uint32]bool{},
			}
			authors[r.Author] = h
		}
		have, lowest, highest := 0, Place{}, Place{}
		for _, c := range r.cells {
			if p, ok := where[c]; ok {
				have++
				lowest, highest = later(lowest, p), later(highest, last[c])
			}
		}
		switch n := r.Record.Number; {
		case have == len(r.cells):
			h.records[n], h.hashes[n] = append(h.records[n], r.Record), append(h.hashes[n], r.Hash.Short())
			if p, ok := h.places[n]; !ok || lowest.Compare(p) < 0 {
				h.places[n] = lowest
			}
			h.highest[n] = later(h.highest[n], highest)
		case have > 0:
			h.begun[n] = true
		}
	}
	return authors
}

func later(p, q Place) Place {
	if p.Compare(q) < 0 {
		return q
	}
	return p
}

// judge works out the truth slowly. junk are groups of cells that belong to no record.
func (e *eyes) judge(authors map[PublicKey]*holding, junk []GroupID) truth {
	tags := map[Tag]PublicKey{}
	begun := map[Tag]map[uint32]bool{}
	for key, h := range authors {
		tags[key.Tag()] = key
		for n := range h.begun {
			put(begun, key.Tag(), n, true)
		}
	}
	for _, id := range junk {
		put(begun, id.Tag, id.Number, true)
	}
	forks := map[string]bool{}
	named := map[PublicKey]uint32{}
	for key, h := range authors {
		base, _ := h.base()
		for n, records := range h.records {
			if len(records) > 1 {
				forks[fmt.Sprint(key, n)] = true
			}
			for _, r := range records {
				if before := h.hashes[n-1]; n > base && len(before) > 0 && !r.Previous.IsZero() &&
					!slices.Contains(before, r.Previous) {
					forks[fmt.Sprint(key, n-1)] = true
				}
				for _, s := range said(r) {
					about := tags[s.Tag]
					if authors[about] == nil {
						continue
					}
					lowest, _ := authors[about].base()
					if lowest == 0 || s.Number <= lowest {
						continue
					}
					named[about] = max(named[about], s.Number)
					if held := authors[about].hashes[s.Number]; len(held) > 0 && !slices.Contains(held, s.Hash) {
						forks[fmt.Sprint(about, s.Number)] = true
					}
				}
			}
		}
	}
	tr := truth{
		late: map[string]bool{}, perhaps: map[string]bool{}, early: map[string]bool{},
		fork: slices.Sorted(maps.Keys(forks)), namesakes: e.namesakes(authors),
	}
	for key, h := range authors {
		base, top := h.base()
		for n := base; base != 0 && n <= max(top, named[key]); n++ {
			if len(h.records[n]) == 0 && !begun[key.Tag()][n] {
				tr.missing = append(tr.missing, fmt.Sprint(key, n))
			}
			for m := range h.records {
				if n < m && len(h.records[n]) > 0 && h.places[m].Compare(h.places[n]) < 0 {
					tr.late[fmt.Sprint(key, n)] = true
				}
				if n < m && len(h.records[n]) > 0 && h.places[m].Compare(h.highest[n]) < 0 {
					tr.perhaps[fmt.Sprint(key, n)] = true
				}
			}
		}
	}
	for tag, numbers := range begun {
		for n := range numbers {
			base := uint32(0)
			if h := authors[tags[tag]]; h != nil {
				if len(h.records[n]) > 0 {
					continue
				}
				base, _ = h.base()
			}
			switch {
			case base == 0 && e.first == 0 || base != 0 && n > base:
				tr.incomplete = append(tr.incomplete, fmt.Sprint(tag, n))
			case base != 0 && len(e.w.feeds) > 1:
				tr.early[fmt.Sprint(tag, n)] = true
			}
		}
	}
	slices.Sort(tr.missing)
	slices.Sort(tr.incomplete)
	return tr
}

func said(r Record) []Seen {
	all := []Seen{r.Seen}
	if more, ok := r.Body.(Heartbeat); ok {
		all = append(all, more...)
	}
	return slices.DeleteFunc(all, func(s Seen) bool { return s.Number == 0 })
}

// namesakes counts the keys that use a nickname which is pinned to another person's.
func (e *eyes) namesakes(authors map[PublicKey]*holding) (count int) {
	var all []Record
	for _, h := range authors {
		for _, records := range h.records {
			all = append(all, records...)
		}
	}
	person, _ := persons(all)
	used := map[PublicKey]map[string]bool{}
	for _, r := range all {
		if r.Nick != "" {
			put(used, r.Author, r.Nick, true)
		}
	}
	for key, nicks := range used {
		names := map[string]bool{}
		for nick := range nicks {
			for _, form := range Skeletons(nick) {
				if pinned, ok, _ := e.known.Pinned(form); ok && person(pinned) != person(key) {
					names[Skeletons(nick)[0]] = true
				}
			}
		}
		count += len(names)
	}
	return count
}

// persons works out slowly, from all records at once, whose device a key is, and which claims contradict each other.
func persons(all []Record) (person func(PublicKey) PublicKey, contradicted []devicePair) {
	last, claims, refuses := map[devicePair]uint32{}, map[devicePair]bool{}, map[devicePair]bool{}
	for _, r := range all {
		d, ok := r.Body.(Device)
		pair := devicePair{r.Author, d.Key}
		if !ok || r.Number < last[pair] {
			continue
		}
		claims[pair] = !d.Withdraws() && (r.Number > last[pair] || claims[pair])
		last[pair] = r.Number
	}
	for _, r := range all {
		if d, ok := r.Body.(Device); ok && d.Withdraws() {
			refuses[devicePair{d.Key, r.Author}] = true
		}
	}
	var standing []devicePair
	for pair, claimed := range claims {
		if claimed && !refuses[pair] {
			standing = append(standing, pair)
		}
	}
	owner := map[PublicKey]PublicKey{}
	for _, c := range standing {
		if slices.ContainsFunc(standing, func(o devicePair) bool {
			return o != c && (o.device == c.device || o.author == c.device || o.device == c.author)
		}) {
			contradicted = append(contradicted, c)
		} else {
			owner[c.device] = c.author
		}
	}
	return func(key PublicKey) PublicKey {
		if of, ok := owner[key]; ok {
			return of
		}
		return key
	}, contradicted
}

// found returns what was told and not taken back, in the same form.
func (e *eyes) found() truth {
	tr := truth{late: map[string]bool{}}
	for _, a := range e.known.Authors() {
		for _, g := range a.Gaps {
			for n := g.First; g.Told && n <= g.Last; n++ {
				tr.missing = append(tr.missing, fmt.Sprint(a.Key, n))
			}
		}
	}
	for _, f := range e.known.Findings() {
		switch f.Kind {
		case Incomplete:
			tr.incomplete = append(tr.incomplete, fmt.Sprint(f.Tag, f.First))
		case Fork:
			tr.fork = append(tr.fork, fmt.Sprint(f.Author, f.First))
		case Forged:
			tr.forged = append(tr.forged, fmt.Sprint(f.Tag, f.First))
		case Newer:
			tr.newer = append(tr.newer, fmt.Sprint(f.At.Entry))
		case Reordered:
			tr.late[fmt.Sprint(f.Author, f.First)] = true
		case Namesake:
			tr.namesakes++
		}
	}
	slices.Sort(tr.missing)
	slices.Sort(tr.incomplete)
	slices.Sort(tr.fork)
	slices.Sort(tr.forged)
	return tr
}

// check compares what was told with the truth.
func (e *eyes) check(want truth) {
	e.w.t.Helper()
	consistent(e.w.t, e.known)
	got := e.found()
	for n := range got.late {
		if !want.perhaps[n] {
			e.w.t.Fatalf("%s was told to be late and is not", n)
		}
	}
	if len(want.late) > 0 && len(got.late) == 0 {
		e.w.t.Fatalf("nothing was told to be late, but %v are", want.late)
	}
	got.incomplete = slices.DeleteFunc(got.incomplete, func(id string) bool { return want.early[id] })
	want.late, want.perhaps, want.early, got.late = nil, nil, nil, nil
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(truth{}), cmpopts.EquateEmpty()); diff != "" {
		e.w.t.Fatalf("findings (-true +told):\n%s\n%q", diff, texts(e.told))
	}
}

// No false alarm: what is told of an honest conversation at an honest relay is that somebody has another's name, and
// what a clear took away before it was read.
func TestHonestConversations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := converse(t, true)
		for _, u := range w.users {
			tr := u.judge(u.holdings(w.all, func(p Place) []Cell { return w.feeds[u.joined+int(p.Clear)][p.Entry-1] }), nil)
			u.check(tr)
			if len(w.feeds) == 1 && len(tr.missing)+len(tr.incomplete) > 0 || len(tr.fork)+len(tr.late) > 0 {
				t.Fatalf("told of an honest conversation: %q", texts(u.told))
			}
			for _, f := range u.back {
				// A writer may pause for more than an hour between two parts: that is told, and taken back when it goes on.
				if f.Kind != Namesake && f.Kind != Incomplete && f.Kind != Contradiction {
					t.Fatalf("taken back: %s", f.Text())
				}
			}
		}
	})
}
