package record

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/testenv"
)

// truth is what a reader should have been told in the end. Records are written as "key number" or "tag number".
type truth struct {
	missing, fork, forged, newer, malformed []string
	// accused are the tags that somebody's seen accuses, by kind: "missing tag". accusers are who may be named for it.
	accused  []string
	accusers map[string]map[PublicKey]bool
	// below are the highest records that stand below one that names them: "tag by number".
	below []string
	// incomplete are numbers that nothing but their parts tells of, begun all that may have been told to be incomplete
	// before something else told of them.
	incomplete []string
	begun      map[string]bool
	// late are the records that stand behind the next one held, perhaps those that stand behind any later one: that is
	// true even once something between them has come.
	late, perhaps map[string]bool
	namesakes     int
}

// holding is what a reader got of one author.
type holding struct {
	records map[uint32][]Record
	hashes  map[uint32][]Hash
	at      map[Hash]Place
	places  map[uint32]Place
	begun   map[uint32]bool
	broken  map[uint32]bool
}

// numbers returns the numbers held, in ascending order.
func (h *holding) numbers() []uint32 { return slices.Sorted(maps.Keys(h.records)) }

// base returns the lowest and the highest number held; 0 if there is none.
func (h *holding) base() (base, top uint32) {
	if numbers := h.numbers(); len(numbers) > 0 {
		return numbers[0], numbers[len(numbers)-1]
	}
	return 0, 0
}

// holdings works out, from the records that were made and the rows that were read, what a reader got.
func (e *eyes) holdings(all []utterance, rows func(Place) []Cell) map[PublicKey]*holding {
	where := map[[CellSize]byte]Place{}
	for p := range e.held {
		for _, c := range rows(p) {
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
				map[uint32][]Record{},
				map[uint32][]Hash{},
				map[Hash]Place{},
				map[uint32]Place{},
				map[uint32]bool{},
				map[uint32]bool{},
			}
			authors[r.Author] = h
		}
		have, lowest := 0, Place{}
		for _, c := range r.cells {
			if p, ok := where[c]; ok {
				have++
				if lowest.Compare(p) < 0 {
					lowest = p
				}
			}
		}
		switch n := r.Record.Number; {
		case have == len(r.cells):
			h.records[n], h.hashes[n] = append(h.records[n], r.Record), append(h.hashes[n], r.Hash)
			h.at[r.Hash] = lowest
			h.broken[n] = h.broken[n] || r.broken
			if p, ok := h.places[n]; !ok || lowest.Compare(p) < 0 {
				h.places[n] = lowest
			}
		case have > 0:
			h.begun[n] = true
		}
	}
	return authors
}

// judge works out the truth slowly. junk are groups of cells that belong to no record.
func (e *eyes) judge(authors map[PublicKey]*holding, junk []GroupID) truth {
	tr := truth{
		accusers: map[string]map[PublicKey]bool{}, begun: map[string]bool{}, late: map[string]bool{}, perhaps: map[string]bool{},
		namesakes: e.namesakes(authors),
	}
	forks := map[string]bool{}
	for key, h := range authors {
		numbers := h.numbers()
		for i, n := range numbers {
			if h.broken[n] {
				tr.malformed = append(tr.malformed, fmt.Sprint(key, n))
			}
			if len(h.records[n]) > 1 {
				forks[fmt.Sprint(key, n)] = true
			}
			for _, r := range h.records[n] {
				if before := h.hashes[n-1]; i > 0 && len(before) > 0 && !r.Previous.IsZero() &&
					!slices.ContainsFunc(before, func(b Hash) bool { return b.Short() == r.Previous }) {
					forks[fmt.Sprint(key, n-1)] = true
				}
			}
			for j, m := range numbers[i+1:] {
				if h.places[n].Compare(h.places[m]) > 0 {
					tr.perhaps[fmt.Sprint(key, n)] = true
					if j == 0 {
						tr.late[fmt.Sprint(key, n)] = true
					}
				}
			}
			for m := n + 1; i+1 < len(numbers) && m < numbers[i+1]; m++ {
				tr.missing = append(tr.missing, fmt.Sprint(key, m))
			}
		}
	}
	named := tr.accuse(authors)
	tr.fork = slices.Sorted(maps.Keys(forks))
	slices.Sort(tr.missing)
	slices.Sort(tr.malformed)
	tr.arriving(authors, junk, named)
	return tr
}

