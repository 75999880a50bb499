package room_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// countingPoster counts requests and may lose the second half of a bulk update.
type countingPoster struct {
	bulkPoster

	posted, bulks, found int
	half                 bool
}

func (p *countingPoster) Post(ctx context.Context, fields thingspeak.Fields, after int64) (int64, error) {
	p.posted++
	return p.bulkPoster.Post(ctx, fields, after)
}

func (p *countingPoster) PostBulk(ctx context.Context, entries []thingspeak.Entry) error {
	if p.bulks++; p.half {
		p.half = false
		entries = entries[:len(entries)/2]
	}
	return p.bulkPoster.PostBulk(ctx, entries)
}

func (p *countingPoster) Find(
	ctx context.Context, fields []thingspeak.Fields, after int64, promised bool,
) ([]int64, error) {
	p.found++
	return p.bulkPoster.Find(ctx, fields, after, promised)
}

// A file goes out in bulk, under dates of the past that are used once, whatever becomes of the first attempt.
func TestBulk(t *testing.T) {
	content := []byte(strings.Repeat("content ", 2000))
	for name, c := range map[string]struct {
		fault           relaytest.Fault // of the first bulk update
		half            bool
		fails           bool // the first delivery
		posted, rebulks int
		again           bool // entries that are there twice
	}{
		"stored":             {},
		"reply lost":         {fault: relaytest.LoseReply(), fails: true},
		"request lost":       {fault: relaytest.LoseRequest(), fails: true, rebulks: 1},
		"half of it lost":    {half: true, rebulks: 1},
		"no bulk updates":    {fault: relaytest.Answer(404, "application/json", "{}"), posted: 20},
		"refused":            {fault: relaytest.Answer(401, "application/json", "{}"), fails: true, rebulks: 1},
		"answer not a relay": {fault: relaytest.Answer(200, "text/html", "<html>"), fails: true, rebulks: 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t)
			ana, bo := h.join(1, "ana"), h.join(2, "bo")
			bo.say("before")
			bo.look()
			ana.look()
			w, err := ana.Write(record.File{Name: "notes.txt", Media: "text/plain", Content: content}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if w.Entries != 20 {
				t.Fatalf("%d entries, want 20", w.Entries)
			}
			p := &countingPoster{bulkPoster: bulkPoster{poster{ana.client}}, half: c.half}
			if c.fault != nil {
				h.relay.Inject(relaytest.On("bulk_update", c.fault))
			}
			var steps []model.Progress
			_, err = ana.Deliver(t.Context(), p, func(p model.Progress) { steps = append(steps, p) })
			if (err != nil) != c.fails {
				t.Fatalf("Deliver = %v", err)
			}
			h.relay.Inject(nil)
			if c.fails {
				ana = ana.again(h)
				ana.look()
				p.Client = ana.client
				if _, err := ana.Deliver(t.Context(), p, func(p model.Progress) { steps = append(steps, p) }); err != nil {
					t.Fatal(err)
				}
			}
			if p.posted != c.posted || p.bulks != 1+c.rebulks {
				t.Errorf("%d entries posted by themselves, %d bulk updates", p.posted, p.bulks)
			}
			if len(steps) > 0 { // what was read back meanwhile need not be delivered
				if last := steps[len(steps)-1]; last.Posted != 20 || last.Total != 20 {
					t.Errorf("progress ends with %+v", last)
				}
			}
			rows := h.relay.Entries(t, h.channel.ID)
			if len(rows) != 21 {
				t.Errorf("%d entries, want 21", len(rows))
			}
			dates := map[time.Time]bool{}
			for _, e := range rows[1:] {
				if dates[e.CreatedAt] && c.posted == 0 || e.CreatedAt.After(time.Now()) {
					t.Errorf("entry %d has the date %v", e.ID, e.CreatedAt)
				}
				dates[e.CreatedAt] = true
			}
			got := bo.look()
			if len(got.Items) != 1 || len(got.Told) > 0 {
				t.Fatalf("%v, told %v", lines(got.Items), told(got.Told))
			}
			want := record.File{Name: "notes.txt", Media: "text/plain", Content: content}
			if d := cmp.Diff(record.Body(want), got.Items[0].Record.Body); d != "" {
				t.Error(d)
			}
			ana.look()
			if left, err := ana.Outbox(); err != nil || len(left) > 0 {
				t.Errorf("outbox %+v, %v", left, err)
			}
		})
	}
}

