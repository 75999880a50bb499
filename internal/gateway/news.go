package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// news is what has come in a room.
type news struct {
	// arrivals are readings, in the order in which they came.
	arrivals []arrival
	// authors are all who have written in the room, nil for as before.
	authors []author
	// findings are all that is wrong with what the room holds, nil for as before.
	findings []item.Finding
}

// arrival is a reading of the room.
type arrival struct {
	// source tells it from all others of the room, for good.
	source []byte
	// entry has its date, and no number.
	entry thingspeak.Entry
	// author is the public key of who has signed it, empty for nobody.
	author string
	// own says that it may be one that was taken here.
	own bool
	// posted is the relay's date.
	posted time.Time
}

// maxAhead is how far a clock may be ahead of ours.
const maxAhead = 24 * time.Hour

// shownDate is the date under which somebody else's reading is shown: its author's, unless that has not come yet. One of the year 9999
// would stay the newest for good.
func (a *arrival) shownDate(now time.Time) time.Time {
	date := a.entry.CreatedAt
	for _, other := range []time.Time{a.posted, now} {
		if date.After(now.Add(maxAhead)) {
			date = time.Unix(other.Unix(), 0).UTC()
		}
	}
	return date
}

// author is who has written in a room.
type author struct {
	// key is the public key, and name how it is known here.
	key, name string
	// standing is that of the key, whichever message it is of.
	standing model.Standing
}

const (
	// lookedAgain is when somebody looks again whose words were compared meanwhile.
	lookedAgain = 5 * time.Second
	// toldAtOnce is how many messages are told at once.
	toldAtOnce = 1000
)

// follow is part of [rooms].
func (d *deviceRooms) follow(ctx context.Context, roomID, mark string, take func(*news) error) error {
	if err := d.tellFirst(ctx, roomID, mark, take); err != nil {
		return err
	}
	for {
		room, err := d.followed.byID(roomID)
		if err != nil {
			return err
		}
		_, changed, _ := room.now()
		if err := room.tellNews(mark, take); err != nil && !errors.Is(err, errMoved) { // then it is followed anew
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(lookedAgain):
		}
	}
}

