package room

import (
	"slices"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// otherwise are findings about entries that were shown otherwise, of which some may follow on each other.
type otherwise []record.Finding

// add adds an entry that stands behind all others.
func (o *otherwise) add(kind record.FindingKind, at record.Place) {
	n := len(*o) - 1
	if n < 0 || n < mostOtherwise && !follows(record.Place{Clear: at.Clear, Entry: (*o)[n].Until}, at) {
		*o = append(*o, lost(kind, at, at.Entry))
		return
	}
	last := &(*o)[n]
	last.Until = at.Entry
	last.Count++
}

// mostOtherwise is how many ranges of entries that were shown otherwise are told in one step; what is left is told as one.
const mostOtherwise = 10

// tellOtherwise tells which entries were shown with two contents, or with another date than before: once for each. It is not
// taken back, for what a relay has shown to one it may have shown to others.
func (b *batch) tellOtherwise(facts *Facts) error {
	var redated, doubled []record.Place
	for i := range b.pages {
		p := &b.pages[i]
		if !b.kept && !p.dates && !p.gone && len(p.tokens) > 0 && len(p.before.Tokens) > 0 && p.posted.Unix() != p.before.Posted.Unix() {
			redated = append(redated, p.at)
		}
	}
	if facts != nil {
		at := func(n int64) record.Place { return record.Place{Clear: b.in.clears, Entry: n} }
		for _, n := range facts.Redated {
			redated = append(redated, at(n))
		}
		for _, n := range facts.Doubled {
			doubled = append(doubled, at(n))
		}
	}
	err := b.tellOnce(record.TwoVersions, kept.Twofold, doubled)
	if err == nil {
		err = b.tellOnce(record.Redated, kept.Redated, redated)
	}
	return err
}

// tellOnce tells of entries for a reason, unless it was told of them before.
func (b *batch) tellOnce(kind record.FindingKind, why int, entries []record.Place) error {
	if len(entries) == 0 {
		return nil
	}
	told, err := b.entries(why)
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(at record.Place) bool {
		return at.Entry < 1 || at.Entry > kept.MaxEntry || !told.add(at)
	})
	slices.SortFunc(entries, record.Place.Compare)
	var all otherwise
	for _, at := range entries {
		all.add(kind, at)
	}
	b.told = append(b.told, all...)
	return nil
}
