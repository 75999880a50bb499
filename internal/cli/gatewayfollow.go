package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/gateway"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Follow is part of [gateway.Rooms].
func (g *gatewayRooms) Follow(ctx context.Context, files, mark string, take func(*gateway.News) error) (err error) {
	k, err := g.find(files)
	if err != nil {
		return err
	}
	fresh, err := g.isNew(k.room, mark)
	if err != nil {
		return err
	}
	stream, err := g.engine.Follow(k.room, messenger.FollowOptions{
		Mark: mark, FromStart: fresh, Fastest: g.pace.Fastest, Slowest: g.pace.Slowest,
	}, messenger.Face{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	f := &gatewayFollower{stream: stream, take: take}
	if err := f.tell(true); err != nil {
		return err
	}
	for {
		e, err := f.next(ctx)
		switch {
		case err != nil:
			return err
		case e == nil:
			if now, found := g.find(files); found == nil && !messenger.SameRelay(now.room, k.room) {
				return messenger.ErrRoomChanged // it is followed anew
			}
			err = f.tell(true)
		default:
			err = f.happened(e)
		}
		if err != nil {
			return err
		}
	}
}

// next returns what has happened next, nil when it is time to look at what other processes have changed.
func (f *gatewayFollower) next(ctx context.Context) (messenger.Event, error) {
	soon, cancel := context.WithTimeout(ctx, lookedAgain)
	defer cancel()
	e, err := f.stream.Next(soon)
	if err != nil && soon.Err() != nil && ctx.Err() == nil {
		return nil, nil
	}
	return e, err
}

// lookedAgain is when somebody looks again whose words were compared meanwhile.
const lookedAgain = 5 * time.Second

// isNew reports whether nobody has followed a room under a mark before.
func (g *gatewayRooms) isNew(settings model.Room, mark string) (fresh bool, err error) {
	r, err := g.engine.Open(settings, messenger.Face{})
	if err != nil {
		return false, err
	}
	_, known, err := r.Shown(mark)
	return !known, errors.Join(err, r.Close())
}

// gatewayFollower tells the gateway what happens in a room.
type gatewayFollower struct {
	stream *messenger.Stream
	take   func(*gateway.News) error
	came   []gateway.Arrival
	// found says that there may be other findings, or that of authors something else is known than what was told.
	found    bool
	authors  []gateway.Author
	findings []any
}

// happened takes an event, and tells what has come up to a mark.
func (f *gatewayFollower) happened(e messenger.Event) error {
	switch e := e.(type) {
	case messenger.Message:
		if a, ok := arrivalOf(&e.Item); ok {
			f.came = append(f.came, a)
		}
	case messenger.Found:
		f.found = true
	case messenger.Read:
		return f.tell(f.found)
	case messenger.Reached:
		if err := f.tell(f.found || len(f.came) > 0); err != nil {
			return err
		}
		return f.stream.Keep(e)
	}
	return nil
}

// tell tells what has come, with who has written and what was found where that may be other than before.
func (f *gatewayFollower) tell(changed bool) error {
	n := gateway.News{Arrivals: f.came}
	if changed {
		people, err := f.stream.People()
		if err != nil {
			return err
		}
		n.Authors = make([]gateway.Author, 0, len(people)+1)
		if own, name := f.stream.Own(); !own.IsZero() { // also before anything of it was read
			n.Authors = append(n.Authors, gateway.Author{Key: own.String(), Name: screen.Line(name), Own: true})
		}
		for i := range people {
			p := &people[i]
			n.Authors = append(n.Authors, gateway.Author{
				Key: p.Key.String(), Name: screen.Line(p.Name), Own: p.Own, Compared: p.Compared, Lost: p.Lost,
			})
		}
		standing, _, err := f.stream.Standing()
		if err != nil {
			return err
		}
		n.Findings = make([]any, 0, len(standing))
		for i := range standing {
			n.Findings = append(n.Findings, jsonOfFinding(&standing[i], false))
		}
	}
	if n.Authors != nil && slices.Equal(n.Authors, f.authors) {
		n.Authors = nil
	}
	if n.Findings != nil && reflect.DeepEqual(n.Findings, f.findings) {
		n.Findings = nil
	}
	if n.Authors == nil && n.Findings == nil && len(n.Arrivals) == 0 {
		return nil
	}
	if err := f.take(&n); err != nil {
		return err
	}
	if n.Authors != nil {
		f.authors = n.Authors
	}
	if n.Findings != nil {
		f.findings = n.Findings
	}
	f.came, f.found = nil, false
	return nil
}

// arrivalOf returns the reading that a message is. In a room of texts each text is one, in its field.
func arrivalOf(it *model.Item) (a gateway.Arrival, ok bool) {
	reading, ok := it.Reading()
	if u := it.Unsigned; !ok && u != nil && u.Kind == model.KindText && u.Field > 0 && len(u.Text) <= record.MaxReadingValue {
		reading.Values[u.Field-1] = record.Value{Text: u.Text, Given: true}
		ok = true
	}
	if !ok {
		return a, false
	}
	name := fmt.Sprint(it.At)
	if m := it.Record; m != nil {
		name = fmt.Sprintf("%v %d %x", m.Author, m.Number, m.Hash)
	}
	source := sha256.Sum256([]byte(name))
	a = gateway.NewArrival(source[:16], entryOf(&reading, it.Clock()), it.Posted)
	a.Own = true
	if m := it.Record; m != nil {
		a.Author, a.Own = m.Author.String(), m.Own
	}
	return a, true
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
