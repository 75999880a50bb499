package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Run holds a store against what [relay.Store] promises. open returns a new, empty store each time, which ends with the
// test it was opened for.
func Run(t *testing.T, open func(testing.TB) relay.Store) {
	for _, part := range []struct {
		name string
		test func(*testing.T, relay.Store)
	}{
		{"begins with the local account", testLocalAccount},
		{"accounts", testAccounts},
		{"channels come back as they were made", testChannel},
		{"numbers, keys and limits of channels", testCreateRefused},
		{"changes of a channel", testChangeChannel},
		{"an account's channels", testChannels},
		{"listings of public channels", testPublicChannels},
		{"devices come back as they were made", testDevices},
		{"changes of a device", testChangeDevice},
		{"entries come back as they were written", testEntries},
		{"entries of large bulk calls", testLargeBulk},
		{"which entries came by bulk calls", testBulkCalls},
		{"a batch over several channels", testBatch},
		{"refused updates leave nothing", testRefused},
		{"what the state tells", testState},
		{"entries by time", testByTime},
		{"random feeds in order of time", testOrder},
		{"a clear", testClear},
		{"a deleted channel", testDelete},
		{"what visits return", testVisitError},
		{"odd times and long texts", testExtremes},
		{"an empty batch", testEmptyBatch},
		{"subscribers are woken", testSubscribe},
		{"many writers and readers", testConcurrent},
		{"crossed batches", testCrossedBatches},
		{"batches are seen whole", testWholeBatches},
		{"a limit under many creations", testLimitHolds},
		{"changes at the same time", testChangesAreNotLost},
		{"clears while others write", testClearWhileWriting},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}

// limits let everything through.
var limits = &relay.Limits{}

// newChannel makes a channel with the given number and known keys, and stores it.
func newChannel(t *testing.T, s relay.Store, id int64) *relay.Channel {
	t.Helper()
	c := &relay.Channel{Owner: relay.LocalAccountID, Channel: thingspeak.Channel{
		ID:        id,
		Name:      fmt.Sprint("channel ", id),
		Latitude:  "0.0",
		Longitude: "0.0",
		Labels:    [thingspeak.FieldCount]string{0: "first"},
		CreatedAt: time.Unix(1_700_000_000, 0).UTC(),
		UpdatedAt: time.Unix(1_700_000_000, 0).UTC(),
		Keys:      []thingspeak.Key{{Text: fmt.Sprint("WRITE", id), Write: true}, {Text: fmt.Sprint("READ", id)}},
	}}
	if err := s.CreateChannel(t.Context(), c, 0); err != nil {
		t.Fatalf("creating channel %d: %v", id, err)
	}
	return c
}

// update is an update of one entry with a value in field 1; a zero time is the time of receipt.
func update(c *relay.Channel, value string, at time.Time) relay.Update {
	return relay.Update{
		Channel: c.ID,
		Key:     c.Keys[0].Text,
		Limits:  limits,
		Entries: []relay.NewEntry{{Entry: thingspeak.Entry{
			CreatedAt: at,
			Fields:    thingspeak.Fields{thingspeak.Text(value)},
		}}},
	}
}

// commit stores updates that must all be accepted.
func commit(t *testing.T, s relay.Store, updates ...relay.Update) []relay.Decision {
	t.Helper()
	decisions, err := s.Commit(t.Context(), updates)
	if err != nil {
		t.Fatalf("committing: %v", err)
	}
	for i, d := range decisions {
		if d.Err != nil {
			t.Fatalf("update %d was refused: %v", i, d.Err)
		}
	}
	return decisions
}

func stateOf(t *testing.T, s relay.Store, id int64) relay.State {
	t.Helper()
	_, state, err := s.Channel(t.Context(), id)
	if err != nil {
		t.Fatalf("channel %d: %v", id, err)
	}
	p, err := s.Position(t.Context(), id)
	if err != nil || p != state.Position {
		t.Fatalf("position of channel %d is %v, %v; its state says %v", id, p, err, state.Position)
	}
	return state
}

// entries returns the entries first to last of a channel's feed.
func entries(t *testing.T, s relay.Store, generation, first, last int64) []thingspeak.Entry {
	t.Helper()
	var all []thingspeak.Entry
	if err := s.Entries(t.Context(), generation, first, last, func(e *thingspeak.Entry) error {
		all = append(all, *e)
		return nil
	}); err != nil {
		t.Fatalf("entries %d to %d: %v", first, last, err)
	}
	return all
}

func second(n int64) time.Time { return time.Unix(1_700_000_000+n, 0).UTC() }

func wantErr(t *testing.T, doing string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error is %v, want %v", doing, err, want)
	}
}

