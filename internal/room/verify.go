package room

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Feed is what [Verify] reads.
type Feed struct {
	// Entries may come in any order. View is asked for once they have all come.
	Entries iter.Seq2[*thingspeak.Entry, error]
	View    func() record.View
	// Trying, if set, is told each time that parts were joined in vain for so long that there are more to try: how often
	// so far. It may take long, as forged parts can be joined in many ways.
	Trying func(rounds int)
	// Known is what is known already of whose names are whose, see [Conversation.Known].
	Known record.Change
	// Copies, if set, says of tokens which of them are copies of what stood before a clear, see [Conversation.Copies]. They
	// have their lines, and no part in what is found.
	Copies func([]Shown) ([]bool, error)
}

// Verify reads a whole feed afresh, without an archive, and judges it. Its memory grows with the number of different
// tokens that a key opens. It ends early with the context, or with an error of the feed.
func Verify(ctx context.Context, keys []fernet.Key, salt record.Salt, feed Feed, now time.Time) (model.Report, error) {
	o, err := newOpener(keys)
	if err != nil {
		return model.Report{}, err
	}
	v := verifier{ctx: ctx, feed: feed, opener: o, salt: salt, now: now, found: map[[16]byte]*placed{}}
	v.begin()
	for e, err := range feed.Entries {
		if err != nil {
			return v.report, err
		}
		v.report.Entries++
		if v.batch = append(v.batch, *e); len(v.batch) == entriesAtOnce {
			v.take()
		}
	}
	v.take()
	v.report.Opened = len(v.found)
	if err := v.judge(feed.View()); err != nil {
		return v.report, err
	}
	return v.report, nil
}

// begin forgets what was learnt.
func (v *verifier) begin() {
	v.known, v.reader = record.NewMemory(), record.NewReader(v.salt, record.PublicKey{})
	v.known.Introduce(v.feed.Known)
	v.texts = map[[16]byte]record.Held{}
	v.report.Posted = map[int64]time.Time{}
}

// partOfFeed is the view of whoever has not read all: nothing is concluded from what is lacking. It counts no clears, for
// what stood before one is told to be lacking at once, and a part that is read again from the archive may be from before.
func partOfFeed() record.View { return record.View{Unread: true} }

// verifier is one call of Verify.
type verifier struct {
	opener

	ctx    context.Context
	feed   Feed
	salt   record.Salt
	rounds int // in which parts were joined and some were left
	known  *record.Memory
	reader *record.Reader
	now    time.Time
	found  map[[16]byte]*placed     // the tokens, by their MAC, until they are judged
	came   int                      // how often one of them was found, also lower than before
	texts  map[[16]byte]record.Held // tokens that hold something else than a cell, by their MAC
	batch  []thingspeak.Entry
	report model.Report
}

// placed is an opened token where it stands lowest. Those of one entry came in the order of their numbers.
type placed struct {
	opened
	at     record.Place
	posted time.Time
	came   int
}

// take opens a batch.
func (v *verifier) take() {
	pages := pagesOf(v.batch, 0, false)
	parallel(len(pages), func(i int) {
		pages[i].unknown = pages[i].tokens
		v.open(&pages[i])
	})
	clear(v.batch) // or its texts would stay
	v.batch = v.batch[:0]
	for i := range pages {
		v.sift(&pages[i])
	}
}

// sift counts what is in an entry, and takes the tokens that did not come before, or stand lower than they did.
func (v *verifier) sift(p *page) {
	r := &v.report
	noToken(&r.Findings, p)
	if p.letter {
		model.Count(&r.Letters, &r.FirstLetter, &r.LastLetter, p.at.Entry)
	}
	if p.unopened {
		model.Count(&r.NotOurs, &r.FirstNotOurs, &r.LastNotOurs, p.at.Entry)
	}
	for i := range p.opened {
		t := &p.opened[i]
		before := v.found[t.mac]
		if before != nil {
			r.Repeats++
		}
		if before != nil && before.at.Compare(p.at) <= 0 {
			continue
		}
		if t.raw = nil; !t.isCell() { // the digest wants its hash and no more
			t.plain = nil
		}
		v.came++
		v.found[t.mac] = &placed{*t, p.at, p.posted, v.came}
	}
}

