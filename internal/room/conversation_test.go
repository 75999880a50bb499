package room_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

var salt = record.Salt{1, 2, 3}

// member is somebody in a conversation, with a home of their own.
type member struct {
	*room.Conversation

	t       testing.TB
	o       room.Options
	dir     string
	archive *archive.Room
	client  *remote.Client
	now     time.Time  // zero: the real one
	mark    model.Mark // up to which states were taken
}

// hall is a channel and the key that its members share.
type hall struct {
	t       testing.TB
	relay   *relaytest.Server
	channel relaytest.Channel
	key     fernet.Key
	fields  []int
}

func newHall(t testing.TB, fields ...int) *hall {
	t.Helper()
	return hallOf(t, relaytest.New(t, relaytest.InMemory()), fields...)
}

func hallOf(t testing.TB, server *relaytest.Server, fields ...int) *hall {
	t.Helper()
	if len(fields) == 0 {
		fields = []int{1, 2, 3, 4, 5, 6, 7, 8}
	}
	return &hall{t, server, server.CreateChannel(t, relaytest.AllFields(true)), fernet.GenerateKey(), fields}
}

// options are those of a member of the hall with an identity made of seed.
func (h *hall) options(seed byte, nick string) room.Options {
	return room.Options{
		Keys: []fernet.Key{h.key}, Salt: salt, Identity: record.NewIdentity([record.KeySize]byte{seed}), Nick: nick,
		Fields: h.fields,
	}
}

func (h *hall) join(seed byte, nick string) *member {
	h.t.Helper()
	return h.enter(h.options(seed, nick), filepath.Join(h.t.TempDir(), "state"))
}

// enter opens a home.
func (h *hall) enter(o room.Options, dir string) *member {
	h.t.Helper()
	store, err := archive.OpenRoom(dir, "lab")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { store.Close() })
	c, err := room.Open(store, o)
	if err != nil {
		h.t.Fatal(err)
	}
	return &member{Conversation: c, t: h.t, o: o, dir: dir, archive: store, client: h.client()}
}

