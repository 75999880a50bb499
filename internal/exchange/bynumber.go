package exchange

import (
	"context"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// singlesPerCall is how many entries one call asks for one by one, a second apart.
	singlesPerCall = 8
	singleEvery    = time.Second
	// rangesPerCall is how many requests by range of numbers one call makes.
	rangesPerCall = 32
	// maxBetween is how many numbers may lie between two that are asked for by one range: half of what an answer holds.
	maxBetween = thingspeak.MaxResults / 2
	// probedFrom is above how many rows a relay is asked for few at first, while it is not known whether it knows ranges.
	probedFrom = 1000
	// maxTwins is how many rows more than numbers are asked for, since a number may have several.
	maxTwins = 8
)

// What Exchange.rangeReads knows of the relay.
const (
	rangesUntried int32 = iota
	rangesWork
	rangesIgnored
)

// fetch asks for a few entries by number.
func (r *reader) fetch(ctx context.Context, want ranges) error {
	budget := singlesPerCall
	asked, err := r.fetchRanges(ctx, want, want, &budget)
	if err == nil && r.x.rangeReads.Load() == rangesIgnored {
		_, err = r.fetchSingles(ctx, want.minus(asked), &budget)
	}
	return err
}

// fetchRanges asks for entries by ranges of their numbers, where the relay knows that, in the order of some spans, each
// together with what is wanted near it. It takes the requests that it makes from budget and returns the numbers that
// were asked for, whether they are there or not.
func (r *reader) fetchRanges(ctx context.Context, order []span, want ranges, budget *int) (asked ranges, err error) {
	for _, seed := range order {
		if len(want.within(seed).minus(asked)) == 0 {
			continue
		}
		open := []span{want.around(seed, maxBetween)}
		for len(open) > 0 {
			s := open[len(open)-1]
			open = open[:len(open)-1]
			part := want.within(s).minus(asked)
			if len(part) == 0 {
				continue
			}
			if *budget <= 0 || r.x.rangeReads.Load() == rangesIgnored {
				return asked, nil
			}
			*budget--
			s = span{part.lowest(), part.highest()}
			results := r.fits(int(min(s.last-s.first+1+maxTwins, thingspeak.MaxResults)))
			if results > probedFrom && r.x.rangeReads.Load() == rangesUntried { // else the answer may be rows that are known
				results = thingspeak.DefaultResults
			}
			p, err := r.page(ctx, Query{Results: results, FirstID: s.first, LastID: s.last})
			if err != nil {
				return asked, err
			}
			if p.fresh == 0 {
				r.vain++
			}
			if p.rows > 0 && (p.lowest < s.first || p.highest > s.last) {
				r.x.rangeReads.Store(rangesIgnored)
				return asked, nil
			}
			if p.rows > 0 {
				r.x.rangeReads.Store(rangesWork)
			}
			if p.lines == 0 || p.lines < min(r.fullest, results) || s.first == s.last {
				// The answer is shorter than the relay's answers get, so it holds all of the range, however wide.
				asked = asked.union(part)
				continue
			}
			want = want.minus(r.seen)
			open = append(open, s.split(p)...)
		}
	}
	return asked, nil
}

// split cuts a range of which an answer may not have held all rows: where that ended if it went from the highest number
// down, otherwise in the middle.
func (s span) split(p page) []span {
	at := s.first + (s.last-s.first)/2 + 1
	if p.fresh > 0 && p.lowest > s.first {
		at = p.lowest
	}
	return []span{{s.first, at - 1}, {at, s.last}}
}

// around returns the span that reaches over the parts of the set around another span, as far as what lies between them
// is no more than most numbers.
func (r ranges) around(s span, most int64) span {
	i := min(r.find(s.first), len(r))
	for j := i - 1; j >= 0 && s.first-r[j].last-1 <= most; j-- {
		most -= s.first - r[j].last - 1
		s.first = r[j].first
	}
	for ; i < len(r) && r[i].first-s.last-1 <= most; i++ {
		if r[i].last <= s.last {
			continue
		}
		most -= max(r[i].first-s.last-1, 0)
		s.last = r[i].last
	}
	return s
}

// fetchSingles asks for entries one by one, in this order, a second apart. It takes what it asks for from budget and
// returns the numbers that were asked for, whether they are there or not.
func (r *reader) fetchSingles(ctx context.Context, order []span, budget *int) (asked ranges, err error) {
	for _, s := range order {
		for id := s.last; id >= s.first && *budget > 0; id-- {
			if asked.has(id) {
				continue
			}
			*budget--
			if err := r.fetchSingle(ctx, id); err != nil {
				return asked, err
			}
			asked.add(id, id)
		}
	}
	return asked, nil
}

// fetchSingle asks for one entry when it is its turn. That it is not there is no error.
func (r *reader) fetchSingle(ctx context.Context, id int64) error {
	if err := r.x.awaitTurn(ctx); err != nil {
		return err
	}
	var entry thingspeak.Entry
	var failure Failure
	err := r.x.again(ctx, func(int) (Failure, error) {
		a, err := r.ask(ctx, Request{What: OneEntry, Entry: id}, func(e *thingspeak.Entry, _ thingspeak.FieldSet) error {
			entry = *e
			return nil
		})
		if err == nil {
			r.answered(&a)
		}
		failure = a.Failure
		return failure, err
	})
	switch {
	case err != nil && failure.ofOneEntry():
		return nil
	case err != nil:
		return err
	}
	row := r.sum(&entry)
	if r.repeats(row) {
		return nil
	}
	r.doubles.add(row, r.fields)
	if err := r.visit(&entry, r.seen.has(id)); err != nil {
		return err
	}
	r.seen.add(id, id)
	return nil
}

// awaitTurn keeps single reads apart.
func (x *Exchange) awaitTurn(ctx context.Context) error {
	x.mu.Lock()
	now := time.Now()
	wait := x.nextAsk.Sub(now)
	x.nextAsk = now.Add(max(wait, 0) + singleEvery)
	x.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	return x.sleep(ctx, wait)
}
