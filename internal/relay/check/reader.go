package check

import (
	"context"
	"math/rand/v2"
	"net/url"
	"strconv"
	"time"
)

// The ways in which a reader asks.
const (
	readFeed = iota
	readLastID
	readLastEntry
)

// readKinds names the ways as reports show them.
var readKinds = [...]string{readFeed: "feeds.csv", readLastID: "last_entry_id", readLastEntry: "last.json"}

const (
	// maxRows is the most rows that a reader asks for: what is longer may come from a cache (contract section 7.3).
	maxRows = 100
	// leastPause and mostPause bound the mean time between two reads of a reader.
	leastPause = 2 * time.Millisecond
	mostPause  = 2 * time.Second
)

// reader asks for a channel's newest entries, in one way or another.
type reader struct {
	check   *Check
	channel *channel
	random  *rand.Rand
}

// run reads until the check stops it.
func (r *reader) run(ctx context.Context) error {
	c, ch := r.check, r.channel
	// A tenth of the interval shows everything that happens, and is no burden.
	pause := min(max(c.options.Interval/10, leastPause), mostPause)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for newest := ch.base; ; timer.Reset(time.Duration(r.random.Int64N(int64(2 * pause)))) {
		select {
		case <-timer.C:
		case <-c.stopReading:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		kind, known := r.random.IntN(len(readKinds)), ch.known()
		last, err := r.read(ctx, kind)
		if err != nil {
			return err
		}
		c.reads[kind].Add(1)
		switch {
		case last < newest:
			c.findings.add(KindBackwards, ch.id, last, "a reader that had seen number %d was told by %s that %d is the newest",
				newest, readKinds[kind], last)
		case last < known:
			c.late.Add(1)
		}
		newest = max(newest, last)
		if ch.possible(last) {
			ch.tell(last)
		}
	}
}

// read returns the number of the newest entry.
func (r *reader) read(ctx context.Context, kind int) (int64, error) {
	switch kind {
	case readLastID:
		return r.check.lastEntryID(ctx, r.random, r.channel)
	case readLastEntry:
		return r.check.lastEntry(ctx, r.random, r.channel)
	default:
		p, err := r.check.page(ctx, r.random, r.channel, url.Values{
			"results": {strconv.Itoa(1 + r.random.IntN(maxRows))},
		})
		if err != nil {
			return 0, err
		}
		return p.newest(r.channel), nil
	}
}
