package check_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/check"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// options are those of a check of a fake.
func options(t testing.TB, f http.RoundTripper) check.Options {
	return check.Options{
		Relays: []string{"http://relay.example"}, Channels: 2, Writers: 3, Readers: 2, Seed: 1,
		Settle: 50 * time.Millisecond, Transport: f, Say: func(line string) { t.Log(line) },
	}
}

// run checks for a fifth of a second of the bubble's time, which is about 600 updates.
func run(t *testing.T, o check.Options) *check.Report {
	t.Helper()
	r, err := check.Run(t.Context(), o, time.Second/5, nil)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + text.String())
	return r
}

// once calls change when it was called n times.
func once[T any](n int, change func(T)) func(T) {
	calls := 0
	return func(v T) {
		if calls++; calls == n {
			change(v)
		}
	}
}

// TestLies: each way to break a promise is noticed and named.
func TestLies(t *testing.T) {
	for _, test := range []struct {
		name  string
		lie   func(f *fake)
		kinds []string
	}{
		{
			"an answered entry disappears",
			func(f *fake) {
				f.stored = once(100, func(c *fakeChannel) { c.rows = slices.Delete(c.rows, 10, 11) })
			},
			[]string{check.KindLost},
		},
		{
			"an answered entry is never stored",
			func(f *fake) { f.stored = once(100, func(c *fakeChannel) { c.rows = c.rows[:len(c.rows)-1] }) },
			[]string{check.KindGap, check.KindLost},
		},
		{
			"the newest entries are lost in a crash",
			func(f *fake) {
				f.stored = once(100, func(c *fakeChannel) {
					c.rows = c.rows[:len(c.rows)-20]
					c.last -= 20
				})
			},
			[]string{check.KindBackwards, check.KindChanged, check.KindReused, check.KindWrong},
		},
		{
			"an entry is stored twice",
			func(f *fake) {
				f.stored = once(100, func(c *fakeChannel) {
					again := c.rows[20]
					c.last++
					again.ID, again.CreatedAt = c.last, c.rows[len(c.rows)-1].CreatedAt
					c.rows = append(c.rows, again)
				})
			},
			[]string{check.KindDouble},
		},
		{
			"an update is refused and stored",
			func(f *fake) {
				refuse := false
				f.stored = once(100, func(*fakeChannel) { refuse = true })
				f.answer = func(n int64) string {
					if refuse {
						n, refuse = 0, false
					}
					return strconv.FormatInt(n, 10)
				}
			},
			[]string{check.KindDouble},
		},
		{
			"reads go back",
			func(f *fake) {
				reads := 0
				f.shown = func(_ *fakeChannel, rows []thingspeak.Entry) []thingspeak.Entry {
					if reads++; reads%50 == 0 && len(rows) > 0 {
						return rows[:len(rows)/2]
					}
					return rows
				}
			},
			[]string{check.KindBackwards},
		},
		{
			"an entry becomes another one",
			func(f *fake) {
				f.stored = once(100, func(c *fakeChannel) { c.rows[len(c.rows)-20].Fields = c.rows[10].Fields })
			},
			[]string{check.KindChanged, check.KindDouble, check.KindWrong},
		},
		{
			"an entry gets another date",
			func(f *fake) {
				f.stored = once(100, func(c *fakeChannel) {
					e := &c.rows[len(c.rows)-20]
					e.CreatedAt = e.CreatedAt.Add(-time.Hour)
				})
			},
			[]string{check.KindChanged, check.KindDates},
		},
		{
			"a text is cut",
			func(f *fake) {
				f.stored = once(100, func(c *fakeChannel) {
					v := &c.rows[10].Fields[1]
					v.Text = v.Text[:len(v.Text)-1]
				})
			},
			[]string{check.KindForeign, check.KindWrong},
		},
		{
			"an entry comes from nowhere",
			func(f *fake) {
				f.stored = once(100, func(c *fakeChannel) {
					c.last++
					e := thingspeak.Entry{ID: c.last, CreatedAt: c.rows[len(c.rows)-1].CreatedAt}
					e.Fields[0] = thingspeak.Text("buy\x1b[2J now")
					c.rows = append(c.rows, e)
				})
			},
			[]string{check.KindForeign},
		},
		{
			"an entry goes to another channel",
			func(f *fake) {
				f.stored = once(100, func(c *fakeChannel) {
					other := f.channels[0]
					if other == c {
						other = f.channels[1]
					}
					e := c.rows[len(c.rows)-1]
					c.rows = c.rows[:len(c.rows)-1]
					other.last++
					e.ID = other.last
					other.rows = append(other.rows, e)
				})
			},
			[]string{check.KindForeign, check.KindLost},
		},
		{
			"two updates get one number",
			func(f *fake) {
				f.answer = func(n int64) string {
					if n == 100 {
						n--
					}
					return strconv.FormatInt(n, 10)
				}
			},
			[]string{check.KindReused, check.KindWrong},
		},
		{
			"a number is left out",
			func(f *fake) {
				f.stored = once(100, func(c *fakeChannel) { c.last++ })
			},
			[]string{check.KindGap, check.KindNumber},
		},
		{
			"a later update gets a lower number",
			func(f *fake) {
				f.number = func(next int64) int64 {
					switch {
					case next >= 100 && next < 120:
						return next + 1
					case next == 120:
						return 100
					default:
						return next
					}
				}
			},
			[]string{check.KindOrder},
		},
		{
			"the number of the newest entry is invented",
			func(f *fake) {
				f.answer = func(n int64) string {
					if n == 100 {
						n = 1 << 60
					}
					return strconv.FormatInt(n, 10)
				}
			},
			[]string{check.KindNumber},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				test.lie(f)
				r := run(t, options(t, f))
				if r.OK {
					t.Error("the report says that all is well")
				}
				for _, kind := range test.kinds {
					if r.Kinds[kind] == 0 {
						t.Errorf("nothing is reported as %q, but %v", kind, r.Kinds)
					}
				}
				for _, found := range r.Findings {
					if found.Text == "" || found.Channel != 101 && found.Channel != 102 || strings.ContainsRune(found.Text, '\x1b') {
						t.Errorf("finding %+v", found)
					}
				}
				if f.deleted > 0 {
					t.Error("the evidence was deleted")
				}
			})
		})
	}
}