func (h *hall) client() *remote.Client {
	h.t.Helper()
	client, err := remote.New(remote.Options{
		BaseURL: h.relay.URL, Channel: h.channel.ID, WriteKey: remote.Secret(h.channel.WriteKey),
		Transport: h.relay.Transport(h.t),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return client
}

// again closes a home and opens it once more, as another process would.
func (m *member) again(h *hall) *member {
	m.t.Helper()
	if err := m.archive.Close(); err != nil {
		m.t.Fatal(err)
	}
	return h.enter(m.o, m.dir)
}

func (m *member) clock() time.Time {
	if m.now.IsZero() {
		return time.Now()
	}
	return m.now
}

// position is what a reader keeps of a feed.
type position struct {
	exchange.Position
}

// read reads the room as cli does.
func (m *member) read() (model.Arrivals, error) { return readRoom(m.Conversation, m.client, m.clock()) }

func readRoom(c *room.Conversation, client *remote.Client, now time.Time) (model.Arrivals, error) {
	in, err := c.Receive(1000)
	if err != nil {
		return model.Arrivals{}, err
	}
	var pos position
	if b := in.Position(); len(b) > 0 {
		if err := json.Unmarshal(b, &pos); err != nil {
			return model.Arrivals{}, err
		}
	}
	again, suspect := rangesOf(in.Again()), []exchange.Range(nil)
	if pos.Suspected.Due(time.Now()) {
		entries, err := in.Suspect()
		if err != nil {
			return model.Arrivals{}, err
		}
		suspect = rangesOf(entries)
	}
	var entries []thingspeak.Entry
	anchor, err := in.Anchor()
	if err != nil {
		return model.Arrivals{}, err
	}
	add := func(e *thingspeak.Entry) error {
		entries = append(entries, *e)
		return nil
	}
	news, readErr := client.Follow(context.Background(), pos.Position, exchange.Visitor{
		Entry: add, Seen: add, Again: again, Suspect: suspect,
		Anchor: exchange.Anchor{Entry: anchor.Entry, Shows: anchor.Shows},
	})
	if news.Cleared {
		if err := in.Cleared(); err != nil {
			return model.Arrivals{}, err
		}
	}
	for i := range entries {
		if err := in.Add(&entries[i]); err != nil {
			break
		}
	}
	facts := room.Facts{
		Position: func(learnt room.Learnt) ([]byte, error) {
			if pos.Position = news.Position; learnt.Missing {
				pos.Suspected.Restart(time.Now())
			}
			return json.Marshal(pos)
		},
		LastID: news.LastID, Rewritten: news.Rewritten, Twins: news.Twins,
		Now: now,
	}
	for _, g := range news.Position.Gaps {
		facts.View.Holes = append(facts.View.Holes, record.Hole{First: g.First, Last: g.Last, Since: g.Since, Asked: g.Asked()})
	}
	facts.View.Unread = readErr != nil || news.Doubtful || news.Stopped
	arrivals, err := in.Finish(facts)
	return arrivals, errors.Join(readErr, err)
}

func rangesOf(entries []room.EntryRange) (all []exchange.Range) {
	for _, e := range entries {
		all = append(all, exchange.Range{First: e.First, Last: e.Last})
	}
	return all
}

// relayPoster takes single steps of a delivery, and a bulkRelayPoster those for many entries.
type (
	relayPoster interface {
		Post(ctx context.Context, fields thingspeak.Fields, after int64) (entry int64, err error)
		Find(ctx context.Context, fields []thingspeak.Fields, after int64, promised bool) (entries []int64, err error)
	}
	bulkRelayPoster interface {
		relayPoster
		PostBulk(ctx context.Context, entries []thingspeak.Entry) error
	}
)

// deliver drives a delivery to its end.
func deliver(ctx context.Context, c *room.Conversation, to relayPoster, progress func(model.Progress)) (model.Delivered, error) {
	d, err := c.Deliver(ctx, progress)
	if err != nil {
		return model.Delivered{}, err
	}
	defer d.End()
	for {
		step, err := d.Next(ctx)
		if err != nil || step == nil {
			return d.Delivered, err
		}
		entries, err := []int64{0}, error(nil)
		switch step.What {
		case room.Post:
			entries[0], err = to.Post(ctx, step.Entries[0].Fields, step.After)
		case room.PostBulk:
			if bulk, ok := to.(bulkRelayPoster); !ok {
				err = room.ErrNoBulk
			} else {
				err = bulk.PostBulk(ctx, step.Entries)
			}
		case room.Find:
			fields := make([]thingspeak.Fields, len(step.Entries))
			for i := range fields {
				fields[i] = step.Entries[i].Fields
			}
			entries, err = to.Find(ctx, fields, step.After, step.Promised)
		}
		if err := d.Answer(entries, err); err != nil {
			return d.Delivered, err
		}
	}
}

// Deliver is deliver of a member's room.
func (m *member) Deliver(ctx context.Context, to relayPoster, progress func(model.Progress)) (model.Delivered, error) {
	return deliver(ctx, m.Conversation, to, progress)
}

// poster makes a client what a delivery is driven by.
type poster struct{ *remote.Client }

func (p poster) Post(ctx context.Context, fields thingspeak.Fields, after int64) (int64, error) {
	return p.Client.Post(ctx, fields, after, nil)
}

func (p poster) Find(ctx context.Context, fields []thingspeak.Fields, after int64, _ bool) ([]int64, error) {
	return p.FindAll(ctx, fields, after)
}

// bulkPoster is a poster that posts many entries at a time.
type bulkPoster struct{ poster }

func (p bulkPoster) PostBulk(ctx context.Context, entries []thingspeak.Entry) error {
	err := p.BulkUpdate(ctx, entries)
	if wire.HasNoBulk(err) {
		return room.ErrNoBulk
	}
	return err
}

// say writes a text and delivers it.
func (m *member) say(text string) room.Written {
	m.t.Helper()
	w, err := m.Write(record.Text(text), m.clock())
	if err != nil {
		m.t.Fatal(err)
	}
	m.deliver()
	return w
}

func (m *member) deliver() model.Delivered {
	m.t.Helper()
	if _, err := m.read(); err != nil {
		m.t.Fatal(err)
	}
	done, err := m.Deliver(m.t.Context(), bulkPoster{poster{m.client}}, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	return done
}

// look reads the room, and is shown what came.
func (m *member) look() model.Arrivals {
	m.t.Helper()
	a, err := m.read()
	if err != nil {
		m.t.Fatal(err)
	}
	mark, _, err := m.Shown("look")
	var printed model.Printed
	for more := true; more && err == nil; {
		var news room.News
		news, err = m.Since(mark, 0)
		for i := range news.Items {
			if it := &news.Items[i]; it.Record == nil || it.Record.Kind() != record.KindHeartbeat {
				printed.Add(it)
			}
		}
		mark, more = news.Until, news.More
	}
	if err := errors.Join(err, m.SetShown("look", mark), m.SetPrinted(printed)); err != nil {
		m.t.Fatal(err)
	}
	return a
}

// states returns what has become of the member's own messages since it was asked last.
func (m *member) states() (all []string) {
	m.t.Helper()
	for more := true; more; {
		news, err := m.Since(m.mark, 0)
		if err != nil {
			m.t.Fatal(err)
		}
		for i := range news.States {
			all = append(all, news.States[i].Text())
		}
		m.mark, more = news.Until, news.More
	}
	return all
}

// told demands what has become of the member's own messages since it was asked last.
func (m *member) told(want ...string) {
	m.t.Helper()
	if got := m.states(); !slices.Equal(got, want) {
		m.t.Errorf("the states %q, want %q", got, want)
	}
}

// history returns the texts of the conversation.
func (m *member) history() []string {
	m.t.Helper()
	var all []string
	err := m.History(0, func(it *model.Item) error {
		all = append(all, line(it))
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return all
}

func line(it *model.Item) string {
	switch {
	case it.Unsigned != nil:
		return "unsigned: " + it.Unsigned.Text
	case it.Notice != "":
		return it.Notice
	}
	switch body := it.Record.Body.(type) {
	case record.Text:
		return it.Record.Name + ": " + string(body)
	default:
		return it.Record.Name + ": " + body.Kind().String()
	}
}

func lines(items []model.Item) (all []string) {
	for i := range items {
		all = append(all, line(&items[i]))
	}
	return all
}

// standing is a reader's position that does not depend on what was read.
func standing(position []byte) func(room.Learnt) ([]byte, error) {
	return func(room.Learnt) ([]byte, error) { return position, nil }
}