// Transfers that follow each other quickly take different dates, all of them past.
func TestDatesAreUsedOnce(t *testing.T) {
	h := newHall(t, 1)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.look()
	p := &countingPoster{bulkPoster: bulkPoster{poster{ana.client}}}
	for i := range 3 {
		if _, err := ana.Write(record.Text(fmt.Sprint(i, strings.Repeat("x", 1000))), time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := ana.Deliver(t.Context(), p, nil); err != nil {
			t.Fatal(err)
		}
	}
	if p.bulks != 3 || p.posted != 0 {
		t.Errorf("%d bulk updates and %d single ones", p.bulks, p.posted)
	}
	dates := map[time.Time]bool{}
	for _, e := range h.relay.Entries(t, h.channel.ID) {
		if dates[e.CreatedAt] || e.CreatedAt.After(time.Now()) {
			t.Errorf("entry %d has the date %v", e.ID, e.CreatedAt)
		}
		dates[e.CreatedAt] = true
	}
	if n := len(bo.look().Items); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
}

// A relay that promises and stores nothing is not asked for ever.
func TestBrokenPromises(t *testing.T) {
	h := newHall(t, 1)
	ana := h.join(1, "ana")
	ana.look()
	if _, err := ana.Write(record.Text(strings.Repeat("x", 1000)), time.Now()); err != nil {
		t.Fatal(err)
	}
	h.relay.Inject(relaytest.On("bulk_update", relaytest.Answer(202, "application/json", `{"success":true}`)))
	p := &countingPoster{bulkPoster: bulkPoster{poster{ana.client}}}
	if _, err := ana.Deliver(t.Context(), p, nil); !errors.Is(err, exchange.ErrUnknownOutcome) {
		t.Fatalf("Deliver = %v", err)
	}
	if p.bulks != 3 {
		t.Errorf("%d bulk updates, want 3", p.bulks)
	}
	if q, err := ana.Outbox(); err != nil || len(q) != 1 || q[0].Sent != model.StateUnknown {
		t.Errorf("outbox %+v, %v", q, err)
	}
	ana.told("ana 1: unknown")
	h.relay.Inject(nil)
	ana.deliver()
	ana.told(fmt.Sprint("ana 1: accepted as entry ", len(h.relay.Entries(t, h.channel.ID))))
	if n := len(h.join(2, "bo").look().Items); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

// limitedPoster takes bulk updates up to some size, and says so or leaves it to be found out.
type limitedPoster struct {
	countingPoster

	most  int
	tells bool
	sizes []int
}

func (p *limitedPoster) PostBulk(ctx context.Context, entries []thingspeak.Entry) error {
	if len(entries) > p.most {
		if p.tells {
			return &room.TooManyError{Most: p.most}
		}
		return &room.TooManyError{}
	}
	p.sizes = append(p.sizes, len(entries))
	return p.countingPoster.PostBulk(ctx, entries)
}

// A relay that takes less at a time gets less at a time, and what is too little for a bulk update goes by itself. Where
// the size is known before, Requests tells how many there will be.
func TestSmallBulkUpdates(t *testing.T) {
	for _, c := range []struct {
		most   int
		tells  bool
		sizes  []int
		single int
	}{
		{8, true, []int{8, 8, 4}, 0},
		{9, true, []int{9, 9}, 2},
		{9, false, []int{5, 5, 5, 5}, 0}, // 20, 10, 5
		{6, true, []int{6, 6, 6}, 2},
		{4, true, []int{4, 4, 4, 4, 4}, 0},
		{3, true, nil, 20},
		{3, false, nil, 20},
		{960, true, []int{20}, 0},
	} {
		t.Run(fmt.Sprint(c.most, c.tells), func(t *testing.T) {
			h := newHall(t)
			ana := h.join(1, "ana")
			ana.look()
			body := record.File{Name: "a", Media: "b", Content: make([]byte, 16_000)}
			entries, err := ana.Entries(body)
			if err != nil || entries != 20 {
				t.Fatalf("%d entries, want 20 (%v)", entries, err)
			}
			if _, err := ana.Write(body, time.Now()); err != nil {
				t.Fatal(err)
			}
			if n, err := ana.Unposted(); err != nil || n != 20 {
				t.Fatalf("%d entries are waiting, want 20 (%v)", n, err)
			}
			p := &limitedPoster{countingPoster{bulkPoster: bulkPoster{poster{ana.client}}}, c.most, c.tells, nil}
			if _, err := ana.Deliver(t.Context(), p, nil); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.sizes, c.sizes) || p.posted != c.single {
				t.Errorf("bulk updates of %v entries and %d single ones, want %v and %d", p.sizes, p.posted, c.sizes, c.single)
			}
			if e := exchange.Reckon(exchange.Limits{BulkRows: c.most}, 20); c.tells && (e.Single != c.single || e.Bulk != len(c.sizes)) {
				t.Errorf("Reckon = %d, %d", e.Single, e.Bulk)
			}
			if n := len(h.join(2, "bo").look().Items); n != 1 {
				t.Errorf("%d messages, want 1", n)
			}
		})
	}
}

// Entries says how many entries a message takes, with what an entry that waits has left for it.
func TestEntriesOfAMessage(t *testing.T) {
	for name, fields := range layouts {
		t.Run(name, func(t *testing.T) {
			ana := newHall(t, fields...).join(1, "ana")
			before := 0
			for _, size := range []int{1, 58, 59, 60, 500, 689, 690, 691, 5000, 2, 3} {
				for _, body := range []record.Body{
					record.Text(strings.Repeat("x", size)), record.File{Name: "name", Media: "media", Content: make([]byte, size)},
				} {
					want, err := ana.Entries(body)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := ana.Write(body, time.Now()); err != nil {
						t.Fatal(err)
					}
					after, err := ana.Unposted()
					if err != nil {
						t.Fatal(err)
					}
					if after-before != want {
						t.Errorf("%s of %d bytes added %d entries, want %d", body.Kind(), size, after-before, want)
					}
					before = after
				}
			}
		})
	}
}

// skippingPoster loses the first rows of its first bulk update.
type skippingPoster struct {
	bulkPoster

	skip int
}

func (p *skippingPoster) PostBulk(ctx context.Context, entries []thingspeak.Entry) error {
	skip := p.skip
	p.skip = 0
	return p.bulkPoster.PostBulk(ctx, entries[skip:])
}

// What is said of a message that went out in parts is the entry at which its readers see it, not that of its last part.
func TestAMessageIsAcceptedAsTheEntryThatShowsIt(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.look()
	w, err := ana.Write(record.File{Name: "a", Media: "b", Content: make([]byte, 16_000)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p := &skippingPoster{bulkPoster{poster{ana.client}}, 7}
	if _, err := ana.Deliver(t.Context(), p, nil); err != nil {
		t.Fatal(err)
	}
	sent, err := ana.Sent(w.Number)
	if err != nil {
		t.Fatal(err)
	}
	items := bo.look().Items
	if len(items) != 1 || items[0].At.Entry != sent.Entry || sent.Entry != 20 {
		t.Errorf("accepted as entry %d, shown at %v", sent.Entry, lines(items))
	}
	ana.look()
	if back, err := ana.Sent(w.Number); err != nil || back.Entry != sent.Entry {
		t.Errorf("accepted as entry %d, read back at %d: %v", sent.Entry, back.Entry, err)
	}
}

// A delivery that is told to stop keeps what it knows and can be gone on with.
func TestInterruptedDelivery(t *testing.T) {
	h := newHall(t, 1)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.look()
	if _, err := ana.Write(record.Text(strings.Repeat("x", 700)), time.Now()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done, err := ana.Deliver(ctx, poster{ana.client}, func(p model.Progress) {
		if p.Posted == 3 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) || done.Posted != 3 {
		t.Errorf("%+v, %v", done, err)
	}
	q, err := ana.Outbox()
	if err != nil || len(q) != 1 || q[0].Accepted != 3 || q[0].Sent != model.StateTried {
		t.Errorf("outbox %+v, %v", q, err)
	}
	ana = ana.again(h)
	ana.deliver()
	if n := len(bo.look().Items); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// What nobody can say is unknown, and is looked for when it is delivered again.
func TestUnknownOutcome(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.look()
	if _, err := ana.Write(record.Text("hello"), time.Now()); err != nil {
		t.Fatal(err)
	}
	p := lostPoster{poster: poster{ana.client}}
	if _, err := ana.Deliver(t.Context(), p, nil); !errors.Is(err, exchange.ErrUnknownOutcome) {
		t.Fatalf("Deliver = %v", err)
	}
	if q, err := ana.Outbox(); err != nil || len(q) != 1 || q[0].Sent != model.StateUnknown {
		t.Errorf("outbox %+v, %v", q, err)
	}
	ana.deliver()
	if rows := h.relay.Entries(t, h.channel.ID); len(rows) != 1 {
		t.Errorf("%d entries", len(rows))
	}
	if d := cmp.Diff([]string{"ana: hello"}, lines(bo.look().Items)); d != "" {
		t.Error(d)
	}
}

// lostPoster posts and cannot say whether it did.
type lostPoster struct{ poster }

func (p lostPoster) Post(ctx context.Context, fields thingspeak.Fields, after int64) (int64, error) {
	if _, err := p.poster.Post(ctx, fields, after); err != nil {
		return 0, err
	}
	return 0, exchange.ErrUnknownOutcome
}

// lossyPoster posts some of the rows of a bulk update, and promises all.
type lossyPoster struct {
	bulkPoster

	keep map[int]bool
}

func (p *lossyPoster) PostBulk(ctx context.Context, entries []thingspeak.Entry) error {
	var some []thingspeak.Entry
	for i := range entries {
		if p.keep[i] {
			some = append(some, entries[i])
		}
	}
	return p.bulkPoster.PostBulk(ctx, some)
}

// TestABulkUpdateStoredInPartIsCompleted: where a later entry of it was read back, the earlier ones counted as somebody else's
// numbers, were signed anew and sent twice.
func TestABulkUpdateStoredInPartIsCompleted(t *testing.T) {
	h := newHall(t, 1)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.look()
	var want []string
	for i := range 6 {
		text := fmt.Sprint("message ", i)
		if _, err := ana.Write(record.Text(text), time.Now()); err != nil {
			t.Fatal(err)
		}
		want = append(want, "ana: "+text)
	}
	ctx, stop := context.WithCancel(t.Context())
	p := &lossyPoster{bulkPoster{poster{ana.client}}, map[int]bool{2: true, 3: true, 6: true, 7: true}} // the second and the fourth message
	if _, err := ana.Deliver(ctx, p, func(model.Progress) { stop() }); !errors.Is(err, context.Canceled) {
		t.Fatalf("Deliver = %v", err)
	}
	ana.look()
	if left, err := ana.Outbox(); err != nil || len(left) != 4 {
		t.Fatalf("%d were not read back, %v", len(left), err)
	}
	done := ana.deliver()
	if len(done.Renumbered) > 0 {
		t.Errorf("%+v", done)
	}
	got := bo.look()
	if d := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(lines(got.Items)))); d != "" || got.Repeats > 0 {
		t.Errorf("%d repeats %s", got.Repeats, d)
	}
	if own := ana.look(); len(own.Elsewhere) > 0 {
		t.Errorf("ana is told of her own %v as of somebody else's", own.Elsewhere)
	}
	for i := range got.Told { // that they stand in another order is true
		if f := &got.Told[i]; f.Kind != record.Reordered {
			t.Errorf("told %s", f.Text())
		}
	}
}

// numbersPoster stores what it is told to, and names numbers of its own.
type numbersPoster struct {
	poster

	names []int64        // of one post each, from then on the last
	store map[int]bool   // which of them are stored
	after func(post int) // each, unless it is nil
	posts int
}

func (p *numbersPoster) Post(ctx context.Context, fields thingspeak.Fields, after int64) (int64, error) {
	n := p.posts
	p.posts++
	if p.store[n] {
		if _, err := p.poster.Post(ctx, fields, after); err != nil {
			return 0, err
		}
	}
	if p.after != nil {
		p.after(n)
	}
	return p.names[min(n, len(p.names)-1)], nil
}

// TestANumberThatSomethingElseHasIsNoAnswer: what a relay had not stored left the outbox as accepted, and was lost.
func TestANumberThatSomethingElseHasIsNoAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		names []int64
		store map[int]bool
		done  int
	}{
		"of a message":                {names: []int64{1}},
		"none":                        {names: []int64{0}},
		"of the message before":       {names: []int64{3}, store: map[int]bool{0: true}, done: 1},
		"below the message before":    {names: []int64{9, 8}, store: map[int]bool{0: true}, done: 1},
		"of a message, and it stored": {names: []int64{1}, store: map[int]bool{0: true, 1: true}, done: 2},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t, 1, 2)
			ana, bo := h.join(1, "ana"), h.join(2, "bo")
			bo.say("hello")
			h.relay.Seed(t, h.channel.ID, 1, func(int) thingspeak.Entry {
				return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("no token of this room")}}
			})
			ana.look()
			for _, text := range []string{"one", "two"} {
				if _, err := ana.Write(record.Text(text), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			p := &numbersPoster{poster: poster{ana.client}, names: c.names, store: c.store}
			done, err := ana.Deliver(t.Context(), p, nil)
			if (c.done == 2) != (err == nil) || err != nil && !errors.Is(err, exchange.ErrUnknownOutcome) || done.Posted != c.done {
				t.Errorf("%+v, %v", done, err)
			}
			ana.deliver()
			got := bo.look()
			if d := cmp.Diff([]string{"bo: hello", "ana: one", "ana: two"}, lines(got.Items)); d != "" || got.Repeats > 0 {
				t.Errorf("%d repeats %s", got.Repeats, d)
			}
		})
	}
}

