package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// maxSingles is how many missing entries are asked for one by one, one a second.
const maxSingles = 60

// lastEntryID reads the number of the newest entry, 0 in an empty channel.
func (c *Check) lastEntryID(ctx context.Context, random *rand.Rand, ch *channel) (int64, error) {
	answer, err := c.client.read(ctx, random, ch.path("last_entry_id.txt"), ch.readKey)
	if err != nil {
		return 0, err
	}
	last, err := thingspeak.ParseLastEntryID(answer.body)
	if err != nil {
		return 0, fmt.Errorf("reading last_entry_id: %w", err)
	}
	return last, nil
}

// lastEntry reads the newest entry as JSON and judges it. Its number is 0 in an empty channel.
func (c *Check) lastEntry(ctx context.Context, random *rand.Rand, ch *channel) (int64, error) {
	answer, err := c.client.read(ctx, random, ch.path("feeds/last.json"), ch.readKey)
	if err != nil {
		return 0, err
	}
	if text := strings.Trim(string(answer.body), "\" \r\n"); text == "-1" || text == "" {
		return 0, nil
	}
	last := int64(0)
	// As a feed of one entry, so that there is one decoder.
	feed := io.MultiReader(strings.NewReader(`{"feeds":[`), bytes.NewReader(answer.body), strings.NewReader(`]}`))
	_, err = thingspeak.DecodeFeedJSON(feed, func(e *thingspeak.Entry) error {
		if last = e.ID; last > ch.base {
			c.observe(ch, e)
		}
		return nil
	})
	if err == nil && last == 0 {
		err = errors.New("no entry in it")
	}
	if err != nil {
		return 0, fmt.Errorf("reading feeds/last.json: %w", err)
	}
	return last, nil
}

// page is one reply of feeds.csv.
type page struct {
	rows []row
	// lowest is the lowest number of all rows, those up to base included, 0 without rows; oldest the earliest date.
	lowest int64
	oldest time.Time
}

// row is an entry above base.
type row struct {
	number int64
	cell   cell
}

// newest returns the highest number of a page, and base where nothing is newer.
func (p *page) newest(ch *channel) int64 {
	newest := ch.base
	for _, r := range p.rows {
		newest = max(newest, r.number)
	}
	return newest
}