func testLocalAccount(t *testing.T, s relay.Store) {
	all, err := s.Accounts(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("accounts are %v, %v; want one", all, err)
	}
	local := all[0]
	if local.ID != relay.LocalAccountID || local.Name != relay.LocalAccount || len(local.Key) != 16 {
		t.Errorf("the account is %+v", local)
	}
	found, err := s.AccountByKey(t.Context(), local.Key)
	if err != nil || found.ID != local.ID {
		t.Errorf("by its key it is %+v, %v", found, err)
	}
}

func testAccounts(t *testing.T, s relay.Store) {
	ana := relay.Account{Name: "ana", Key: "ANAKEY", CreatedAt: second(1)}
	if err := s.CreateAccount(t.Context(), &ana); err != nil {
		t.Fatal(err)
	}
	if ana.ID == 0 || ana.ID == relay.LocalAccountID {
		t.Errorf("the new account got ID %d", ana.ID)
	}
	found, err := s.AccountByKey(t.Context(), "ANAKEY")
	if err != nil || !cmp.Equal(found, ana) {
		t.Errorf("by its key it is %+v, %v; want %+v", found, err, ana)
	}
	wantErr(t, "a second ana", s.CreateAccount(t.Context(), &relay.Account{Name: "ana", Key: "OTHER"}), relay.ErrTaken)
	wantErr(t, "a second key", s.CreateAccount(t.Context(), &relay.Account{Name: "bo", Key: "ANAKEY"}), relay.ErrTaken)
	for _, key := range []string{"NOKEY", "anakey", "ANAKEY ", ""} {
		_, err = s.AccountByKey(t.Context(), key)
		wantErr(t, fmt.Sprintf("the key %q", key), err, relay.ErrNotFound)
	}
	if all, err := s.Accounts(t.Context()); err != nil || len(all) != 2 || !cmp.Equal(all[1], ana) {
		t.Errorf("accounts are %+v, %v", all, err)
	}
}

// full is a channel with every setting.
func full(id int64) *relay.Channel {
	return &relay.Channel{Owner: relay.LocalAccountID, Channel: thingspeak.Channel{
		ID:          id,
		Name:        "Ana's \"room\" <1>; DROP TABLE channels",
		Description: "ein Raum für alle\nzwei Zeilen",
		Latitude:    "48.2082",
		Longitude:   "16.3738",
		Elevation:   "151",
		Labels:      [thingspeak.FieldCount]string{"a", "", "c", "", "", "", "", "h"},
		Metadata:    `{"x":1}`,
		URL:         "https://example.org",
		Tags:        []string{"one", "two words"},
		Public:      true,
		CreatedAt:   second(0),
		UpdatedAt:   second(5),
		Keys:        []thingspeak.Key{{Text: "W1", Write: true}, {Text: "R1"}, {Text: "R2"}, {Text: "R3"}},
	}}
}

