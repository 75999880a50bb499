package exchange_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// quirkyRelay answers with other rows than it should.
type quirkyRelay struct {
	*memoryRelay

	rows func(q exchange.Query, all []thingspeak.Entry) []thingspeak.Entry
}

func (q *quirkyRelay) Ask(
	ctx context.Context, r exchange.Request, row func(*thingspeak.Entry, thingspeak.FieldSet) error,
) (exchange.Answer, error) {
	if r.What != exchange.FeedRows || q.rows == nil {
		return q.memoryRelay.Ask(ctx, r, row)
	}
	shown := &memoryRelay{rows: q.rows(r.Query, slices.Clone(q.memoryRelay.rows))}
	q.asked = append(q.asked, r)
	return shown.Ask(ctx, r, row)
}

// converse adds a row every 20 seconds, and reads behind each.
func (q *quirkyRelay) converse(t *testing.T, x *exchange.Exchange, pos *exchange.Position, times int) (rewritten []int64) {
	t.Helper()
	for range times {
		time.Sleep(20 * time.Second)
		q.add(time.Now(), oneField("new"))
		rewritten = append(rewritten, follow(t, x, pos).Rewritten...)
	}
	return rewritten
}

func follow(t *testing.T, x *exchange.Exchange, pos *exchange.Position) exchange.News {
	t.Helper()
	visit := func(*thingspeak.Entry) error { return nil }
	news, err := x.Follow(t.Context(), *pos, exchange.Visitor{Entry: visit, Seen: visit})
	if err != nil {
		t.Fatal(err)
	}
	*pos = news.Position
	return news
}

// without leaves out entries.
func without(numbers ...int64) func(exchange.Query, []thingspeak.Entry) []thingspeak.Entry {
	return func(_ exchange.Query, all []thingspeak.Entry) []thingspeak.Entry {
		return slices.DeleteFunc(all, func(e thingspeak.Entry) bool { return slices.Contains(numbers, e.ID) })
	}
}

// Rows that were read and are left out among those that are shown were noticed by nobody who reads on. They are told after a
// minute, once, and once more only after they were there again.
func TestRowsThatAreLeftOutAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := &quirkyRelay{memoryRelay: &memoryRelay{}}
		relay.fill(150)
		x, pos := exchange.New(relay, settings), &exchange.Position{}
		follow(t, x, pos)
		for range 2 {
			relay.rows = without(120, 148, 149)
			if got := relay.converse(t, x, pos, 3); len(got) > 0 {
				t.Errorf("told before a minute has passed: %v", got)
			}
			if got := relay.converse(t, x, pos, 10); !slices.Equal(got, []int64{120, 148, 149}) {
				t.Errorf("told: %v", got)
			}
			relay.rows = nil
			if got := relay.converse(t, x, pos, 5); len(got) > 0 {
				t.Errorf("told of what is there: %v", got)
			}
		}
		// Without news the relay is asked for its rows once more, when a minute has passed.
		relay.rows = without(160)
		relay.converse(t, x, pos, 1)
		before := len(relay.asked)
		for range 3 {
			time.Sleep(30 * time.Second)
			if news := follow(t, x, pos); len(news.Rewritten) > 0 && !slices.Equal(news.Rewritten, []int64{160}) {
				t.Errorf("told: %v", news.Rewritten)
			}
		}
		if asked := len(relay.asked) - before; asked != 4 || len(pos.Withheld) > 0 {
			t.Errorf("asked %d times, %v left", asked, pos.Withheld)
		}
	})
}

// What honest relays leave out is no lie: an answer that is cut short, of either end of time, or that is old.
func TestHonestRelaysLeaveRowsOut(t *testing.T) {
	last := func(all []thingspeak.Entry, n int) []thingspeak.Entry { return all[max(len(all)-n, 0):] }
	upTo := func(q exchange.Query, all []thingspeak.Entry) []thingspeak.Entry {
		return slices.DeleteFunc(all, func(e thingspeak.Entry) bool { return !q.End.IsZero() && e.CreatedAt.After(q.End) })
	}
	n := 0
	quirks := map[string]func(q exchange.Query, all []thingspeak.Entry) []thingspeak.Entry{
		"ten rows at most": func(q exchange.Query, all []thingspeak.Entry) []thingspeak.Entry {
			slices.SortStableFunc(all, func(a, b thingspeak.Entry) int { return a.CreatedAt.Compare(b.CreatedAt) })
			return last(upTo(q, all), 10)
		},
		"the newest by number": func(q exchange.Query, all []thingspeak.Entry) []thingspeak.Entry {
			return last(upTo(q, all), 20)
		},
		"three minutes at most": func(_ exchange.Query, all []thingspeak.Entry) []thingspeak.Entry {
			return slices.DeleteFunc(all, func(e thingspeak.Entry) bool { return time.Since(e.CreatedAt) > 3*time.Minute })
		},
		"every other answer is old": func(_ exchange.Query, all []thingspeak.Entry) []thingspeak.Entry {
			if n++; n%2 == 0 {
				return all
			}
			return all[:max(len(all)-3, 0)]
		},
		"one answer of seven lacks a row": func(_ exchange.Query, all []thingspeak.Entry) []thingspeak.Entry {
			if n++; n%7 > 0 {
				return all
			}
			return without(all[len(all)-2].ID)(exchange.Query{}, all)
		},
	}
	for name, quirk := range quirks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				relay := &quirkyRelay{memoryRelay: &memoryRelay{}, rows: quirk}
				relay.fill(30)
				x, pos := exchange.New(relay, settings), &exchange.Position{}
				for i := range 40 {
					at := time.Now() // as writers of bulk updates say
					switch i % 8 {
					case 3:
						at = at.Add(-time.Hour)
					case 5:
						at = at.Add(time.Hour)
					}
					relay.add(at, oneField(fmt.Sprint(i)))
					if news := follow(t, x, pos); len(news.Rewritten) > 0 || news.Cleared {
						t.Errorf("told in look %d: %+v", i, news.Rewritten)
					}
					time.Sleep(13 * time.Second)
				}
			})
		})
	}
}

// A row that is named and not shown costs a look at the newest rows once a minute, and not with every poll: a relay would
// else have every reader ask for a hundred rows every few seconds.
func TestWhatIsNamedAndNotShownCostsOneLookAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := &quirkyRelay{memoryRelay: &memoryRelay{}}
		relay.fill(150)
		x, pos := exchange.New(relay, settings), &exchange.Position{}
		follow(t, x, pos)
		relay.add(time.Now(), oneField("new"))
		relay.rows = without(151)
		const minutes = 10
		relay.asked = nil
		for range minutes * 12 {
			follow(t, x, pos)
			time.Sleep(5 * time.Second)
		}
		looks := 0
		for _, r := range relay.asked {
			if r.What == exchange.FeedRows && r.Query.LastID == 0 {
				looks++
			}
		}
		if looks < minutes-1 || looks > minutes+1 {
			t.Errorf("within %d minutes it has looked at the newest rows %d times", minutes, looks)
		}
	})
}
