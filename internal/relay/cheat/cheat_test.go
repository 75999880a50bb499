package cheat

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func TestNamesOfLies(t *testing.T) {
	for _, c := range []struct {
		list string
		want Lies
	}{
		{"drop", Drop},
		{"wipe, alter,drop", Drop | Alter | Wipe},
		{"drop,repeat,reorder,alter,fork,backdate,wipe", All},
	} {
		var l Lies
		if err := l.Set(c.list); err != nil || l != c.want {
			t.Errorf("Set(%q) = %v, %v", c.list, l, err)
		}
		var again Lies
		if err := again.Set(l.String()); err != nil || again != l {
			t.Errorf("%q is read as %v, %v", l, again, err)
		}
		if got := len(l.Confess()); got != strings.Count(l.String(), ",")+1 {
			t.Errorf("%v: %d lines", l, got)
		}
	}
	l := Repeat
	if err := l.Set("drop,lose"); err == nil || l != Repeat || !strings.Contains(err.Error(), All.String()) {
		t.Errorf("an unknown word: %v, %v", l, err)
	}
	if err := l.Set("alter"); err != nil || l != Repeat|Alter {
		t.Errorf("a second list: %v, %v", l, err)
	}
	if l := Lies(0); l.String() != "" || l.Set("") == nil {
		t.Error("no word is no list of lies")
	}
}

// lesson is a channel of a relay with lies, and one relay on it for each version.
type lesson struct {
	truth   relay.Store
	channel *relay.Channel
	relays  []*relay.Relay
}

