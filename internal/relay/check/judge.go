package check

import (
	"context"
	"math/rand/v2"

	"github.com/fernpost/fernpost/internal/screen"
)

// judge reads back everything that was written and compares it with the log. No writer or reader runs any more.
func (c *Check) judge(ctx context.Context) error {
	random := c.random(1<<32 + 2)
	for _, ch := range c.channels {
		s, err := c.readBack(ctx, random, ch)
		if err != nil {
			return err
		}
		ch.final = s
		c.judgeRows(ch, s)
	}
	for _, w := range c.writers {
		for n := range w.log {
			id := idOf(w.index, int64(n))
			c.judgeUpdate(c.channelOf(id), id, &w.log[n])
		}
	}
	return nil
}

// readBack reads all entries of a channel above base. If some seem to be missing it waits and reads them again, since a
// relay may show what it has stored a moment later (contract section 15, item 13).
func (c *Check) readBack(ctx context.Context, random *rand.Rand, ch *channel) (*stretch, error) {
	for try := 1; ; try++ {
		var last [len(readKinds)]int64
		for kind := range last {
			var err error
			if last[kind], err = (&reader{c, ch, random}).read(ctx, kind); err != nil {
				return nil, err
			}
		}
		most := ch.base + ch.sent.Load()
		newest := max(last[readFeed], last[readLastID], last[readLastEntry], ch.known())
		s, err := c.stretch(ctx, random, ch, ch.base+1, min(newest, most))
		if err != nil {
			return nil, err
		}
		agreed := last[readFeed] == last[readLastID] && last[readLastID] == last[readLastEntry]
		if try == 1 && (!agreed || !s.full()) {
			if err := sleep(ctx, c.options.Settle); err != nil {
				return nil, err
			}
			continue
		}
		if !agreed {
			c.findings.add(KindBackwards, ch.id, newest,
				"nobody writes, and yet the newest entry is %d by %s, %d by %s and %d by %s",
				last[readFeed], readKinds[readFeed], last[readLastID], readKinds[readLastID],
				last[readLastEntry], readKinds[readLastEntry])
		}
		if newest > most {
			c.findings.add(KindNumber, ch.id, newest, "the newest entry is %d, when there can be none above %d", newest, most)
		}
		return s, nil
	}
}

// judgeRows judges what is there, and counts it in the log.
func (c *Check) judgeRows(ch *channel, s *stretch) {
	before := cell{}
	for i, now := range s.cells {
		number := s.from + int64(i)
		if now == (cell{}) {
			switch {
			case ch.at(ch.told, number) != (cell{}): // told by judgeUpdate
			case ch.at(ch.seen, number) != (cell{}):
				c.findings.add(KindLost, ch.id, number, "entry %d, %v, was read and is gone", number, ch.at(ch.seen, number))
			default:
				c.findings.add(KindGap, ch.id, number, "there is no entry %d, though there are newer ones", number)
			}
			continue
		}
		if now.created < before.created {
			c.findings.add(KindDates, ch.id, number, "entry %d is dated %s, and the one before %s",
				number, clock(now.created), clock(before.created))
		}
		before = now
		if id, ours := now.update(); ours {
			log := &c.writers[id.writer()].log[id.n()]
			log.stored++
			log.inPlace = log.inPlace || log.number == number
		}
	}
}

// judgeUpdate judges what became of one update.
func (c *Check) judgeUpdate(ch *channel, id updateID, log *sent) {
	if log.number != 0 && !log.inPlace {
		how := "was answered"
		if !log.answered {
			how = "was found"
		}
		if there := ch.at(ch.final.cells, log.number); there == (cell{}) {
			c.findings.add(KindLost, ch.id, log.number, "entry %d, as which %v %s, is not there", log.number, id, how)
		} else {
			c.findings.add(KindWrong, ch.id, log.number, "entry %d, as which %v %s, is %v", log.number, id, how, there)
		}
	}
	if log.stored > log.times {
		c.findings.add(KindDouble, ch.id, log.number, "%v is there %s, and was sent %s without being refused",
			id, screen.Count(int(log.stored), "time"), screen.Count(int(log.times), "time"))
	}
}

// at returns the cell of a number, the zero cell for one out of range.
func (ch *channel) at(cells []cell, number int64) cell {
	i := number - ch.base - 1
	if i < 0 || i >= int64(len(cells)) {
		return cell{}
	}
	return cells[i]
}