// tellFirst tells what is in a room of texts of which nothing was told under the mark. It is told in the order of the feed: in that in
// which it came, what a first reading has passed over would stand behind what is newer.
func (d *deviceRooms) tellFirst(ctx context.Context, roomID, mark string, take func(*news) error) (err error) {
	settings, err := d.engine.FindByFilesName(roomID)
	if err != nil {
		return err
	}
	if signed, err := messenger.Signed(settings); err != nil || signed {
		return err
	}
	if known, err := d.wasTold(settings, mark); err != nil || known {
		return err
	}
	pace := d.followed.pace
	stream, err := d.engine.Follow(settings, messenger.FollowOptions{
		Mark: mark, FromStart: true, Fastest: pace.Fastest, Slowest: pace.Slowest,
	}, messenger.Face{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	var n news
	if err := n.look(stream.Room); err != nil {
		return err
	}
	if err := take(&n); err != nil {
		return err
	}
	for {
		e, err := stream.Next(ctx)
		if err != nil {
			return err
		}
		switch e := e.(type) {
		case messenger.Message:
			n.add(&e.Item)
		case messenger.Read:
			if now, err := stream.Now(); err != nil || now.Message == 0 { // there is none
				return err
			}
		case messenger.Reached:
			if err := n.look(stream.Room); err != nil {
				return err
			}
			if err := take(&n); err != nil {
				return err
			}
			return stream.Keep(e)
		}
	}
}

// wasTold reports whether anything of a room was told under a mark before.
func (d *deviceRooms) wasTold(settings model.Room, mark string) (known bool, err error) {
	r, err := d.engine.Open(settings, messenger.Face{})
	if err != nil {
		return false, err
	}
	_, known, err = r.Shown(mark)
	return known, errors.Join(err, r.Close())
}

// tellNews tells what has come in a room and was not told under the mark, and who writes there.
func (t *followedRoom) tellNews(mark string, take func(*news) error) error {
	for more := true; more; {
		var n news
		var from, until model.Mark
		err := t.with(func(r *messenger.Room) (err error) {
			if from, _, err = r.Shown(mark); err != nil {
				return err
			}
			b, err := r.Since(from, toldAtOnce)
			if err != nil {
				return err
			}
			for i := range b.Items {
				n.add(&b.Items[i])
			}
			until, more = b.Until, b.More
			return n.look(r)
		})
		if err != nil {
			return err
		}
		if err := take(&n); err != nil {
			return err
		}
		if until != from {
			if err := t.with(func(r *messenger.Room) error { return r.SetShown(mark, until) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// look looks at who has written in a room, and what is wrong with what it holds.
func (n *news) look(r *messenger.Room) error {
	people, err := r.People()
	if err != nil {
		return err
	}
	n.authors = make([]author, 0, len(people)+1)
	if own, name := r.Own(); !own.IsZero() { // also before anything of it was read
		n.authors = append(n.authors, author{own.String(), screen.Line(name), model.Yours})
	}
	for i := range people {
		p := &people[i]
		n.authors = append(n.authors, author{p.Key.String(), screen.Line(p.Name), p.StandingOf(math.MaxUint32)}) // as of none in particular
	}
	standing, _, err := r.Standing()
	n.findings = make([]item.Finding, 0, len(standing))
	for i := range standing {
		n.findings = append(n.findings, item.OfFinding(&standing[i], false))
	}
	return err
}

// add adds the reading that a message is. In a room of texts each text is one, in its field.
func (n *news) add(it *model.Item) {
	reading, ok := it.Reading()
	if u := it.Unsigned; !ok && u != nil && u.Kind == model.KindText && u.Field > 0 && len(u.Text) <= record.MaxReadingValue {
		reading.Values[u.Field-1] = record.Value{Text: u.Text, Given: true}
		ok = true
	}
	if !ok {
		return
	}
	name := fmt.Sprint(it.At)
	if m := it.Record; m != nil {
		name = fmt.Sprintf("%v %d %x", m.Author, m.Number, m.Hash)
	}
	source := sha256.Sum256([]byte(name))
	a := newArrival(source[:16], entryOf(&reading, it.Clock()), it.Posted)
	a.own = true
	if m := it.Record; m != nil {
		a.author, a.own = m.Author.String(), m.Own
	}
	n.arrivals = append(n.arrivals, a)
}

// entryOf is a reading as the doors have it.
func entryOf(r *record.Reading, at time.Time) (e thingspeak.Entry) {
	for i, v := range r.Values {
		e.Fields[i] = thingspeak.Value{Text: v.Text, Given: v.Given}
	}
	for _, part := range []struct {
		text string
		to   *thingspeak.Value
	}{{r.Status, &e.Status}, {r.Latitude, &e.Latitude}, {r.Longitude, &e.Longitude}, {r.Elevation, &e.Elevation}} {
		if part.text != "" {
			*part.to = thingspeak.Text(part.text)
		}
	}
	e.CreatedAt = at
	return e
}

// newArrival makes an arrival of an entry. Its date is the author's, or the relay's where no relay's date can show that: the clock of
// a message that is verified may say what its author wants.
func newArrival(source []byte, e thingspeak.Entry, posted time.Time) arrival {
	shown := func(at time.Time) bool { return at.Unix() >= 0 && at.UTC().Year() <= 9999 }
	if !shown(e.CreatedAt) {
		e.CreatedAt = posted
	}
	if !shown(e.CreatedAt) {
		e.CreatedAt = time.Now()
	}
	e.CreatedAt = time.Unix(e.CreatedAt.Unix(), 0).UTC()
	return arrival{source: source, entry: e, posted: posted}
}