// page reads feeds.csv with parameters, and judges each row and their order.
func (c *Check) page(ctx context.Context, random *rand.Rand, ch *channel, parameters url.Values) (*page, error) {
	answer, err := c.client.read(ctx, random, ch.path("feeds.csv?"+parameters.Encode()), ch.readKey)
	if err != nil {
		return nil, err
	}
	p := &page{}
	rows := thingspeak.NewCSVReader(bytes.NewReader(answer.body))
	for {
		var e thingspeak.Entry
		err := rows.Read(&e)
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		if _, bad := errors.AsType[*thingspeak.RowError](err); bad || errors.Is(err, thingspeak.ErrCutShort) {
			c.findings.add(KindForeign, ch.id, 0, "a feed cannot be read: %v", err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading feeds.csv: %w", err)
		}
		if p.lowest == 0 || e.ID < p.lowest {
			p.lowest = e.ID
		}
		if p.oldest.IsZero() || e.CreatedAt.Before(p.oldest) {
			p.oldest = e.CreatedAt
		}
		if e.ID <= ch.base {
			continue
		}
		if n := len(p.rows); n > 0 && e.ID != p.rows[n-1].number+1 {
			c.findings.add(KindGap, ch.id, e.ID, "a read showed entry %d next to entry %d", e.ID, p.rows[n-1].number)
		}
		p.rows = append(p.rows, row{e.ID, c.observe(ch, &e)})
	}
}

// stretch is what reads showed of the entries from a number on.
type stretch struct {
	from  int64
	cells []cell
	found int
}

func newStretch(from, to int64) *stretch {
	return &stretch{from: from, cells: make([]cell, max(0, to-from+1))}
}

// put adds a row, and reports whether it is news.
func (s *stretch) put(r row) bool {
	i := r.number - s.from
	if i < 0 || i >= int64(len(s.cells)) || s.cells[i] != (cell{}) {
		return false
	}
	s.cells[i] = r.cell
	s.found++
	return true
}

// full reports whether nothing is missing.
func (s *stretch) full() bool { return s.found == len(s.cells) }

// stretch reads the entries from and to, both above base. By numbers, where the relay can do that; else page by page
// backwards in time, and what is still missing then one by one.
func (c *Check) stretch(ctx context.Context, random *rand.Rand, ch *channel, from, to int64) (*stretch, error) {
	s := newStretch(from, to)
	if !ch.noRanges.Load() {
		for first := from; first <= to; first += thingspeak.MaxResults {
			known, err := c.byNumber(ctx, random, ch, s, first, min(to, first+thingspeak.MaxResults-1))
			if err != nil {
				return nil, err
			}
			if !known {
				ch.noRanges.Store(true)
				break
			}
		}
	}
	if !ch.noRanges.Load() {
		return s, nil
	}
	if err := c.byTime(ctx, random, ch, s); err != nil {
		return nil, err
	}
	return s, c.oneByOne(ctx, random, ch, s)
}

// byNumber reads a part of a stretch, and reports whether the relay knows how to.
func (c *Check) byNumber(
	ctx context.Context, random *rand.Rand, ch *channel, s *stretch, first, last int64,
) (known bool, err error) {
	// A relay may show fewer rows than a page is meant to have: the newest of what was asked for.
	for last >= first {
		p, err := c.page(ctx, random, ch, url.Values{
			"results":        {fmt.Sprint(thingspeak.MaxResults)},
			"start_entry_id": {fmt.Sprint(first)},
			"end_entry_id":   {fmt.Sprint(last)},
		})
		if err != nil {
			return false, err
		}
		if p.lowest == 0 {
			return true, nil
		}
		if p.lowest < first || p.newest(ch) > last {
			return false, nil
		}
		for _, r := range p.rows {
			s.put(r)
		}
		last = p.lowest - 1
	}
	return true, nil
}

// byTime reads a stretch from the newest entry backwards (contract section 7.3).
func (c *Check) byTime(ctx context.Context, random *rand.Rand, ch *channel, s *stretch) error {
	for end := (time.Time{}); ; {
		parameters := url.Values{
			"results": {fmt.Sprint(thingspeak.MaxResults)},
			// Long reads may come from a cache, which goes by the whole address.
			"fresh": {fmt.Sprint(random.Uint64())},
		}
		if !end.IsZero() {
			parameters.Set("end", end.UTC().Format(time.RFC3339))
		}
		p, err := c.page(ctx, random, ch, parameters)
		if err != nil {
			return err
		}
		news := false
		for _, r := range p.rows {
			news = s.put(r) || news
		}
		// Other writers may have pushed the stretch off the first page: what is newer is no news, but leads there.
		earlier := end.IsZero() || p.oldest.Before(end)
		if s.full() || p.lowest == 0 || p.lowest <= s.from || !news && !earlier {
			return nil
		}
		end = p.oldest
	}
}

// oneByOne asks for what is missing in a stretch.
func (c *Check) oneByOne(ctx context.Context, random *rand.Rand, ch *channel, s *stretch) error {
	asked := 0
	for i := range s.cells {
		if s.cells[i] != (cell{}) || asked == maxSingles {
			continue
		}
		if asked++; asked > 1 {
			if err := sleep(ctx, time.Second); err != nil {
				return err
			}
		}
		number := s.from + int64(i)
		answer, err := c.client.read(ctx, random, ch.path(fmt.Sprintf("feeds/%d.csv", number)), ch.readKey)
		if err != nil {
			return err
		}
		var e thingspeak.Entry
		// Whatever is not the entry means that it is not there.
		if err := thingspeak.NewCSVReader(bytes.NewReader(answer.body)).Read(&e); err == nil && e.ID == number {
			s.put(row{number, c.observe(ch, &e)})
		}
	}
	return nil
}
