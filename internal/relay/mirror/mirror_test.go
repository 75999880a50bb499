package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/mirror"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func open(t testing.TB) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func silent(int64, int64) {}

func create(t testing.TB, s relay.Store, owner, id int64, readKeys ...string) {
	t.Helper()
	c := &relay.Channel{Owner: owner, Channel: thingspeak.Channel{
		ID: id, Name: fmt.Sprint("channel ", id), Latitude: "0.0", Longitude: "0.0", Tags: []string{"a", "b"},
		Keys:      []thingspeak.Key{{Text: fmt.Sprint("WRITE", id), Write: true}},
		CreatedAt: time.Unix(1_700_000_000+id, 0).UTC(), UpdatedAt: time.Unix(1_700_000_100+id, 0).UTC(),
	}}
	c.Labels[0], c.Labels[3] = "text", "zwei"
	for _, key := range readKeys {
		c.Keys = append(c.Keys, thingspeak.Key{Text: key})
	}
	if err := s.CreateChannel(t.Context(), c, 0); err != nil {
		t.Fatal(err)
	}
}

// fill adds count entries to a channel; every seventh is older than the one before it.
func fill(t testing.TB, s relay.Store, channel int64, count int) {
	t.Helper()
	c, state, err := s.Channel(t.Context(), channel)
	if err != nil {
		t.Fatal(err)
	}
	u := relay.Update{Channel: channel, Key: c.Keys[0].Text, Limits: &relay.Limits{}, Bulk: true}
	for n := state.Last + 1; n <= state.Last+int64(count); n++ {
		e := relay.NewEntry{Entry: thingspeak.Entry{CreatedAt: time.Unix(1_710_000_000+n, 0)}}
		if n%7 == 0 {
			e.CreatedAt = e.CreatedAt.Add(-time.Hour)
		}
		e.Fields[n%3] = thingspeak.Text(fmt.Sprintf("🌿 %d\n\"%d\"", channel, n))
		if n%2 == 0 {
			e.Status, e.Fields[7] = thingspeak.Text(""), thingspeak.Text("on")
		}
		u.Entries = append(u.Entries, e)
	}
	decisions, err := s.Commit(t.Context(), []relay.Update{u})
	if err != nil || decisions[0].Err != nil {
		t.Fatal(err, decisions)
	}
}

