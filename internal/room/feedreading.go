package room

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// feedPosition is what a room keeps of its feed between readings.
type feedPosition struct {
	exchange.Position

	// Vain is what was read in vain.
	Vain exchange.VainHour `json:"barren,omitzero"`
	// Wanted are entries that are to be asked for before others: what is missing depends on them.
	Wanted []exchange.Range `json:"wanted,omitempty"`
	// Passed is the entry up to which a room of texts was not read.
	Passed int64 `json:"passed,omitempty"`
}

// newestTexts is how many entries the first reading of a room of texts brings: as many as one answer of the service holds.
const newestTexts = thingspeak.MaxResults

// positionFrom reads a position that was kept. Of a damaged one, as where none was, reading begins with the first entry:
// what is kept already is recognised.
func positionFrom(b []byte) feedPosition {
	var at feedPosition
	if len(b) > 0 && json.Unmarshal(b, &at) != nil {
		return feedPosition{} // nothing of what was decoded before the damage
	}
	return at
}

// PassedOver returns the entry up to which a room of texts was not read, as kept; 0 where it was read from its beginning.
func (c *Conversation) PassedOver() (int64, error) {
	if !c.o.Texts {
		return 0, nil
	}
	state, err := c.store.State()
	return positionFrom(state.Position).Passed, err
}

// FeedReading is one reading of a room's feed over an exchange: what to ask for, and what to keep of the answers.
//
//	g, err := c.ReadFeed(budget, false)
//	news, err := x.Follow(ctx, g.Position(), g.Visitor())
//	arrivals, err := g.Finish(news, err)
type FeedReading struct {
	*Intake

	at     feedPosition
	all    int64 // bytes that any reading may bring, and budget what this one may
	budget int64
	visit  exchange.Visitor
	stop   exchange.Stop
	// whole has all of a room of texts read, and wholeRead tells that it was.
	whole, wholeRead bool
}

// ReadFeed begins to read what is new, as [Conversation.Receive] does of what is handed in; none of the messages is handed out.
// Budget is how many bytes a reading may bring, 0 for no limit. Whole has all of a room of texts read: what the first reading
// has passed over, and once more what was read, since a relay may have shown it otherwise.
func (c *Conversation) ReadFeed(budget int64, whole bool) (*FeedReading, error) {
	in, err := c.Receive(0)
	if err != nil {
		return nil, err
	}
	g := &FeedReading{Intake: in, at: positionFrom(in.Position()), all: budget, whole: whole && c.o.Texts}
	g.budget = g.at.Vain.Left(budget, time.Now())
	anchor, err := in.Anchor()
	if err != nil {
		return nil, err
	}
	again, suspect, newest := rangesOf(in.Again()), []exchange.Range(nil), int64(newestTexts)
	if !c.o.Texts || whole {
		newest = 0
	}
	if g.whole {
		again = append(again, exchange.Range{First: 1, Last: g.at.Last})
	}
	if g.at.Suspected.Due(time.Now()) {
		entries, err := in.Suspect()
		if err != nil {
			return nil, err
		}
		suspect = rangesOf(entries)
	}
	g.visit = exchange.Visitor{
		Entry: in.Add, Seen: in.Add, Cleared: in.Cleared,
		Anchor: exchange.Anchor{Entry: anchor.Entry, Shows: anchor.Shows}, Wanted: g.at.Wanted, Again: again,
		Suspect: suspect, Fields: thingspeak.FieldsOf(c.o.Fields...), Newest: newest, Passed: g.at.Passed, Budget: g.budget,
	}
	return g, nil
}

// Position is where the reading goes on.
func (g *FeedReading) Position() exchange.Position { return g.at.Position }

// Visitor says what to ask for, and hands what comes to [Intake.Add] and [Intake.Cleared].
func (g *FeedReading) Visitor() exchange.Visitor { return g.visit }

// Passed is the entry up to which a room of texts was not read, and Stop why the reading did not come to the feed's end, both
// once it is finished.
func (g *FeedReading) Passed() int64 { return g.at.Passed }

// WholeRead reports whether all of a room of texts was to be read, and needs not be again.
func (g *FeedReading) WholeRead() bool { return g.wholeRead }

// Stop is described at [FeedReading.Passed].
func (g *FeedReading) Stop() exchange.Stop { return g.stop }

// Finish keeps what came, with what the reading has found out besides and the error that has ended it. Beside an error the
// arrivals up to it are good; the error of the reading is not among those returned.
func (g *FeedReading) Finish(news *exchange.News, failed error) (model.Arrivals, error) {
	// Where a row of several is shown no more, the others tell what was lost with it.
	for i := range news.Left {
		if g.Add(&news.Left[i]) != nil {
			break // [Intake.Finish] returns it
		}
	}
	g.stop = exchange.StopOf(news, g.budget, g.all, &g.at.Vain)
	switch {
	case news.Pushed: // nothing was asked
	case news.Passed > 0 || news.Cleared || g.at.Passed > news.Position.Last && failed == nil:
		g.at.Passed = news.Passed
	case g.whole && (failed == nil || news.LastID > 0): // it is among the gaps from now on
		g.at.Passed, g.wholeRead = 0, true
	}
	now := time.Now()
	facts := Facts{
		Position: g.next(news, now), LastID: news.LastID, Rewritten: news.Rewritten,
		Twins: news.Twins, Doubled: news.Doubled, Redated: news.Redated, Now: now, Failed: failed != nil || news.Pushed,
	}
	facts.View.Holes = Holes(news.Position.Lacking(now))
	hidden := slices.ContainsFunc(g.c.o.Fields, news.Hidden.Has)
	facts.View.Unread = facts.Failed || news.Doubtful || news.Stopped || hidden
	return g.Intake.Finish(facts)
}

// next returns what is to be kept of the position.
func (g *FeedReading) next(news *exchange.News, now time.Time) func(Learnt) ([]byte, error) {
	return func(learnt Learnt) ([]byte, error) {
		at := g.at
		at.Position = news.Position
		at.Vain.Add(news.Bytes-news.Compared, learnt.Opened, !news.Pushed, now)
		at.Wanted = nil
		for _, h := range learnt.Needed {
			at.Wanted = append(at.Wanted, exchange.Range{First: h.First, Last: h.Last})
		}
		if learnt.Missing {
			at.Suspected.Restart(now)
		}
		return json.Marshal(at)
	}
}

func rangesOf(entries []EntryRange) (all []exchange.Range) {
	for _, e := range entries {
		all = append(all, exchange.Range{First: e.First, Last: e.Last})
	}
	return all
}

// Holes are what is lacking, as whoever judges records wants it.
func Holes(lacking []exchange.Range) (all []record.Hole) {
	for i := range lacking {
		r := &lacking[i]
		all = append(all, record.Hole{First: r.First, Last: r.Last, Since: r.Since, Asked: r.Asked()})
	}
	return all
}