// accuse works out what seen say, and returns the highest number of a tag that they name and that is not held.
func (tr *truth) accuse(authors map[PublicKey]*holding) map[Tag]uint32 {
	type claim struct {
		s  Seen
		by PublicKey
	}
	claims := map[claim]Place{}
	for key, h := range authors {
		for n, records := range h.records {
			for i, r := range records {
				for _, s := range said(r) {
					at := h.at[h.hashes[n][i]]
					if p, ok := claims[claim{s, key}]; !ok || at.Compare(p) < 0 {
						claims[claim{s, key}] = at
					}
				}
			}
		}
	}
	named := map[Tag]uint32{}
	accused, below := map[string]bool{}, map[string]uint32{}
	for c, at := range claims {
		for key, h := range authors {
			base, top := h.base()
			if key.Tag() != c.s.Tag || key == c.by || base == 0 {
				continue
			}
			i := slices.IndexFunc(h.hashes[c.s.Number], func(b Hash) bool { return b.Short() == c.s.Hash })
			if i >= 0 {
				if h.at[h.hashes[c.s.Number][i]].Compare(at) > 0 {
					below[fmt.Sprint(c.s.Tag, c.by)] = max(below[fmt.Sprint(c.s.Tag, c.by)], c.s.Number)
				}
				continue
			}
			kind := Missing
			switch _, held := h.records[c.s.Number]; {
			case c.s.Number <= base:
				continue
			case held:
				kind = Fork
			case c.s.Number < top:
				continue
			}
			before := uint32(0)
			for n := range h.records {
				if n < c.s.Number {
					before = max(before, n)
				}
			}
			if h.places[before].Compare(at) > 0 {
				kind = Refuted
			}
			id := fmt.Sprint(kind, " ", c.s.Tag)
			accused[id] = true
			putIn(nil, tr.accusers, id, c.by, true)
			if kind == Missing {
				named[c.s.Tag] = max(named[c.s.Tag], c.s.Number)
			}
		}
	}
	tr.accused = slices.Sorted(maps.Keys(accused))
	for who, number := range below {
		tr.below = append(tr.below, fmt.Sprint(who, " ", number))
	}
	slices.Sort(tr.below)
	return named
}

// arriving works out of what only parts tell.
func (tr *truth) arriving(authors map[PublicKey]*holding, junk []GroupID, named map[Tag]uint32) {
	begun := map[Tag]map[uint32]bool{}
	for key, h := range authors {
		for n := range h.begun {
			putIn(nil, begun, key.Tag(), n, true)
		}
	}
	for _, id := range junk {
		putIn(nil, begun, id.Tag, id.Number, true)
	}
	for key, h := range authors {
		base, top := h.base()
		above := 0
		for _, n := range slices.Sorted(maps.Keys(begun[key.Tag()])) {
			if base == 0 || len(h.records[n]) > 0 || n < base {
				continue
			}
			id := fmt.Sprint(key.Tag(), n)
			if tr.begun[id] = true; n > max(top, named[key.Tag()]) {
				if above++; above <= maxArriving {
					tr.incomplete = append(tr.incomplete, id)
				}
			}
		}
	}
	slices.Sort(tr.incomplete)
}

func said(r Record) []Seen {
	all := []Seen{r.Seen}
	if more, ok := r.Body.(Heartbeat); ok {
		all = append(all, more...)
	}
	return slices.DeleteFunc(all, func(s Seen) bool { return s.Number == 0 })
}