func testChannel(t *testing.T, s relay.Store) {
	want := full(7)
	if err := s.CreateChannel(t.Context(), want, 0); err != nil {
		t.Fatal(err)
	}
	got, state, err := s.Channel(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(7), got); diff != "" {
		t.Errorf("the channel changed (-want +got):\n%s", diff)
	}
	if state.Generation == 0 || state.Settings == 0 {
		t.Errorf("position of a new channel is %+v", state.Position)
	}
	wantState := relay.State{
		Channel: 7, WriteKey: "W1",
		Position: relay.Position{Settings: state.Settings, Generation: state.Generation},
	}
	if diff := cmp.Diff(wantState, state); diff != "" {
		t.Errorf("state of a new channel (-want +got):\n%s", diff)
	}
	if id, err := s.Writer(t.Context(), "W1"); id != 7 || err != nil {
		t.Errorf("the write key opens %d, %v", id, err)
	}
	for _, key := range []string{"R1", "w1", "W1 ", ""} {
		_, err = s.Writer(t.Context(), key)
		wantErr(t, fmt.Sprintf("the key %q as write key", key), err, relay.ErrNotFound)
	}
	_, _, err = s.Channel(t.Context(), 8)
	wantErr(t, "an unknown channel", err, relay.ErrNotFound)
	_, err = s.Position(t.Context(), 8)
	wantErr(t, "the position of an unknown channel", err, relay.ErrNotFound)
}

func testCreateRefused(t *testing.T, s relay.Store) {
	newChannel(t, s, 1)
	create := func(id int64, key string, limit int) error {
		return s.CreateChannel(t.Context(), &relay.Channel{
			Owner:   relay.LocalAccountID,
			Channel: thingspeak.Channel{ID: id, Keys: []thingspeak.Key{{Text: key, Write: true}}},
		}, limit)
	}
	wantErr(t, "a number in use", create(1, "NEW", 0), relay.ErrTaken)
	wantErr(t, "a write key in use", create(2, "WRITE1", 0), relay.ErrTaken)
	err := s.CreateChannel(t.Context(), &relay.Channel{
		Owner:   relay.LocalAccountID,
		Channel: thingspeak.Channel{ID: 2, Keys: []thingspeak.Key{{Text: "NEW", Write: true}, {Text: "READ1"}}},
	}, 0)
	wantErr(t, "a read key in use", err, relay.ErrTaken)
	wantErr(t, "one more than allowed", create(2, "NEW", 1), relay.ErrFull)
	if _, err := s.Position(t.Context(), 2); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("a refused channel is there: %v", err)
	}
	if err := create(2, "NEW", 2); err != nil {
		t.Errorf("as many as allowed: %v", err)
	}
}