// school fills a store with what a relay of some age has.
func school(t testing.TB, s relay.Store) {
	t.Helper()
	for _, name := range []string{"ana", "gone", "bo"} {
		a := &relay.Account{Name: name, Key: "KEY" + name, CreatedAt: time.Unix(1_690_000_000, 0).UTC()}
		if err := s.CreateAccount(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		create(t, s, a.ID, 100*a.ID, "READ"+name)
	}
	if sq, ok := s.(*sqlite.Store); ok { // accounts need not be numbered without gaps
		if err := errors.Join(sq.DeleteChannel(t.Context(), 300), sq.RemoveAccount(t.Context(), 3)); err != nil {
			t.Fatal(err)
		}
	}
	create(t, s, relay.LocalAccountID, 7)
	create(t, s, relay.LocalAccountID, 8)
	create(t, s, relay.LocalAccountID, 9)
	fill(t, s, 7, 1200)
	fill(t, s, 8, 3)
	fill(t, s, 200, 999)
	fill(t, s, 400, 1)
	for _, id := range []string{"sensor", "screen"} {
		d := &relay.Device{
			ID: id, Password: "hash", CreatedAt: time.Unix(1_690_000_000, 0).UTC(),
			Rights: []relay.Right{{Channel: 7, Publish: id == "sensor", Subscribe: id == "screen"}},
		}
		if err := s.CreateDevice(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}

var schoolCounts = mirror.Counts{Accounts: 3, Channels: 5, Entries: 2203}

// mustBeCopied copies and compares.
func mustBeCopied(t *testing.T, from relay.Store, to mirror.Store, want mirror.Counts) {
	t.Helper()
	done, all := int64(0), int64(0)
	if err := mirror.Copy(t.Context(), from, to, func(d, a int64) { done, all = d, a }); err != nil {
		t.Fatal(err)
	}
	if done != want.Entries || all != want.Entries {
		t.Errorf("told of %d of %d entries, want %d", done, all, want.Entries)
	}
	got, err := mirror.Compare(t.Context(), from, to, silent)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("compared (-want +got):\n%s", diff)
	}
}

func TestCopy(t *testing.T) {
	from, to := open(t), open(t)
	school(t, from)
	mustBeCopied(t, from, to, schoolCounts)
	t.Run("again", func(t *testing.T) { mustBeCopied(t, from, to, schoolCounts) })
	t.Run("and back", func(t *testing.T) {
		mustBeCopied(t, to, open(t), schoolCounts)
	})
	t.Run("after it went on", func(t *testing.T) {
		fill(t, from, 8, 40)
		create(t, from, relay.LocalAccountID, 10, "R1", "R2")
		fill(t, from, 10, 2)
		if err := errors.Join(
			from.RenewAccount(t.Context(), 2, "RENEWED"),
			from.ChangeChannel(t.Context(), 7, func(c *relay.Channel) error {
				c.Name, c.Public, c.Keys[0].Text, c.UpdatedAt = "new", true, "NEWKEY", time.Unix(1_720_000_000, 0).UTC()
				return nil
			}),
		); err != nil {
			t.Fatal(err)
		}
		fill(t, from, 7, 1)
		if err := from.ChangeDevice(t.Context(), "sensor", func(d *relay.Device) error {
			return d.Allow(relay.Right{Channel: 10, Publish: true})
		}); err != nil {
			t.Fatal(err)
		}
		mustBeCopied(t, from, to, mirror.Counts{Accounts: 3, Channels: 6, Entries: 2246})
		if a, err := to.AccountByKey(t.Context(), "RENEWED"); err != nil || a.Name != "ana" {
			t.Errorf("the new key opens %+v, %v", a, err)
		}
	})
}

// What writes to the copy later goes on as it would have gone on in the original.
func TestCopyGoesOn(t *testing.T) {
	from, to := open(t), open(t)
	school(t, from)
	mustBeCopied(t, from, to, schoolCounts)
	for _, s := range []relay.Store{from, to} {
		fill(t, s, 7, 20)
	}
	want := schoolCounts
	want.Entries += 20
	got, err := mirror.Compare(t.Context(), from, to, silent)
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

// breaking is a store that fails after some calls that write.
type breaking struct {
	mirror.Store
	left int
}

var errBroken = errors.New("the power went")

func (b *breaking) broken() bool {
	b.left--
	return b.left < 0
}

func (b *breaking) Commit(ctx context.Context, u []relay.Update) ([]relay.Decision, error) {
	if b.broken() {
		return nil, errBroken
	}
	return b.Store.Commit(ctx, u)
}

func (b *breaking) CreateChannel(ctx context.Context, c *relay.Channel, limit int) error {
	if b.broken() {
		return errBroken
	}
	return b.Store.CreateChannel(ctx, c, limit)
}

func (b *breaking) CreateAccount(ctx context.Context, a *relay.Account) error {
	if b.broken() {
		return errBroken
	}
	return b.Store.CreateAccount(ctx, a)
}

func (b *breaking) RenewAccount(ctx context.Context, id int64, key string) error {
	if b.broken() {
		return errBroken
	}
	return b.Store.RenewAccount(ctx, id, key)
}

// A copy that breaks off anywhere is continued by the next one, until one ends; nothing is there twice.
func TestInterrupted(t *testing.T) {
	from, to := open(t), open(t)
	school(t, from)
	interrupted := 0
	for ; ; interrupted++ {
		err := mirror.Copy(t.Context(), from, &breaking{to, 2}, silent)
		if err == nil {
			break
		}
		if !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
		if interrupted > 100 {
			t.Fatal("it does not come to an end")
		}
	}
	if interrupted < 5 {
		t.Errorf("it was interrupted %d times only", interrupted)
	}
	if got, err := mirror.Compare(t.Context(), from, to, silent); err != nil || got != schoolCounts {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestForeign(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, from, to *sqlite.Store)
		want  string
	}{
		"an account of its own": {
			func(t *testing.T, _, to *sqlite.Store) {
				if err := to.CreateAccount(t.Context(), &relay.Account{Name: "eve", Key: "E"}); err != nil {
					t.Fatal(err)
				}
			},
			`it has an account "eve"`,
		},
		"a channel of its own": {
			func(t *testing.T, _, to *sqlite.Store) { create(t, to, 1, 99) },
			"it has channel 99",
		},
		"a channel with the same number": {
			func(t *testing.T, from, to *sqlite.Store) {
				create(t, from, relay.LocalAccountID, 99)
				err := to.CreateChannel(t.Context(), &relay.Channel{Owner: 1, Channel: thingspeak.Channel{
					ID: 99, Keys: []thingspeak.Key{{Text: "OTHER", Write: true}},
				}}, 0)
				if err != nil {
					t.Fatal(err)
				}
			},
			"its channel 99 is another one",
		},
		"written there": {
			func(t *testing.T, _, to *sqlite.Store) { fill(t, to, 8, 1) },
			"its channel 8 has 4 entries, the other one has 3",
		},
		"cleared, and filled with the same": {
			func(t *testing.T, from, _ *sqlite.Store) {
				if err := from.ClearChannel(t.Context(), 8); err != nil {
					t.Fatal(err)
				}
				fill(t, from, 8, 5) // with the same as before
			},
			"",
		},
		"cleared": {
			func(t *testing.T, from, _ *sqlite.Store) {
				if err := from.ClearChannel(t.Context(), 8); err != nil {
					t.Fatal(err)
				}
			},
			"its channel 8 has 3 entries, the other one has 0",
		},
		"cleared, and filled with something else": {
			func(t *testing.T, from, to *sqlite.Store) {
				for _, s := range []*sqlite.Store{from, to} {
					if err := s.ClearChannel(t.Context(), 8); err != nil {
						t.Fatal(err)
					}
				}
				fill(t, to, 8, 3)
				for range 2 {
					u := relay.Update{Channel: 8, Key: "WRITE8", Limits: &relay.Limits{}, Entries: make([]relay.NewEntry, 2)}
					if _, err := from.Commit(t.Context(), []relay.Update{u}); err != nil {
						t.Fatal(err)
					}
				}
			},
			"entry 3 is another one",
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := open(t), open(t)
			school(t, from)
			mustBeCopied(t, from, to, schoolCounts)
			tt.spoil(t, from, to)
			err := mirror.Copy(t.Context(), from, to, silent)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, mirror.ErrForeign) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Copy = %v, want ErrForeign with %q", err, tt.want)
			}
		})
	}
}

