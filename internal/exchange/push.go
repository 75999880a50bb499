package exchange

import (
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// An entry that a relay pushes is the answer to no question: it may be late, early, or another channel's. The one with the
// next number is handed out at once; whatever else comes is a reason to read and no more. Until an answer has shown them,
// entries that were pushed are not taken for read, so that a lie by push is found by the rules of reading.

// Pushed is an entry that came by itself.
type Pushed struct {
	thingspeak.Entry

	// Channel is the number of the channel that it is said to stand in.
	Channel int64
	// Fields are those that would have been shown.
	Fields thingspeak.FieldSet
}

// maxPushed is how many rows may be pushed before an answer is to show them: of as many a position has the digests.
const maxPushed = maxRows

// Take visits entries that were pushed, as long as each has the number that follows the position, and returns how many it
// took; a row that is known already counts, and is not visited. Where it did not take all the channel is to be read, see
// [Visitor.Look]. It asks for nothing, and draws no conclusions: News has the position, and what was visited.
//
// Of the visitor, Entry, Fields and Budget count. An error of it is returned as it is.
func (x *Exchange) Take(pos Position, pushed []Pushed, v Visitor) (news News, taken int, err error) {
	now := time.Now().Truncate(time.Millisecond) // as it is kept
	pos.heal(now)
	k := x.newCall(v.Budget)
	f := follower{pos: pos, v: Visitor{Entry: v.Entry, Fields: v.Fields}, news: &news, now: now}
	f.prepare(k)
	// A position without a row, or of another relay's rows, or in doubt, says nothing of what comes next.
	follows := len(pos.Rows) > 0 && pos.Address == x.set.Address && pos.Absent.Since.IsZero()
	last, known := pos.Last, pos.Rows
	for i := range pushed {
		e := &pushed[i]
		switch {
		case e.Channel != x.set.Channel || e.ID < 1 || e.ID > MaxStored:
			follows = false
		case known.tell(&e.Entry, pos.Unread.of(e.ID)) || known.mayTell(&e.Entry, e.Fields):
			taken++
			continue
		case e.ID != last+1 || pos.Pushed.count()+e.ID-pos.Last > maxPushed,
			k.budget > 0 && news.Bytes >= k.budget:
			follows = false
		}
		if !follows {
			break
		}
		f.r.fields = e.Fields
		if err = f.take(&e.Entry, false); err != nil {
			break
		}
		last, known = e.ID, append(known[:len(known):len(known)], digestOf(&e.Entry, e.Fields))
		news.Bytes += rowBytes(&e.Entry)
		taken++
	}
	if err == nil {
		err = f.flush()
	}
	f.move(nil) // which is no look, as nothing is trusted
	news.Position.Pushed = pos.Pushed.union(f.visited.minus(f.known))
	return News{Position: news.Position, Visited: news.Visited, Hidden: news.Hidden, Bytes: news.Bytes, Pushed: true}, taken, err
}
