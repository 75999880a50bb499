package check_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// fake is a small relay in memory, which may be told to lie. It is a transport, so that a check talks to it in a
// synctest bubble, where each request takes a millisecond.
type fake struct {
	t testing.TB
	// interval is enforced between updates; ranges says that start_entry_id is known, rows is the most rows of a reply.
	interval time.Duration
	ranges   bool
	rows     int
	// fault, if set, takes the place of an answer: before or after the relay has done its work.
	fault func(r *http.Request, work func()) error
	// number may give out another number than the next one; answer may tell another one than was given out.
	number func(next int64) int64
	answer func(number int64) string
	// stored is told of each update that was stored, and may change what is there.
	stored func(c *fakeChannel)
	// shown may change what reads see.
	shown func(c *fakeChannel, rows []thingspeak.Entry) []thingspeak.Entry

	mu       sync.Mutex
	channels []*fakeChannel
	deleted  int
	asked    map[string]int // hosts
	bodies   map[string]int // of updates, and how often each came
}

// fakeChannel has number 101 and following.
type fakeChannel struct {
	id     int64
	rows   []thingspeak.Entry
	last   int64
	update time.Time
	// at is when each row was stored.
	at map[int64]time.Time
}

func (c *fakeChannel) key() string { return fmt.Sprintf("WRITEKEY%08d", c.id) }

func newFake(t testing.TB) *fake {
	return &fake{t: t, ranges: true, rows: thingspeak.MaxResults, bodies: map[string]int{}, asked: map[string]int{}}
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(time.Millisecond):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	w := httptest.NewRecorder()
	work := func() { f.serve(w, r) }
	if f.fault != nil {
		if err := f.fault(r, work); err != nil {
			return nil, err
		}
	} else {
		work()
	}
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	return w.Result(), nil
}

var errReset = errors.New("connection reset")

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		f.t.Error(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[r.URL.Host]++
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/channels.json":
		f.create(w)
	case r.URL.Path == "/update":
		f.update(w, r)
	case len(path) == 3 || len(path) == 4:
		id, _ := strconv.ParseInt(path[1], 10, 64)
		if id < 101 || int(id) > 100+len(f.channels) {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		c := f.channels[id-101]
		if r.Header.Get("X-Thingspeakapikey") != c.key() {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "-1")
			return
		}
		rows := slices.Clone(c.rows)
		if f.shown != nil {
			rows = f.shown(c, rows)
		}
		f.read(w, r, strings.Join(path[2:], "/"), rows)
	default:
		f.deleted++
	}
}

func (f *fake) create(w http.ResponseWriter) {
	c := &fakeChannel{id: int64(101 + len(f.channels)), at: map[int64]time.Time{}}
	f.channels = append(f.channels, c)
	reply, err := json.Marshal(map[string]any{
		"id": c.id, "api_keys": []any{map[string]any{"api_key": c.key(), "write_flag": true}},
	})
	if err != nil {
		f.t.Error(err)
	}
	_, _ = w.Write(reply)
}

func (f *fake) update(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(f.channels, func(c *fakeChannel) bool { return c.key() == r.Header.Get("X-Thingspeakapikey") })
	if i < 0 {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, "0")
		return
	}
	c := f.channels[i]
	if wait := f.interval - time.Since(c.update); !c.update.IsZero() && wait > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int(wait/time.Second)+1))
		fmt.Fprint(w, "0")
		return
	}
	c.update = time.Now()
	f.bodies[r.PostForm.Encode()]++
	e := thingspeak.Entry{ID: c.last + 1, CreatedAt: time.Now().UTC().Truncate(time.Second)}
	c.last++
	if f.number != nil {
		e.ID = f.number(e.ID)
	}
	for n := 1; n <= 2; n++ {
		e.Fields[n-1] = thingspeak.Text(r.PostForm.Get("field" + strconv.Itoa(n)))
	}
	c.at[e.ID] = time.Now()
	c.rows = append(c.rows, e)
	slices.SortFunc(c.rows, func(a, b thingspeak.Entry) int { return int(a.ID - b.ID) })
	if f.stored != nil {
		f.stored(c)
	}
	reply := strconv.FormatInt(e.ID, 10)
	if f.answer != nil {
		reply = f.answer(e.ID)
	}
	fmt.Fprint(w, reply)
}

func (f *fake) read(w http.ResponseWriter, r *http.Request, what string, rows []thingspeak.Entry) {
	last := int64(-1)
	if len(rows) > 0 {
		last = rows[len(rows)-1].ID
	}
	fields := thingspeak.FieldsOf(1, 2)
	switch {
	case what == "last_entry_id.txt":
		fmt.Fprint(w, last)
		return
	case what == "feeds/last.json" && len(rows) == 0:
		fmt.Fprint(w, "-1")
		return
	case what == "feeds/last.json":
		_, _ = w.Write(thingspeak.AppendEntryJSON(nil, &rows[len(rows)-1], fields, false, false, nil))
		return
	case what == "feeds.csv":
		rows = f.choose(r, rows)
	default: // feeds/N.csv
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(what, "feeds/"), ".csv"), 10, 64)
		if err != nil {
			f.t.Errorf("the check asks for %s", r.URL)
		}
		rows = slices.DeleteFunc(rows, func(e thingspeak.Entry) bool { return e.ID != n })
		if len(rows) == 0 {
			fmt.Fprint(w, "-1")
			return
		}
	}
	body := thingspeak.AppendCSVHeader(nil, fields, false, false)
	for i := range rows {
		body = thingspeak.AppendCSVRow(body, &rows[i], fields, false, false, nil)
	}
	_, _ = w.Write(body)
}

// choose takes the rows that the parameters ask for.
func (f *fake) choose(r *http.Request, rows []thingspeak.Entry) []thingspeak.Entry {
	integer := func(name string, otherwise int64) int64 {
		if n, err := strconv.ParseInt(r.Form.Get(name), 10, 64); err == nil {
			return n
		}
		return otherwise
	}
	if f.ranges {
		first, last := integer("start_entry_id", 0), integer("end_entry_id", 1<<62)
		rows = slices.DeleteFunc(rows, func(e thingspeak.Entry) bool { return e.ID < first || e.ID > last })
	}
	if end, err := thingspeak.ParseTime(r.Form.Get("end"), nil); err == nil {
		rows = slices.DeleteFunc(rows, func(e thingspeak.Entry) bool { return e.CreatedAt.After(end) })
	}
	results := min(int(integer("results", 100)), f.rows)
	return rows[max(0, len(rows)-results):]
}