// A relay that serves the copy must not be written during it.
func TestWrittenMeanwhile(t *testing.T) {
	from, to := open(t), open(t)
	school(t, from)
	err := mirror.Copy(t.Context(), from, to, func(done, _ int64) {
		if done == 1000 {
			fill(t, to, 7, 1)
		}
	})
	if !errors.Is(err, mirror.ErrForeign) || !strings.Contains(err.Error(), "channel 7 is written there") {
		t.Errorf("Copy = %v", err)
	}
}

func TestCompare(t *testing.T) {
	from := storetest.NewMemory()
	school(t, from)
	var differ *mirror.DifferenceError
	_, err := mirror.Compare(t.Context(), from, open(t), silent)
	if !errors.As(err, &differ) || differ.Count != 4+6+2 {
		t.Fatalf("Compare with an empty store: %v", err)
	}
	to := storetest.NewMemory()
	school(t, to)
	fill(t, from, 8, 1)
	if err := errors.Join(
		to.ChangeChannel(t.Context(), 9, func(c *relay.Channel) error { c.Name = "x"; return nil }),
		to.ClearChannel(t.Context(), 400),
		to.DeleteChannel(t.Context(), 300),
		to.CreateAccount(t.Context(), &relay.Account{Name: "eve", Key: "E"}),
		to.ClearChannel(t.Context(), 200),
		to.RemoveDevice(t.Context(), "screen"),
		to.ChangeDevice(t.Context(), "sensor", func(d *relay.Device) error { d.Rights = nil; return nil }),
		to.CreateDevice(t.Context(), &relay.Device{ID: "stranger", Password: "hash"}),
	); err != nil {
		t.Fatal(err)
	}
	fill(t, to, 400, 1)
	fill(t, to, 200, 998)
	create(t, to, 1, 99)
	u := relay.Update{Channel: 200, Key: "WRITE200", Limits: &relay.Limits{}, Entries: []relay.NewEntry{{}}}
	u.Entries[0].CreatedAt = time.Unix(1_710_000_999, 0)
	u.Entries[0].Fields[0] = thingspeak.Text("another")
	if _, err := to.Commit(t.Context(), []relay.Update{u}); err != nil {
		t.Fatal(err)
	}
	_, err = mirror.Compare(t.Context(), from, to, silent)
	if !errors.As(err, &differ) {
		t.Fatalf("Compare = %v", err)
	}
	want := []string{
		`the account "local" has another key`,
		`the account "eve" is there, and was not before`,
		`the device "screen" is missing`,
		`the device "sensor" has another password or other rights`,
		`the device "stranger" is there, and was not before`,
		"channel 99 is there, and was not before",
		"channel 8: 3 entries instead of 4",
		"channel 9 has other settings",
		"channel 200: entry 999 is another one",
		"channel 300 is missing",
	}
	if diff := cmp.Diff(want, differ.First); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}

func BenchmarkCopy(b *testing.B) {
	const entries = 20_000
	b.Run(fmt.Sprintf("%d entries", entries), func(b *testing.B) {
		from := open(b)
		create(b, from, relay.LocalAccountID, 7)
		fill(b, from, 7, entries)
		b.ReportAllocs()
		for b.Loop() {
			if err := mirror.Copy(b.Context(), from, open(b), silent); err != nil {
				b.Fatal(err)
			}
		}
	})
}