// judge reads what was found, in the order of the places: the first who was called something keeps the name, whatever end
// of the feed came first.
func (v *verifier) judge(view record.View) error {
	tokens := slices.Collect(maps.Values(v.found))
	v.found = nil
	slices.SortFunc(tokens, func(a, b *placed) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.came, b.came)) })
	rest, err := v.withoutCopies(tokens)
	if err != nil {
		return err
	}
	copies := len(tokens) - len(rest)
	if copies == 0 {
		if err := v.readAll(tokens, view, false); err != nil {
			return err
		}
		v.conclude()
		return nil
	}
	// The lines and their digest are those of everybody else, and what is found is what recv finds here.
	all := *v
	if err := all.readAll(tokens, view, true); err != nil {
		return err
	}
	all.conclude()
	v.begin()
	if err := v.readAll(rest, view, false); err != nil {
		return err
	}
	v.conclude()
	r, shown := &v.report, &all.report
	r.Repeats += copies
	r.Records, r.Unsigned, r.Authors = shown.Records, shown.Unsigned, shown.Authors
	r.Lines, r.Digest, r.Posted = shown.Lines, shown.Digest, shown.Posted
	return nil
}

// withoutCopies leaves out the tokens that are copies of what stood before a clear.
func (v *verifier) withoutCopies(tokens []*placed) (rest []*placed, err error) {
	if v.feed.Copies == nil {
		return tokens, nil
	}
	shown := make([]Shown, len(tokens))
	for i, t := range tokens {
		shown[i] = Shown{t.mac, t.at.Entry, t.posted}
	}
	copies, err := v.feed.Copies(shown)
	if err != nil || copies == nil {
		return tokens, err
	}
	for i, t := range tokens {
		if !copies[i] {
			rest = append(rest, t)
		}
	}
	return rest, nil
}

// readAll reads tokens that are in order. With again they are to be read once more.
func (v *verifier) readAll(tokens []*placed, view record.View, again bool) error {
	var overfull entrySet
	var cells []record.Cell
	var taken fieldSet
	entries := 0
	for i, t := range tokens {
		if i == 0 || tokens[i-1].at != t.at {
			taken = fieldSet{}
			if entries++; entries%entriesAtOnce == 0 {
				if err := v.read(cells, partOfFeed()); err != nil {
					return err
				}
				cells = nil
			}
		}
		if t.field = freeField(t.field, taken.has); t.field == 0 {
			if r := &v.report; overfull.add(t.at) {
				model.Count(&r.Overfull, &r.FirstOverfull, &r.LastOverfull, t.at.Entry)
			}
			continue
		}
		taken.add(t.field)
		if at, ok := v.report.Posted[t.at.Entry]; !ok || t.posted.Before(at) {
			v.report.Posted[t.at.Entry] = t.posted
		}
		if t.isCell() {
			cells = append(cells, v.cell(t.at, &t.opened))
		} else {
			v.texts[t.mac] = record.Held{At: record.Spot{Place: t.at, Field: t.field}, Hash: t.sum}
		}
		if !again {
			t.plain = nil
		}
	}
	return v.read(cells, withOverfull(view, overfull.all))
}

// read hands cells to the reader.
func (v *verifier) read(cells []record.Cell, view record.View) error {
	for more := true; more; cells = nil {
		// A few parts that share one long tail can be joined for hours.
		if err := v.ctx.Err(); err != nil {
			return err
		}
		v.known.Keep(cells)
		result, err := v.reader.Read(v.known, cells, view, v.now)
		if err != nil {
			return fmt.Errorf("verifying the feed: %w", err)
		}
		v.known.Apply(result.Change)
		v.report.Waiting = result.Waiting
		v.report.LeftOver += result.LeftOver
		v.report.Refused += result.Refused
		v.report.Newer += result.Newer
		if more = result.More; more {
			v.rounds++
			if v.feed.Trying != nil {
				v.feed.Trying(v.rounds)
			}
		}
	}
	return nil
}

// conclude takes together what was learnt.
func (v *verifier) conclude() {
	r := &v.report
	r.Lines = v.known.Records()
	r.Records, r.Unsigned = len(r.Lines), len(v.texts)
	r.Lines = slices.AppendSeq(r.Lines, maps.Values(v.texts))
	slices.SortFunc(r.Lines, func(a, b record.Held) int { return a.Compare(&b) })
	digest := record.NewDigest(v.salt)
	for i := range r.Lines {
		digest.Add(&r.Lines[i])
	}
	r.Digest = digest.Sum()
	authors, _ := v.known.Authors(record.AuthorQuery{})
	for i := range authors {
		if authors[i].Base > 0 {
			r.Authors++
		}
	}
	r.Found = v.known.Findings()
	for i := range r.Found {
		switch f := &r.Found[i]; { // they were told of when the first of them came
		case f.Kind == record.Malformed && f.Author.IsZero():
			f.Count = r.Refused
		case f.Kind == record.Newer:
			f.Count = r.Newer
		}
	}
	slices.SortStableFunc(r.Found, func(a, b record.Finding) int { return a.At.Compare(b.At) })
}