// TestANumberFarTooHighHidesNothing: what was posted after a relay had named a number far too high was looked for only above
// that number once an answer was lost, and sent twice.
func TestANumberFarTooHighHidesNothing(t *testing.T) {
	h := newHall(t, 1, 2)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.look()
	for _, text := range []string{"one", "two"} {
		if _, err := ana.Write(record.Text(text), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	p := &numbersPoster{poster: poster{ana.client}, names: []int64{5, 2}, store: map[int]bool{0: true, 1: true}}
	p.after = func(post int) {
		if post == 1 { // this answer is never taken
			stop()
		}
	}
	if _, err := ana.Deliver(ctx, p, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("Deliver = %v", err)
	}
	for range 5 {
		bo.say("hello")
	}
	ana.deliver()
	got := bo.look()
	if got.Repeats > 0 || len(h.relay.Entries(t, h.channel.ID)) != 7 {
		t.Errorf("%d repeats among %q", got.Repeats, lines(got.Items))
	}
}

// readMeanwhile is a store in which what was tried is read back, by another one, while a delivery is about to look for it.
type readMeanwhile struct {
	*archive.Room
	read func()
}

func (s *readMeanwhile) Posts(q kept.PostQuery) ([]kept.Post, error) {
	if read := s.read; q.Only == kept.TriedPost && read != nil {
		s.read = nil
		read()
	}
	return s.Room.Posts(q)
}

// TestReadBackWhileItIsLookedFor: the delivery had nothing left to look for, and panicked.
func TestReadBackWhileItIsLookedFor(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	beside := h.enter(ana.o, ana.dir)
	store := &readMeanwhile{Room: ana.archive}
	var err error
	if ana.Conversation, err = room.Open(store, ana.o); err != nil {
		t.Fatal(err)
	}
	ana.look()
	if _, err := ana.Write(record.Text("hello"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := ana.Deliver(t.Context(), lostPoster{poster{ana.client}}, nil); !errors.Is(err, exchange.ErrUnknownOutcome) {
		t.Fatalf("Deliver = %v", err)
	}
	store.read = func() { beside.look() }
	p := &countingPoster{bulkPoster: bulkPoster{poster{ana.client}}}
	if done, err := ana.Deliver(t.Context(), p, nil); err != nil || done.Posted > 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if rows := h.relay.Entries(t, h.channel.ID); store.read != nil || p.found > 0 || len(rows) != 1 {
		t.Errorf("%+v, %d entries", p, len(rows))
	}
}

// After a clear what was tried before it is looked for among all entries.
func TestTriedBeforeAClear(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	for i := range 5 {
		ana.say(fmt.Sprint(i))
	}
	ana.look()
	if _, err := ana.Write(record.Text("hello"), time.Now()); err != nil {
		t.Fatal(err)
	}
	h.relay.Inject(relaytest.On("POST /update", relaytest.LoseRequest()))
	if _, err := ana.Deliver(t.Context(), onePost{poster{ana.client}}, nil); err == nil {
		t.Fatal("the delivery succeeded")
	}
	h.relay.Inject(nil)
	posts, err := ana.archive.Posts(kept.PostQuery{Only: kept.TriedPost})
	if err != nil || len(posts) != 1 || posts[0].After.Entry != 5 {
		t.Fatalf("%+v, %v", posts, err)
	}
	h.relay.Clear(t, h.channel.ID)
	h.relay.Seed(t, h.channel.ID, 1, func(int) thingspeak.Entry { return thingspeak.Entry{Fields: posts[0].Fields} })
	in, err := ana.Receive(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Cleared(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Finish(room.Facts{View: record.View{}, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	p := &countingPoster{bulkPoster: bulkPoster{poster{ana.client}}}
	if _, err := ana.Deliver(t.Context(), p, nil); err != nil {
		t.Fatal(err)
	}
	if p.posted+p.bulks > 0 || p.found != 1 {
		t.Errorf("%+v", p)
	}
}

// Numbers go up by one, whoever of two conversations in one home writes, and wherever it was interrupted.
func TestNumbersWithoutReading(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	other := h.enter(ana.o, ana.dir)
	var numbers []uint32
	for i := range 6 {
		m := []*member{ana, other}[i%2]
		w, err := m.Write(record.Text("x"), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, w.Number)
	}
	if !slices.Equal(numbers, []uint32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("numbers %v", numbers)
	}
}