// namesakes counts the keys that use a nickname which is pinned to another person's, but for those that were compared.
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
			putIn(nil, used, r.Author, r.Nick, true)
		}
	}
	for key, nicks := range used {
		if e.known.authors[key].Compared {
			continue
		}
		names := map[string]bool{}
		for nick := range nicks {
			for _, form := range Skeletons(nick) {
				if pinned, ok := e.known.pins[form]; ok && person(pinned) != person(key) {
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
	tr := truth{late: map[string]bool{}, accusers: map[string]map[PublicKey]bool{}}
	for _, a := range e.known.all().Authors {
		for _, g := range a.Gaps {
			for n := g.First; g.Told && n <= g.Last; n++ {
				tr.missing = append(tr.missing, fmt.Sprint(a.Key, n))
			}
		}
	}
	accused := map[string]bool{}
	for _, f := range e.known.Findings() {
		said := !f.By.IsZero()
		switch {
		case said && f.Kind == Reordered:
			tr.below = append(tr.below, fmt.Sprint(fmt.Sprint(f.Tag, f.By), " ", f.First))
		case said:
			id := fmt.Sprint(f.Kind, " ", f.Tag)
			accused[id] = true
			putIn(nil, tr.accusers, id, f.By, true)
		case f.Kind == Incomplete:
			tr.incomplete = append(tr.incomplete, fmt.Sprint(f.Tag, f.First))
		case f.Kind == Fork:
			tr.fork = append(tr.fork, fmt.Sprint(f.Author, f.First))
		case f.Kind == Forged:
			tr.forged = append(tr.forged, fmt.Sprint(f.Tag, f.First))
		case f.Kind == Newer:
			tr.newer = append(tr.newer, fmt.Sprint(f.At.Entry))
		case f.Kind == Malformed && !f.Author.IsZero():
			tr.malformed = append(tr.malformed, fmt.Sprint(f.Author, f.First))
		case f.Kind == Reordered:
			tr.late[fmt.Sprint(f.Author, f.First)] = true
		case f.Kind == Namesake:
			tr.namesakes++
		}
	}
	tr.accused = slices.Sorted(maps.Keys(accused))
	for _, list := range [][]string{tr.missing, tr.incomplete, tr.fork, tr.forged, tr.malformed, tr.below} {
		slices.Sort(list)
	}
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
	for n := range want.late {
		if !got.late[n] {
			e.w.t.Fatalf("%s is late, and was not told to be", n)
		}
	}
	for id, by := range got.accusers {
		for key := range by {
			if !want.accusers[id][key] {
				e.w.t.Fatalf("%s: %s was told to say so, and does not: %q, taken back %q", id, key, texts(e.told), texts(e.back))
			}
		}
	}
	for _, id := range got.incomplete {
		if !want.begun[id] {
			e.w.t.Fatalf("%s was told to be incomplete, and is not", id)
		}
	}
	got.incomplete = slices.DeleteFunc(got.incomplete, func(id string) bool { return !slices.Contains(want.incomplete, id) })
	want.late, want.perhaps, want.begun, want.accusers, got.late, got.accusers = nil, nil, nil, nil, nil, nil
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(truth{}), cmpopts.EquateEmpty()); diff != "" {
		e.w.t.Fatalf("findings (-true +told):\n%s\n%q", diff, texts(e.told))
	}
}

// No false alarm: what is told of an honest conversation at an honest relay is that somebody has another's name, and
// what a clear took away before it was read.
func TestHonestConversations(t *testing.T) {
	testenv.Check(t, func(t *rapid.T) {
		w := converse(t, true)
		for _, u := range w.users {
			tr := u.judge(u.holdings(w.all, func(p Place) []Cell { return w.feeds[u.joined+int(p.Clear)][p.Entry-1] }), nil)
			u.check(tr)
			if len(w.feeds) == 1 && len(tr.missing)+len(tr.accused)+len(tr.incomplete) > 0 ||
				len(tr.fork)+len(tr.late)+len(tr.below)+len(tr.malformed) > 0 {
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