func newLesson(t *testing.T, l Lies) *lesson {
	t.Helper()
	s := &lesson{truth: storetest.NewMemory()}
	for _, store := range Stores(s.truth, l) {
		s.relays = append(s.relays, relay.New(store, relay.Limits{Results: 100, ValueBytes: 255, MessageBytes: 3000}))
	}
	var err error
	s.channel, err = s.relays[0].CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noon is the date of the entry before the first one; they come a minute apart.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// post posts an entry that says the how manieth it is, and returns the number that was answered.
func (s *lesson) post(t *testing.T, n int) int64 {
	t.Helper()
	a, err := s.relays[0].Update(t.Context(), relay.Update{
		Key: s.channel.Keys[0].Text, Entries: []relay.NewEntry{{Entry: thingspeak.Entry{
			CreatedAt: noon.Add(time.Duration(n) * time.Minute),
			Fields:    thingspeak.Fields{thingspeak.Text(fmt.Sprint("x", n))},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a.Entries[0].ID
}

// read returns what a version shows: number, value and minute of each entry, by number, as three doors of the rules give
// them, which have to agree.
func (s *lesson) read(t *testing.T, version int) []string {
	t.Helper()
	r := s.relays[version]
	v, err := r.View(t.Context(), s.channel.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	note := func(e *thingspeak.Entry) error {
		all = append(all, fmt.Sprintf("%d %s %v", e.ID, e.Fields[0].Text, e.CreatedAt.Sub(noon)))
		return nil
	}
	if err := r.Range(t.Context(), v, 1, v.State.Last, note); err != nil {
		t.Fatal(err)
	}
	whole := all
	if int64(len(whole)) != v.State.Last {
		t.Errorf("%d entries are shown, and the last number is %d", len(whole), v.State.Last)
	}
	all = nil
	for n := range v.State.Last {
		e, err := r.Entry(t.Context(), v, n+1)
		if err != nil {
			t.Fatal(err)
		}
		if err := note(e); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(whole, all); d != "" {
		t.Errorf("one by one: %s", d)
	}
	lines, err := r.Lines(t.Context(), v, relay.Window{Results: 100}, thingspeak.Header{Fields: v.Channel.Enabled()})
	if got := strings.Count(string(lines[0])+string(lines[1]), "\n"); err != nil || got != len(whole) {
		t.Errorf("the feed has %d lines, want %d; %v", got, len(whole), err)
	}
	if v.State.Last > 0 && v.State.LastOf[0] != v.State.Last {
		t.Errorf("the newest value is that of entry %d, want %d", v.State.LastOf[0], v.State.Last)
	}
	return whole
}

// TestLies: each lie strikes where the documentation says, and what was posted stays as it was.
func TestLies(t *testing.T) {
	const day = -backdatedBy
	at := func(number int, value string, minute time.Duration) string {
		return fmt.Sprintf("%d %s %v", number, value, minute)
	}
	honest := func(number, post int) string {
		return at(number, fmt.Sprint("x", post), time.Duration(post)*time.Minute)
	}
	for _, c := range []struct {
		lie            Lies
		posts, version int
		want           []string // the newest ones
	}{
		{Drop, 2, 0, []string{honest(1, 1), honest(2, 2)}},
		{Drop, 3, 0, []string{honest(1, 1), honest(2, 2)}},
		{Drop, 4, 0, []string{honest(1, 1), honest(2, 2), honest(3, 4)}},
		{Drop, 14, 0, []string{honest(10, 11), honest(11, 12), honest(12, 14)}},
		{Repeat, 4, 0, []string{honest(3, 3), honest(4, 4)}},
		{Repeat, 5, 0, []string{honest(5, 5), at(6, "x1", 5*time.Minute)}},
		{Repeat, 15, 0, []string{honest(16, 15), at(17, "x11", 15*time.Minute)}},
		{Reorder, 6, 0, []string{honest(4, 4), honest(5, 5)}},
		{Reorder, 7, 0, []string{honest(5, 5), at(6, "x7", 6*time.Minute), at(7, "x6", 7*time.Minute)}},
		{Alter, 2, 0, []string{honest(1, 1), honest(2, 2)}},
		{Alter, 3, 0, []string{honest(1, 1), at(2, "x3", 2*time.Minute), honest(3, 3)}},
		{Fork, 7, 1, []string{honest(7, 7)}},
		{Fork, 8, 0, []string{honest(7, 7), honest(8, 8)}},
		{Fork, 8, 1, []string{honest(7, 7)}},
		{Fork, 10, 0, []string{honest(7, 7), honest(8, 8), honest(9, 10)}},
		{Fork, 10, 1, []string{honest(7, 7), honest(8, 9), honest(9, 10)}},
		{Backdate, 5, 0, []string{honest(3, 3), at(4, "x4", 4*time.Minute+day), honest(5, 5)}},
		{Wipe, 10, 0, []string{honest(9, 9), honest(10, 10)}},
		{Wipe, 11, 0, []string{honest(1, 11)}},
		{Wipe, 22, 0, []string{honest(1, 21), honest(2, 22)}},
		{Drop | Repeat, 5, 0, []string{honest(2, 2), honest(3, 4), honest(4, 5), at(5, "x1", 5*time.Minute)}},
	} {
		t.Run(fmt.Sprint(c.lie, " after ", c.posts, " version ", c.version), func(t *testing.T) {
			s := newLesson(t, c.lie)
			for n := range c.posts {
				s.post(t, n+1)
			}
			got := s.read(t, c.version)
			if d := cmp.Diff(c.want, got[max(0, len(got)-len(c.want)):]); d != "" {
				t.Error(d)
			}
			_, state, err := s.truth.Channel(t.Context(), s.channel.ID)
			if err != nil {
				t.Fatal(err)
			}
			var kept []string
			if err := s.truth.Entries(t.Context(), state.Generation, 1, state.Last, func(e *thingspeak.Entry) error {
				kept = append(kept, e.Fields[0].Text)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for n, value := range kept {
				if value != fmt.Sprint("x", n+1) {
					t.Errorf("post %d is kept as %q", n+1, value)
				}
			}
			if len(kept) != c.posts {
				t.Errorf("%d posts are kept, want %d", len(kept), c.posts)
			}
		})
	}
}

// TestAnyLies: whichever lies a relay tells, its numbers have no hole and fit what it answers.
func TestAnyLies(t *testing.T) {
	for lies := Lies(0); lies <= All; lies++ {
		s := newLesson(t, lies)
		for n := 1; n <= 22; n++ {
			before := int64(len(s.read(t, 0)))
			answered := s.post(t, n)
			want := before + 1
			if lies.Has(Wipe) && n%cycle == 1 {
				want = 1
			}
			if answered != want {
				t.Fatalf("%v: post %d is answered with %d, want %d", lies, n, answered, want)
			}
		}
		for version := range s.relays {
			if s.read(t, version); t.Failed() {
				t.Fatalf("%v", lies)
			}
		}
	}
}

// TestListings: they count what the feeds show.
func TestListings(t *testing.T) {
	s := newLesson(t, Drop)
	for n := range 4 {
		s.post(t, n+1)
	}
	own, err := s.relays[0].Channels(t.Context(), relay.LocalAccountID)
	if err != nil || len(own) != 1 || own[0].LastEntryID != 3 {
		t.Errorf("own channels %+v, %v", own, err)
	}
	page, total, err := s.relays[0].PublicChannels(t.Context(), relay.Listing{Limit: 10})
	if err != nil || total != 1 || len(page) != 1 || page[0].LastEntryID != 3 {
		t.Errorf("public channels %+v of %d, %v", page, total, err)
	}
}

// TestLongFeed: a read of a long feed comes by time, from an index or not, and gets the same.
func TestLongFeed(t *testing.T) {
	s := newLesson(t, Repeat|Backdate)
	for n := range 250 {
		s.post(t, n+1)
	}
	v, err := s.relays[0].View(t.Context(), s.channel.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := s.relays[0].Rows(t.Context(), v, relay.Window{Results: 4}, func(e *thingspeak.Entry) error {
		got = append(got, fmt.Sprint(e.ID, " ", e.Fields[0].Text))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"272 x247", "273 x248", "274 x249", "275 x250"}, got); d != "" {
		t.Error(d)
	}
}

// TestFieldsThatWereSetOnce: the newest value of a field may lie far back.
func TestFieldsThatWereSetOnce(t *testing.T) {
	s := newLesson(t, Drop)
	post := func(fields thingspeak.Fields) {
		t.Helper()
		_, err := s.relays[0].Update(t.Context(), relay.Update{
			Key: s.channel.Keys[0].Text, Entries: []relay.NewEntry{{Entry: thingspeak.Entry{Fields: fields}}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	post(thingspeak.Fields{thingspeak.Text("a"), thingspeak.Text("once")})
	post(thingspeak.Fields{})
	post(thingspeak.Fields{2: thingspeak.Text("never shown")})
	for range 300 {
		post(thingspeak.Fields{thingspeak.Text("a")})
	}
	v, err := s.relays[0].View(t.Context(), s.channel.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	want := [thingspeak.FieldCount]int64{v.State.Last, 1}
	if d := cmp.Diff(want, v.State.LastOf); d != "" {
		t.Error(d)
	}
}

func TestAltered(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"", ""},
		{"21.5", "22.5"},
		{"b'gAAAA9z_-'", "b'gAAAB9z_-'"},
		{"ééé", "ééé"},
		{"--z", "--a"},
		{"Z--", "A--"},
	} {
		if got := alter(c.value); got != c.want {
			t.Errorf("alter(%q) = %q, want %q", c.value, got, c.want)
		}
	}
}

// TestVersions: readers get the versions in turn, and each the same one every time.
func TestVersions(t *testing.T) {
	version := func(n int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200 + n) })
	}
	h := Versions(version(0), version(1))
	for _, c := range []struct {
		address, host string
		want          int
	}{
		{"10.0.0.1:4000", "relay:3000", 0},
		{"10.0.0.2:4000", "relay:3000", 1},
		{"10.0.0.1:4001", "relay:3000", 0},
		{"10.0.0.3:4000", "relay:3000", 0},
		{"127.0.0.1:4000", "127.0.0.1:3000", 1},
		{"127.0.0.1:4000", "localhost:3000", 0},
		{"127.0.0.1:4001", "LOCALHOST:3000", 0},
		{"pipe", "localhost:3000", 1},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = c.address, c.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Code - 200; got != c.want {
			t.Errorf("%s at %s gets version %d, want %d", c.address, c.host, got, c.want)
		}
	}
	only := http.NotFoundHandler()
	if got := fmt.Sprintf("%p", Versions(only)); got != fmt.Sprintf("%p", only) {
		t.Error("one version needs no telling apart")
	}
}
