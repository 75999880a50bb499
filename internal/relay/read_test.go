package relay_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// fixture is a relay on a store in memory, with one public channel.
type fixture struct {
	*relay.Relay
	channel *relay.Channel
	key     string
}

func newFixture(t testing.TB, results int) *fixture {
	t.Helper()
	return fixtureOn(t, storetest.NewMemory(), results)
}

func fixtureOn(t testing.TB, store relay.Store, results int) *fixture {
	t.Helper()
	limits, err := relay.Preset(relay.PresetNone)
	if err != nil {
		t.Fatal(err)
	}
	limits.Results = results
	r := relay.New(store, limits)
	c, err := r.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{Relay: r, channel: c, key: c.Keys[0].Text}
}

// add stores an entry that is dated seconds after an origin.
func (f *fixture) add(t testing.TB, seconds int64) {
	t.Helper()
	_, err := f.Update(t.Context(), relay.Update{Key: f.key, Entries: []relay.NewEntry{{Entry: thingspeak.Entry{
		CreatedAt: at(seconds), Fields: thingspeak.Fields{thingspeak.Text(fmt.Sprint("v", seconds))},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) view(t testing.TB) *relay.View {
	t.Helper()
	v, err := f.View(t.Context(), f.channel.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func at(seconds int64) time.Time { return time.Unix(1_700_000_000+seconds, 0).UTC() }

func (f *fixture) rows(t testing.TB, w relay.Window) []thingspeak.Entry {
	t.Helper()
	var all []thingspeak.Entry
	if err := f.Rows(t.Context(), f.view(t), w, func(e *thingspeak.Entry) error {
		all = append(all, *e)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

var columns = thingspeak.Header{Fields: thingspeak.FieldsOf(1)}

// encoded is what Lines has to return for rows.
func encoded(rows []thingspeak.Entry) string {
	var b []byte
	for i := range rows {
		b = thingspeak.AppendCSVRow(b, &rows[i], columns.Fields, columns.Location, columns.Status, nil)
	}
	return string(b)
}

// linesOf returns the lines of a window in one piece.
func linesOf(t testing.TB, r *relay.Relay, v *relay.View, w relay.Window, c thingspeak.Header) ([]byte, error) {
	t.Helper()
	lines, err := r.Lines(t.Context(), v, w, c)
	return slices.Concat(lines[0], lines[1]), err
}

// wanted is contract section 7.3, word for word.
func wanted(all []thingspeak.Entry, w relay.Window, most int) []thingspeak.Entry {
	var rows []thingspeak.Entry
	for _, e := range all {
		if (w.Start.IsZero() || !e.CreatedAt.Before(w.Start)) && (w.End.IsZero() || !e.CreatedAt.After(w.End)) &&
			e.ID >= w.StartID && (w.EndID == 0 || e.ID <= w.EndID) {
			rows = append(rows, e)
		}
	}
	slices.SortFunc(rows, func(a, b thingspeak.Entry) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return rows[max(0, len(rows)-max(0, min(w.Results, most))):]
}

// TestWindows compares reads of feeds in and out of order with the plain rule, for windows of all kinds.
func TestWindows(t *testing.T) {
	const most = 20
	random := testenv.Random(t)
	for name, date := range map[string]func(i int) int64{
		"in order":              func(i int) int64 { return int64(i / 3) },
		"all in one second":     func(int) int64 { return 7 },
		"newest first":          func(i int) int64 { return int64(60 - i) },
		"one from the future":   func(i int) int64 { return int64(i + i/30*i%31*1000) },
		"back once in a while":  func(i int) int64 { return int64(i - i%7*3) },
		"back only at the end":  func(i int) int64 { return int64(i - i/55*40) },
		"random":                func(int) int64 { return random.Int64N(30) },
		"second entry is older": func(i int) int64 { return int64(i) - int64(min(i, 1))*20 + int64(min(i/2, 1))*20 },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, most)
			for i := range 60 {
				f.add(t, date(i))
			}
			all := f.rows(t, relay.Window{Results: most, StartID: 1, EndID: 20})
			all = append(all, f.rows(t, relay.Window{Results: most, StartID: 21, EndID: 40})...)
			all = append(all, f.rows(t, relay.Window{Results: most, StartID: 41, EndID: 60})...)
			if len(all) != 60 {
				t.Fatalf("three reads by number returned %d entries, want 60", len(all))
			}
			second := func() time.Time {
				if random.IntN(3) == 0 {
					return time.Time{}
				}
				return at(random.Int64N(70) - 5).Add(time.Duration(random.IntN(2)) * 500 * time.Millisecond)
			}
			id := func() int64 { return max(0, random.Int64N(90)-25) }
			for range 100 {
				w := relay.Window{Results: random.IntN(30) - 2, Start: second(), End: second(), StartID: id(), EndID: id()}
				want := wanted(all, w, most)
				if diff := gocmp.Diff(want, f.rows(t, w), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("rows of %+v (-want +got):\n%s", w, diff)
				}
				lines, err := linesOf(t, f.Relay, f.view(t), w, columns)
				if err != nil || string(lines) != encoded(want) {
					t.Fatalf("lines of %+v are %q, %v; want %q", w, lines, err, encoded(want))
				}
			}
		})
	}
}

// TestLinesFollow reads after each write, as a poller does, and compares with what is read uncached.
func TestLinesFollow(t *testing.T) {
	f := newFixture(t, 50)
	for i := range 300 {
		f.add(t, int64(i))
		if i == 120 {
			if err := f.ClearChannel(t.Context(), relay.LocalAccountID, f.channel.ID); err != nil {
				t.Fatal(err)
			}
		}
		w := relay.Window{Results: []int{1, 50, 10, 0}[i%4]}
		lines, err := linesOf(t, f.Relay, f.view(t), w, columns)
		if want := encoded(f.rows(t, w)); err != nil || string(lines) != want {
			t.Fatalf("after %d entries the lines are %q, %v; want %q", i+1, lines, err, want)
		}
	}
}

// rowCounter counts the rows that are read of a store.
type rowCounter struct {
	relay.Store
	rows int
}

func (s *rowCounter) Entries(ctx context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error) error {
	return s.Store.Entries(ctx, generation, first, last, s.counted(visit))
}

func (s *rowCounter) EntriesByTime(ctx context.Context, t relay.Stretch, limit int, visit func(*thingspeak.Entry) error) error {
	return s.Store.EntriesByTime(ctx, t, limit, s.counted(visit))
}

func (s *rowCounter) counted(visit func(*thingspeak.Entry) error) func(*thingspeak.Entry) error {
	return func(e *thingspeak.Entry) error {
		s.rows++
		return visit(e)
	}
}

// TestAnOldEntryHasNoOthersRead: an entry that was dated back by years, among the numbers that a poller asks for, had all the
// others read from the store each time.
func TestAnOldEntryHasNoOthersRead(t *testing.T) {
	store := &rowCounter{Store: storetest.NewMemory()}
	f := fixtureOn(t, store, 50)
	for i := range 60 {
		f.add(t, int64(i))
	}
	f.add(t, -1000)
	for i := range 30 {
		f.add(t, int64(60+i))
		if i == 20 {
			f.add(t, -999)
		}
		for _, w := range []relay.Window{
			{Results: 50, StartID: 45}, {Results: 50, StartID: 45, Start: at(-999)}, {Results: 50, StartID: 45, End: at(40)},
		} {
			want := encoded(f.rows(t, w))
			store.rows = 0
			lines, err := linesOf(t, f.Relay, f.view(t), w, columns)
			if err != nil || string(lines) != want {
				t.Fatalf("lines of %+v are %q, %v; want %q", w, lines, err, want)
			}
			if i > 0 && store.rows > 4 {
				t.Errorf("after %d more, lines of %+v take %d rows of the store", i, w, store.rows)
			}
		}
	}
}

// TestLinesOfAClearedChannel: nothing of what was kept for readers is left, also where the numbers are the same.
func TestLinesOfAClearedChannel(t *testing.T) {
	f := newFixture(t, 50)
	for round := range int64(3) {
		for i := range int64(5) {
			f.add(t, 100*round+i)
			w := relay.Window{Results: 50}
			lines, err := linesOf(t, f.Relay, f.view(t), w, columns)
			if want := encoded(f.rows(t, w)); err != nil || string(lines) != want || bytes.Count(lines, []byte("\n")) != int(i+1) {
				t.Fatalf("round %d, after %d entries the lines are %q, %v; want %q", round, i+1, lines, err, want)
			}
		}
		if err := f.ClearChannel(t.Context(), relay.LocalAccountID, f.channel.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLinesOfOtherColumns: whoever asks for other columns gets them.
func TestLinesOfOtherColumns(t *testing.T) {
	f := newFixture(t, 50)
	f.add(t, 1)
	for range 2 {
		for _, c := range []thingspeak.Header{{Fields: thingspeak.FieldsOf(1)}, {Fields: thingspeak.AllFields}, {Status: true}} {
			lines, err := linesOf(t, f.Relay, f.view(t), relay.Window{Results: 1}, c)
			e := f.rows(t, relay.Window{Results: 1})[0]
			want := string(thingspeak.AppendCSVRow(nil, &e, c.Fields, c.Location, c.Status, nil))
			if err != nil || string(lines) != want {
				t.Errorf("the lines with columns %+v are %q, %v; want %q", c, lines, err, want)
			}
		}
	}
}

// halfSwept is a store in the middle of removing what was cleared: the first half of every feed is gone.
type halfSwept struct {
	relay.Store
	cleared bool
}

func (s *halfSwept) Entries(ctx context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error) error {
	if s.cleared {
		first += (last - first + 1) / 2
	}
	return s.Store.Entries(ctx, generation, first, last, visit)
}

func (s *halfSwept) Position(ctx context.Context, id int64) (relay.Position, error) {
	p, err := s.Store.Position(ctx, id)
	if s.cleared {
		p.Generation++
	}
	return p, err
}

// TestLinesWhileAChannelIsCleared: a reader who began before may get fewer lines, and never others than it asked for.
func TestLinesWhileAChannelIsCleared(t *testing.T) {
	s := &halfSwept{Store: storetest.NewMemory()}
	r := relay.New(s, relay.Limits{ValueBytes: 255, MessageBytes: 3000, Results: 100})
	c, err := r.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		u := relay.Update{Key: c.Keys[0].Text, Entries: []relay.NewEntry{{Entry: thingspeak.Entry{CreatedAt: at(1)}}}}
		if _, err := r.Update(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	v, err := r.View(t.Context(), c.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	s.cleared = true
	for _, w := range []relay.Window{{Results: 100}, {Results: 100, EndID: 5}, {Results: 100}} {
		lines, err := linesOf(t, r, v, w, columns)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(lines) {
			cells := bytes.Split(line, []byte(","))
			if id, err := strconv.ParseInt(string(cells[1]), 10, 64); err != nil || w.EndID > 0 && id > w.EndID {
				t.Errorf("of entries up to %d it shows %q", w.EndID, line)
			}
		}
	}
}

// TestLinesAreShared: bytes that were handed out never change, whatever is read and written later.
func TestLinesAreShared(t *testing.T) {
	type reading struct {
		lines  [2][]byte
		copied string
	}
	for name, date := range map[string]func(i int64) int64{
		"in order":            func(i int64) int64 { return i },
		"one from the future": func(i int64) int64 { return i + i/30*i%31*1000 },
		"two clocks":          func(i int64) int64 { return i - i%2*9 },
		"far back":            func(i int64) int64 { return i - i/7*i%7*20 },
	} {
		f := newFixture(t, 40)
		var readings []reading
		for i := range int64(200) {
			f.add(t, date(i))
			lines, err := f.Lines(t.Context(), f.view(t), relay.Window{Results: 40}, columns)
			if err != nil {
				t.Fatal(err)
			}
			readings = append(readings, reading{lines, string(lines[0]) + string(lines[1])})
		}
		for i, r := range readings {
			if string(r.lines[0])+string(r.lines[1]) != r.copied {
				t.Fatalf("%s: the lines of read %d changed", name, i)
			}
		}
	}
}

// TestLinesOfAnEmptyView reads what was an empty feed after others have read more of it: it stays empty.
func TestLinesOfAnEmptyView(t *testing.T) {
	f := newFixture(t, 100)
	empty, all := f.view(t), relay.Window{Results: 100}
	f.add(t, 0)
	for _, read := range []struct {
		view *relay.View
		rows int
	}{{f.view(t), 1}, {empty, 0}, {f.view(t), 1}} {
		lines, err := linesOf(t, f.Relay, read.view, all, columns)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(lines, []byte{'\n'}); n != read.rows {
			t.Errorf("%d lines at entry %d", n, read.view.State.Last)
		}
	}
}

func TestLinesConcurrently(t *testing.T) {
	f := newFixture(t, 100)
	var work sync.WaitGroup
	for range 3 {
		work.Go(func() {
			last := 0
			for last < 400 {
				v := f.view(t)
				lines, err := linesOf(t, f.Relay, v, relay.Window{Results: 100}, columns)
				if err != nil {
					t.Error(err)
					return
				}
				last = int(v.State.Last)
				if n := bytes.Count(lines, []byte{'\n'}); n != min(100, last) {
					t.Errorf("%d lines at entry %d", n, last)
					return
				}
			}
		})
	}
	work.Go(func() {
		for i := range 400 {
			f.add(t, int64(i))
		}
	})
	work.Wait()
}

// TestLinesBudget reads more feeds than there is room for, and one that is too large for any.
func TestLinesBudget(t *testing.T) {
	f := newFixture(t, 8000)
	long := strings.Repeat("x", 255)
	fill := func(n int) *relay.Channel {
		c, err := f.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
		if err != nil {
			t.Fatal(err)
		}
		for n > 0 {
			u := relay.Update{Key: c.Keys[0].Text, Bulk: true}
			for range min(n, 5000) {
				u.Entries = append(u.Entries, relay.NewEntry{Entry: thingspeak.Entry{Fields: thingspeak.Fields{
					thingspeak.Text(long), thingspeak.Text(long), thingspeak.Text(long), thingspeak.Text(long),
				}}})
			}
			n -= len(u.Entries)
			if _, err := f.Update(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		return c
	}
	all := thingspeak.Header{Fields: thingspeak.AllFields}
	var channels []*relay.Channel
	for _, n := range []int{3000, 3000, 8000, 3000, 3000, 3000} { // about 1 KiB each
		channels = append(channels, fill(n))
	}
	for round := range 2 {
		for i, c := range channels {
			v, err := f.View(t.Context(), c.ID, "")
			if err != nil {
				t.Fatal(err)
			}
			lines, err := linesOf(t, f.Relay, v, relay.Window{Results: 8000}, all)
			if n := bytes.Count(lines, []byte{'\n'}); err != nil || n != int(v.State.Last) {
				t.Errorf("round %d, channel %d: %d lines, %v; want %d", round, i, n, err, v.State.Last)
			}
		}
	}
	if kept := f.LinesKept(); kept > 16<<20 || kept < 4<<20 {
		t.Errorf("%d bytes of lines are kept, want at most 16 MiB", kept)
	}
	// One that takes more than half of it is not kept, and pushes nothing out.
	before := f.LinesKept()
	v, err := f.View(t.Context(), channels[2].ID, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := linesOf(t, f.Relay, v, relay.Window{Results: 8000}, all); err != nil {
		t.Fatal(err)
	}
	if kept := f.LinesKept(); kept != before {
		t.Errorf("%d bytes of lines are kept after a large feed was read, want %d as before", kept, before)
	}
}

func TestView(t *testing.T) {
	f := newFixture(t, 100)
	private, err := f.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		channel int64
		key     string
		want    error
	}{
		{"public without key", f.channel.ID, "", nil},
		{"public with a wrong key", f.channel.ID, "WRONG", nil},
		{"private without key", private.ID, "", relay.ErrKey},
		{"private with its write key", private.ID, private.Keys[0].Text, nil},
		{"private with its read key", private.ID, private.Keys[1].Text, nil},
		{"private with another channel's key", private.ID, f.key, relay.ErrKey},
		{"unknown channel", 12, "", relay.ErrNotFound},
	} {
		// Twice, as the second answer comes from memory.
		for range 2 {
			if _, err := f.View(t.Context(), tt.channel, tt.key); !errors.Is(err, tt.want) {
				t.Errorf("%s: View = %v, want %v", tt.name, err, tt.want)
			}
		}
	}
	if _, err := f.OwnView(t.Context(), 99, private.ID); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("another account's channel: OwnView = %v, want ErrNotFound", err)
	}
	if _, err := f.ChangeChannel(t.Context(), relay.LocalAccountID, private.ID, relay.Settings{Public: new(true)}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.View(t.Context(), private.ID, ""); err != nil {
		t.Errorf("a private channel that was made public: View = %v", err)
	}
}

func TestEntry(t *testing.T) {
	f := newFixture(t, 100)
	if _, err := f.Last(t.Context(), f.view(t)); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("the last entry of an empty channel: %v", err)
	}
	old := f.view(t)
	for i := range 3 {
		f.add(t, int64(10-i)) // field 1
	}
	if _, err := f.Update(t.Context(), relay.Update{Key: f.key, Entries: make([]relay.NewEntry, 1)}); err != nil {
		t.Fatal(err)
	}
	v := f.view(t)
	for range 2 {
		for _, tt := range []struct {
			name string
			find func() (*thingspeak.Entry, error)
			want int64
		}{
			{"last", func() (*thingspeak.Entry, error) { return f.Last(t.Context(), v) }, 4},
			{"last of field 1", func() (*thingspeak.Entry, error) { return f.LastOf(t.Context(), v, 1) }, 3},
			{"number 2", func() (*thingspeak.Entry, error) { return f.Entry(t.Context(), v, 2) }, 2},
		} {
			if e, err := tt.find(); err != nil || e.ID != tt.want {
				t.Errorf("%s: %+v, %v; want entry %d", tt.name, e, err, tt.want)
			}
		}
	}
	for _, n := range []int64{0, -1, 5} {
		if _, err := f.Entry(t.Context(), v, n); !errors.Is(err, relay.ErrNotFound) {
			t.Errorf("entry %d: %v, want ErrNotFound", n, err)
		}
	}
	if _, err := f.LastOf(t.Context(), v, 2); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("last of a field that was never given: %v", err)
	}
	if _, err := f.Entry(t.Context(), old, 1); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("an entry behind the end of an older view: %v", err)
	}
}

func TestUpdateRefused(t *testing.T) {
	f := newFixture(t, 100)
	text := thingspeak.Text
	long, tooLong := strings.Repeat("é", 127)+"x", strings.Repeat("é", 128)
	for _, tt := range []struct {
		name  string
		key   string
		entry thingspeak.Entry
		want  error
	}{
		{"255 bytes everywhere", f.key, thingspeak.Entry{Fields: thingspeak.Fields{
			text(long), text(long), text(long), text(long), text(long), text(long), text(long), text(long),
		}, Status: text(long)}, nil},
		{"256 bytes in a field", f.key, thingspeak.Entry{Fields: thingspeak.Fields{4: text(tooLong)}}, relay.ErrTooLarge},
		{"256 bytes in the status", f.key, thingspeak.Entry{Status: text(tooLong)}, relay.ErrTooLarge},
		{"3,060 bytes together", f.key, thingspeak.Entry{Fields: thingspeak.Fields{
			text(long), text(long), text(long), text(long), text(long), text(long), text(long), text(long),
		}, Status: text(long), Elevation: text(long), Latitude: text(long), Longitude: text(long)}, relay.ErrTooLarge},
		{"256 bytes in the elevation", f.key, thingspeak.Entry{Elevation: text(tooLong)}, relay.ErrTooLarge},
		{"no UTF-8", f.key, thingspeak.Entry{Fields: thingspeak.Fields{text("\xff")}}, relay.ErrBytes},
		{"a NUL", f.key, thingspeak.Entry{Status: text("a\x00")}, relay.ErrBytes},
		{"nothing at all", f.key, thingspeak.Entry{}, nil},
		{"no key", "", thingspeak.Entry{}, relay.ErrKey},
		{"an unknown key", "0000000000000000", thingspeak.Entry{}, relay.ErrKey},
		{"the read key", f.channel.Keys[1].Text, thingspeak.Entry{}, relay.ErrKey},
	} {
		_, err := f.Update(t.Context(), relay.Update{Key: tt.key, Entries: []relay.NewEntry{{Entry: tt.entry}}})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: Update = %v, want %v", tt.name, err, tt.want)
		}
	}
	many := relay.Update{Key: f.key, Bulk: true, Entries: make([]relay.NewEntry, 14_401)}
	if _, err := f.Update(t.Context(), many); !errors.Is(err, relay.ErrTooLarge) {
		t.Errorf("a bulk call of 14,401 updates: %v", err)
	}
}

// TestKeyIsRevoked: a key that the relay remembers opens nothing once it was changed.
func TestKeyIsRevoked(t *testing.T) {
	memory := storetest.NewMemory()
	r := relay.New(memory, relay.Limits{ValueBytes: 255, MessageBytes: 3000, Results: 100})
	c, err := r.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	write := func(key string) error {
		_, err := r.Update(t.Context(), relay.Update{Key: key, Entries: make([]relay.NewEntry, 1)})
		return err
	}
	if err := write(c.Keys[0].Text); err != nil {
		t.Fatal(err)
	}
	err = memory.ChangeChannel(t.Context(), c.ID, func(c *relay.Channel) error {
		c.Keys[0].Text = "ANOTHERKEY"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := write(c.Keys[0].Text); !errors.Is(err, relay.ErrKey) {
			t.Errorf("writing with the old key: %v", err)
		}
	}
	if err := write("ANOTHERKEY"); err != nil {
		t.Errorf("writing with the new key: %v", err)
	}
	// Another channel may get it.
	other, err := r.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	err = memory.ChangeChannel(t.Context(), other.ID, func(now *relay.Channel) error {
		now.Keys[0].Text = c.Keys[0].Text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := write(c.Keys[0].Text); err != nil {
		t.Errorf("writing with the old key, which another channel has now: %v", err)
	}
}

func TestStoreTrouble(t *testing.T) {
	memory := storetest.NewMemory()
	r := relay.New(memory, relay.Limits{ValueBytes: 255, MessageBytes: 3000, Results: 100})
	c, err := r.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	key := c.Keys[0].Text
	write := func() error {
		_, err := r.Update(t.Context(), relay.Update{Key: key, Entries: make([]relay.NewEntry, 1)})
		return err
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	memory.Fail(errors.New("disk full"))
	if err := write(); !errors.Is(err, relay.ErrUnavailable) {
		t.Errorf("writing: %v, want ErrUnavailable", err)
	}
	if _, err := r.View(t.Context(), c.ID, ""); !errors.Is(err, relay.ErrUnavailable) {
		t.Errorf("reading: %v, want ErrUnavailable", err)
	}
	memory.Fail(nil)
	if err := write(); err != nil {
		t.Errorf("writing afterwards: %v", err)
	}
}

func TestCreateChannel(t *testing.T) {
	f := newFixture(t, 100)
	c, err := f.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != fmt.Sprint("Channel ", c.ID) || c.Labels[0] != "Field Label 1" || c.Public {
		t.Errorf("a channel without settings is %+v", c)
	}
	c, err = f.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{
		Labels: [8]*string{0: new("  "), 2: new("third")}, Name: new("x"),
	})
	if err != nil || c.Enabled() != thingspeak.FieldsOf(3) {
		t.Errorf("enabled fields are %b, %v; want field 3", c.Enabled(), err)
	}
	long := strings.Repeat("x", 10_001)
	for name, s := range map[string]relay.Settings{
		"name": {Name: &long}, "label": {Labels: [8]*string{&long}}, "tags": {Tags: &[]string{long}},
	} {
		if _, err := f.CreateChannel(t.Context(), relay.LocalAccountID, s); !errors.Is(err, relay.ErrTooLarge) {
			t.Errorf("a long %s: %v, want ErrTooLarge", name, err)
		}
	}
	if _, err := f.CreateChannel(t.Context(), 1, relay.Settings{Name: new("\xff")}); !errors.Is(err, relay.ErrBytes) {
		t.Errorf("a name that is no UTF-8: %v, want ErrBytes", err)
	}
}

func TestChannelsOfAnAccount(t *testing.T) {
	limits, err := relay.Preset(relay.PresetFree)
	if err != nil {
		t.Fatal(err)
	}
	memory := storetest.NewMemory()
	r := relay.New(memory, limits)
	ana := relay.Account{Name: "ana", Key: relay.NewKey()}
	if err := memory.CreateAccount(t.Context(), &ana); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		_, err := r.CreateChannel(t.Context(), ana.ID, relay.Settings{})
		if full := errors.Is(err, relay.ErrFull); full != (i >= 4) {
			t.Errorf("channel %d of a free account: %v", i+1, err)
		}
		if _, err := r.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{}); err != nil {
			t.Errorf("channel %d of the local account: %v", i+1, err)
		}
	}
}

func TestCreateOpenChannelIsBounded(t *testing.T) {
	f := newFixture(t, 100)
	for range 99 {
		if _, err := f.CreateOpenChannel(t.Context(), relay.Settings{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.CreateOpenChannel(t.Context(), relay.Settings{}); !errors.Is(err, relay.ErrFull) {
		t.Errorf("channel 101: %v, want ErrFull", err)
	}
	if _, err := f.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{}); err != nil {
		t.Errorf("with the account's key: %v", err)
	}
}