func testChangeChannel(t *testing.T, s relay.Store) {
	if err := s.CreateChannel(t.Context(), full(7), 0); err != nil {
		t.Fatal(err)
	}
	c := full(7)
	commit(t, s, update(c, "x", time.Time{}))
	before := stateOf(t, s, 7)
	stop := errors.New("stop")
	err := s.ChangeChannel(t.Context(), 7, func(c *relay.Channel) error {
		c.Name = "changed"
		c.Keys[1].Text = "CHANGED"
		return stop
	})
	wantErr(t, "a change that fails", err, stop)
	if got, _, err := s.Channel(t.Context(), 7); err != nil || !cmp.Equal(got, full(7)) {
		t.Errorf("a change that failed left %+v, %v", got, err)
	}

	err = s.ChangeChannel(t.Context(), 7, func(c *relay.Channel) error {
		c.Name, c.Public, c.Tags, c.UpdatedAt = "new name", false, nil, second(9)
		c.Labels[1] = "b"
		c.Keys = []thingspeak.Key{{Text: "W2", Write: true}, {Text: "R3"}, {Text: "R4"}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := full(7)
	want.Name, want.Public, want.Tags, want.UpdatedAt = "new name", false, nil, second(9)
	want.Labels[1] = "b"
	want.Keys = []thingspeak.Key{{Text: "W2", Write: true}, {Text: "R3"}, {Text: "R4"}}
	got, after, err := s.Channel(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the changed channel (-want +got):\n%s", diff)
	}
	if after.Settings == before.Settings {
		t.Error("State.Settings is the same after a change")
	}
	if after.Generation != before.Generation || after.Last != 1 {
		t.Errorf("a change of settings moved the feed from %+v to %+v", before.Position, after.Position)
	}
	if _, err := s.Writer(t.Context(), "W1"); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("the old write key is still known: %v", err)
	}
	decisions, err := s.Commit(t.Context(), []relay.Update{update(full(7), "y", time.Time{})})
	if err != nil || !errors.Is(decisions[0].Err, relay.ErrKey) {
		t.Errorf("writing with the old key: %v, %v", decisions, err)
	}
	wantErr(t, "changing an unknown channel", s.ChangeChannel(t.Context(), 8, nil), relay.ErrNotFound)

	newChannel(t, s, 1)
	for name, keys := range map[string][]thingspeak.Key{
		"a write key in use": {{Text: "WRITE1", Write: true}},
		"a read key in use":  {{Text: "W2", Write: true}, {Text: "READ1"}},
	} {
		wantErr(t, name, s.ChangeChannel(t.Context(), 7, func(c *relay.Channel) error {
			c.Name, c.Keys = "not kept", keys
			return nil
		}), relay.ErrTaken)
		if got, state, err := s.Channel(t.Context(), 7); err != nil || !cmp.Equal(got, want) || state != after {
			t.Errorf("a change to %s left %+v, %+v, %v", name, got, state, err)
		}
	}
}

func testChannels(t *testing.T, s relay.Store) {
	bo := relay.Account{Name: "bo", Key: "BOKEY"}
	if err := s.CreateAccount(t.Context(), &bo); err != nil {
		t.Fatal(err)
	}
	newChannel(t, s, 5)
	c := newChannel(t, s, 3)
	other := full(4)
	other.Owner = bo.ID
	if err := s.CreateChannel(t.Context(), other, 1); err != nil {
		t.Fatalf("a limit counts another account's channels: %v", err)
	}
	commit(t, s, update(c, "x", time.Time{}), update(c, "y", time.Time{}))
	list := func(owner int64) (ids, lasts []int64, keys int) {
		t.Helper()
		all, err := s.Channels(t.Context(), owner)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			ids, lasts, keys = append(ids, c.ID), append(lasts, c.LastEntryID), keys+len(c.Keys)
		}
		return ids, lasts, keys
	}
	ids, lasts, keys := list(relay.LocalAccountID)
	if !cmp.Equal(ids, []int64{3, 5}) || !cmp.Equal(lasts, []int64{2, 0}) || keys != 4 {
		t.Errorf("the local account has channels %v with last entries %v and %d keys", ids, lasts, keys)
	}
	if ids, _, keys := list(bo.ID); !cmp.Equal(ids, []int64{4}) || keys != 4 {
		t.Errorf("bo has channels %v with %d keys", ids, keys)
	}
}

func testEntries(t *testing.T, s relay.Store) {
	c := newChannel(t, s, 1)
	text := thingspeak.Text
	want := []thingspeak.Entry{
		{ID: 1, CreatedAt: second(0)},
		{ID: 2, CreatedAt: second(1), Fields: thingspeak.Fields{0: text(""), 7: text("last field")}},
		{
			ID: 3, CreatedAt: second(1), Fields: thingspeak.Fields{
				text("a,\"b\"\n"), text("ünï 🎈"), text(" blanks "), text("'; DROP TABLE entries;--"),
				text("5"), text("null"), text("\\n"), text("\x01\x7f"),
			},
			Status: text("fine"), Latitude: text("1.5"), Longitude: text("-2"), Elevation: text("high"),
		},
	}
	for _, e := range want {
		commit(t, s, relay.Update{
			Channel: 1, Key: "WRITE1", Limits: limits, Entries: []relay.NewEntry{{Entry: e}},
		})
	}
	generation := stateOf(t, s, c.ID).Generation
	if diff := cmp.Diff(want, entries(t, s, generation, 1, 3)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[1:2], entries(t, s, generation, 2, 2)); diff != "" {
		t.Errorf("one entry (-want +got):\n%s", diff)
	}
	for _, r := range [][2]int64{{4, 9}, {3, 2}, {-5, 0}} {
		if got := entries(t, s, generation, r[0], r[1]); len(got) > 0 {
			t.Errorf("entries %d to %d are %v, want none", r[0], r[1], got)
		}
	}
	if got := entries(t, s, generation, -5, 99); len(got) != 3 {
		t.Errorf("a range around all entries has %d, want 3", len(got))
	}
	if got := entries(t, s, generation+1, 1, 9); len(got) > 0 {
		t.Errorf("a generation that nobody has holds %v", got)
	}
}

// testLargeBulk: engines store many entries at once, of which each has values in other columns, and some are dated back.
func testLargeBulk(t *testing.T, s relay.Store) {
	c := newChannel(t, s, 1)
	random := testenv.Random(t)
	var want []thingspeak.Entry
	for _, size := range []int{1, 49, 50, 51, 149, 960} {
		u := relay.Update{Channel: c.ID, Key: c.Keys[0].Text, Limits: limits, Bulk: true}
		for range size {
			e := thingspeak.Entry{ID: int64(len(want)) + 1, CreatedAt: second(int64(len(want)))}
			if size > 50 && random.IntN(9) == 0 {
				e.CreatedAt = second(random.Int64N(2000))
			}
			for _, v := range []*thingspeak.Value{
				&e.Fields[random.IntN(thingspeak.FieldCount)], &e.Fields[0], &e.Status, &e.Latitude, &e.Longitude, &e.Elevation,
			} {
				if random.IntN(3) == 0 {
					*v = thingspeak.Text(fmt.Sprint("value ", e.ID))
				}
			}
			want = append(want, e)
			u.Entries = append(u.Entries, relay.NewEntry{Entry: e})
		}
		commit(t, s, u)
	}
	state := stateOf(t, s, c.ID)
	if diff := cmp.Diff(want, entries(t, s, state.Generation, 1, state.Last)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	// An index by time has those from State.Unordered on, and no others.
	indexed := 0
	all := relay.Stretch{Generation: state.Generation, First: 1, Last: state.Last}
	if err := s.EntriesByTime(t.Context(), all, len(want), func(*thingspeak.Entry) error {
		indexed++
		return nil
	}); err != nil || state.Unordered == 0 || int64(indexed) != state.Last-state.Unordered+1 {
		t.Errorf("%d entries are found by time (%v), want those from %d to %d", indexed, err, state.Unordered, state.Last)
	}
}

func testBatch(t *testing.T, s relay.Store) {
	a, b := newChannel(t, s, 20), newChannel(t, s, 10)
	bulk := relay.Update{Channel: b.ID, Key: b.Keys[0].Text, Limits: limits, Bulk: true}
	for i := range 5 {
		bulk.Entries = append(bulk.Entries, relay.NewEntry{Entry: thingspeak.Entry{
			CreatedAt: second(int64(i)), Fields: thingspeak.Fields{1: thingspeak.Text(fmt.Sprint("bulk ", i))},
		}})
	}
	decisions := commit(t, s, update(a, "a1", time.Time{}), bulk, update(a, "a2", time.Time{}), update(b, "b6", time.Time{}))
	var numbers [][]int64
	for _, d := range decisions {
		var one []int64
		for _, e := range d.Entries {
			one = append(one, e.ID)
		}
		numbers = append(numbers, one)
	}
	if want := [][]int64{{1}, {1, 2, 3, 4, 5}, {2}, {6}}; !cmp.Equal(numbers, want) {
		t.Errorf("numbers are %v, want %v", numbers, want)
	}
	for _, c := range []struct {
		channel *relay.Channel
		want    []string
	}{
		{a, []string{"a1", "a2"}},
		{b, []string{"bulk 0", "bulk 1", "bulk 2", "bulk 3", "bulk 4", "b6"}},
	} {
		var got []string
		for _, e := range entries(t, s, stateOf(t, s, c.channel.ID).Generation, 1, 99) {
			got = append(got, e.Fields[0].Text+e.Fields[1].Text)
		}
		if !cmp.Equal(got, c.want) {
			t.Errorf("channel %d holds %q, want %q", c.channel.ID, got, c.want)
		}
	}
	// The store's clock dates what has no date.
	if e := decisions[0].Entries[0]; time.Since(e.CreatedAt) > time.Hour || e.CreatedAt.Nanosecond() != 0 {
		t.Errorf("an entry without a date is from %v", e.CreatedAt)
	}
}

func testRefused(t *testing.T, s relay.Store) {
	c := newChannel(t, s, 1)
	slow := &relay.Limits{Interval: time.Hour, Entries: 2}
	one := update(c, "taken", time.Time{})
	two := update(c, "too soon", time.Time{})
	wrong := update(c, "wrong key", time.Time{})
	read := update(c, "read key", time.Time{})
	gone := update(c, "unknown channel", time.Time{})
	one.Limits, two.Limits = slow, slow
	wrong.Key, read.Key, gone.Channel = "NO", "READ1", 99
	decisions, err := s.Commit(t.Context(), []relay.Update{gone, wrong, one, read, two})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{relay.ErrKey, relay.ErrKey, nil, relay.ErrKey} {
		wantErr(t, fmt.Sprint("update ", i), decisions[i].Err, want)
	}
	tooSoon, ok := errors.AsType[*relay.TooSoonError](decisions[4].Err)
	if !ok || tooSoon.Wait <= 0 || tooSoon.Wait > time.Hour {
		t.Errorf("the last update was answered with %v, want a wait of an hour", decisions[4].Err)
	}
	// In a batch of its own it is refused as well: the state was kept.
	decisions, err = s.Commit(t.Context(), []relay.Update{two})
	if _, ok := errors.AsType[*relay.TooSoonError](decisions[0].Err); err != nil || !ok {
		t.Errorf("the next batch was answered with %v, %v", decisions[0].Err, err)
	}
	full := relay.Update{Channel: 1, Key: "WRITE1", Bulk: true, Limits: slow, Entries: make([]relay.NewEntry, 2)}
	decisions, err = s.Commit(t.Context(), []relay.Update{full})
	if err != nil {
		t.Fatal(err)
	}
	wantErr(t, "one entry too many", decisions[0].Err, relay.ErrFull)
	state := stateOf(t, s, 1)
	if got := entries(t, s, state.Generation, 1, 99); len(got) != 1 || state.Last != 1 || got[0].Fields[0].Text != "taken" {
		t.Errorf("the channel holds %v, last is %d", got, state.Last)
	}
}

func testState(t *testing.T, s relay.Store) {
	c := newChannel(t, s, 1)
	commit(t, s,
		update(c, "x", second(10)),
		relay.Update{Channel: 1, Key: "WRITE1", Limits: limits, Bulk: true, Entries: []relay.NewEntry{
			{Entry: thingspeak.Entry{CreatedAt: second(10), Fields: thingspeak.Fields{7: thingspeak.Text("y")}}},
		}},
	)
	got := stateOf(t, s, 1)
	for name, at := range map[string]time.Time{"update": got.LastUpdate, "bulk call": got.LastBulk} {
		if time.Since(at).Abs() > time.Hour || at.Nanosecond()%1e6 != 0 {
			t.Errorf("the last %s was at %v, want now in milliseconds", name, at)
		}
	}
	want := relay.State{
		Channel: 1, WriteKey: "WRITE1",
		Position:   relay.Position{Settings: got.Settings, Generation: got.Generation, Last: 2},
		LastOf:     [thingspeak.FieldCount]int64{0: 1, 7: 2},
		Newest:     second(10),
		LastDate:   second(10),
		LastUpdate: got.LastUpdate, LastBulk: got.LastBulk,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	for i, step := range []struct {
		date            int64 // of the entry that is added
		unordered, back int64
		newest          int64
	}{
		{9, 3, 3, 10},
		{9, 3, 3, 10},
		{99, 3, 3, 99}, // the future
		{11, 3, 6, 99},
		{12, 3, 6, 99},
		{12, 3, 6, 99},
		{11, 3, 9, 99},
		{100, 3, 9, 100},
	} {
		commit(t, s, update(c, "z", second(step.date)))
		want.Last, want.LastOf[0] = int64(i)+3, int64(i)+3
		want.Unordered, want.Back = step.unordered, step.back
		want.Newest, want.LastDate = second(step.newest), second(step.date)
		got = stateOf(t, s, 1)
		want.LastUpdate = got.LastUpdate
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("state after entry %d (-want +got):\n%s", want.Last, diff)
		}
	}
}

func testByTime(t *testing.T, s relay.Store) {
	c := newChannel(t, s, 1)
	// Entry 1 to 3 are in order; from 4 on they are not.
	for i, at := range []int64{10, 10, 20, 5, 30, 5, 15, 30} {
		commit(t, s, update(c, fmt.Sprint(i+1), second(at)))
	}
	state := stateOf(t, s, 1)
	if state.Unordered != 4 {
		t.Fatalf("unordered from %d, want 4", state.Unordered)
	}
	for _, tt := range []struct {
		name  string
		s     relay.Stretch
		limit int
		want  []int64
	}{
		{"all", relay.Stretch{First: 4, Last: 8}, 99, []int64{8, 5, 7, 6, 4}},
		{"the newest two", relay.Stretch{First: 4, Last: 8}, 2, []int64{8, 5}},
		{"from a time on", relay.Stretch{First: 4, Last: 8, Start: second(15)}, 99, []int64{8, 5, 7}},
		{"up to a time", relay.Stretch{First: 4, Last: 8, End: second(15)}, 99, []int64{7, 6, 4}},
		{"one second", relay.Stretch{First: 4, Last: 8, Start: second(5), End: second(5)}, 99, []int64{6, 4}},
		{"between seconds", relay.Stretch{
			First: 4, Last: 8, Start: second(5).Add(time.Millisecond), End: second(15).Add(-time.Millisecond),
		}, 99, nil},
		{"a range of numbers", relay.Stretch{First: 5, Last: 7}, 99, []int64{5, 7, 6}},
		{"none", relay.Stretch{First: 4, Last: 8}, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.s.Generation = state.Generation
			var got []int64
			err := s.EntriesByTime(t.Context(), tt.s, tt.limit, func(e *thingspeak.Entry) error {
				got = append(got, e.ID)
				return nil
			})
			if err != nil || !cmp.Equal(got, tt.want) {
				t.Errorf("entries %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func testClear(t *testing.T, s relay.Store) {
	c, other := newChannel(t, s, 1), newChannel(t, s, 2)
	for range 3 {
		commit(t, s, update(c, "old", second(50)), update(other, "kept", second(50)))
	}
	before := stateOf(t, s, 1)
	if err := s.ClearChannel(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	after := stateOf(t, s, 1)
	if after.Generation <= before.Generation {
		t.Errorf("generation went from %d to %d", before.Generation, after.Generation)
	}
	want := before.Cleared(after.Generation)
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("state after a clear (-want +got):\n%s", diff)
	}
	d := commit(t, s, update(c, "new", second(1)))
	if d[0].Entries[0].ID != 1 {
		t.Errorf("the first entry after a clear has number %d", d[0].Entries[0].ID)
	}
	if got := entries(t, s, after.Generation, 1, 99); len(got) != 1 || got[0].Fields[0].Text != "new" {
		t.Errorf("after a clear the channel holds %v", got)
	}
	if state := stateOf(t, s, 1); state.Unordered != 0 {
		t.Error("an entry after a clear counts as older than one before it")
	}
	if got := entries(t, s, stateOf(t, s, 2).Generation, 1, 99); len(got) != 3 {
		t.Errorf("the other channel holds %d entries, want 3", len(got))
	}
	wantErr(t, "clearing an unknown channel", s.ClearChannel(t.Context(), 9), relay.ErrNotFound)
}

func testDelete(t *testing.T, s relay.Store) {
	c := newChannel(t, s, 1)
	commit(t, s, update(c, "x", time.Time{}))
	if err := s.DeleteChannel(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.Channel(t.Context(), 1)
	wantErr(t, "reading it", err, relay.ErrNotFound)
	_, err = s.Writer(t.Context(), "WRITE1")
	wantErr(t, "its key", err, relay.ErrNotFound)
	wantErr(t, "deleting it again", s.DeleteChannel(t.Context(), 1), relay.ErrNotFound)
	decisions, err := s.Commit(t.Context(), []relay.Update{update(c, "y", time.Time{})})
	if err != nil || !errors.Is(decisions[0].Err, relay.ErrKey) {
		t.Errorf("writing to it: %v, %v", decisions, err)
	}
	again := newChannel(t, s, 1)
	if d := commit(t, s, update(again, "z", time.Time{})); d[0].Entries[0].ID != 1 {
		t.Errorf("a new channel of that number begins at entry %d", d[0].Entries[0].ID)
	}
}

func testVisitError(t *testing.T, s relay.Store) {
	c := newChannel(t, s, 1)
	commit(t, s, update(c, "1", second(9)), update(c, "2", second(1)), update(c, "3", second(2)))
	generation, stop := stateOf(t, s, 1).Generation, errors.New("stop")
	visits := 0
	visit := func(*thingspeak.Entry) error {
		visits++
		return stop
	}
	wantErr(t, "Entries", s.Entries(t.Context(), generation, 1, 3, visit), stop)
	wantErr(t, "EntriesByTime", s.EntriesByTime(t.Context(),
		relay.Stretch{Generation: generation, First: 2, Last: 3}, 9, visit), stop)
	if visits != 2 {
		t.Errorf("%d visits after an error each, want 2", visits)
	}
	if got := entries(t, s, generation, 1, 3); len(got) != 3 {
		t.Errorf("afterwards there are %d entries, want 3", len(got))
	}
}

// testExtremes stores what is at the edge of what the rules let through.
func testExtremes(t *testing.T, s relay.Store) {
	newChannel(t, s, 9_999_999)
	long := thingspeak.Text(strings.Repeat("🎈", 63) + "abc") // 255 bytes
	full := thingspeak.Entry{Status: long, Latitude: long, Longitude: long, Elevation: long}
	for i := range full.Fields {
		full.Fields[i] = long
	}
	var want []thingspeak.Entry
	for _, at := range []time.Time{
		time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC),
		time.Unix(0, 0).UTC(),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		e := full
		e.ID, e.CreatedAt = int64(len(want))+1, at
		want = append(want, e)
		commit(t, s, relay.Update{
			Channel: 9_999_999, Key: "WRITE9999999", Limits: limits, Entries: []relay.NewEntry{{Entry: e}},
		})
	}
	state := stateOf(t, s, 9_999_999)
	if diff := cmp.Diff(want, entries(t, s, state.Generation, 1, 9)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if last := want[len(want)-1].CreatedAt; state.Newest != last || state.Unordered != 0 {
		t.Errorf("newest is %v, unordered from %d; want %v and 0", state.Newest, state.Unordered, last)
	}
	// From the oldest on they come again, so that they are found by time.
	for _, e := range want {
		e.ID += 4
		commit(t, s, relay.Update{
			Channel: 9_999_999, Key: "WRITE9999999", Limits: limits, Entries: []relay.NewEntry{{Entry: e}},
		})
	}
	var got []int64
	if err := s.EntriesByTime(t.Context(), relay.Stretch{
		Generation: state.Generation, First: 5, Last: 8, End: time.Unix(0, 0),
	}, 9, func(e *thingspeak.Entry) error {
		got = append(got, e.ID)
		return nil
	}); err != nil || !cmp.Equal(got, []int64{7, 6, 5}) {
		t.Errorf("up to 1970 there are %v, %v; want 7, 6, 5", got, err)
	}
}

func testEmptyBatch(t *testing.T, s relay.Store) {
	if decisions, err := s.Commit(t.Context(), nil); err != nil || len(decisions) > 0 {
		t.Errorf("a batch of nothing: %v, %v", decisions, err)
	}
	c := newChannel(t, s, 1)
	d := commit(t, s, relay.Update{Channel: 1, Key: c.Keys[0].Text, Limits: limits, Bulk: true})
	if len(d[0].Entries) > 0 || stateOf(t, s, 1).Last != 0 {
		t.Errorf("a bulk call of nothing: %+v", d)
	}
}
