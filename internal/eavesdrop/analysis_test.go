package eavesdrop

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

func reportOf(entries ...thingspeak.Entry) Report {
	var a Analysis
	for i := range entries {
		a.Add(&entries[i])
	}
	r, err := a.Report(context.Background())
	if err != nil {
		panic(err) // nothing ends this context
	}
	return r
}

// says returns what a report says of a topic.
func (r *Report) says(topic Topic) (all []string) {
	for _, i := range r.Inferences {
		if i.Topic == topic {
			all = append(all, i.Says)
		}
	}
	return all
}

func entryOf(id int64, at time.Time, texts ...string) thingspeak.Entry {
	e := thingspeak.Entry{ID: id, CreatedAt: at}
	for i, text := range texts {
		e.Fields[i] = thingspeak.Text(text)
	}
	return e
}

// What cannot be told is not told: of nothing, of one row, of rows without dates, of clocks out of this world.
func TestLittleTellsLittle(t *testing.T) {
	if r := reportOf(); len(r.Inferences) > 0 || r.Tokens > 0 {
		t.Errorf("%+v", r)
	}
	if r := reportOf(entryOf(1, posted, "21.5", "hello")); r.Others != 2 || len(r.Inferences) != 1 {
		t.Errorf("%+v", r)
	}
	far := sealed(t, time.Unix(1<<62, 0), 1)
	for _, e := range []thingspeak.Entry{entryOf(1, posted, sealed(t, clock, 2)), entryOf(1, time.Time{}, sealed(t, clock, 2)), entryOf(1, posted, far)} {
		r := reportOf(e, thingspeak.Entry{ID: 2}, thingspeak.Entry{})
		if strings.Contains(strings.Join(r.says(Clocks), "\n"), "-") { // as of a number of nanoseconds that there is none of
			t.Errorf("%q", r.says(Clocks))
		}
		for _, topic := range []Topic{Rhythm, Week, Purpose, Senders} {
			if s := r.says(topic); len(s) != 1 || !strings.HasPrefix(s[0], "cannot tell") {
				t.Errorf("%s: %q", topic, s)
			}
		}
	}
}

// A token that stands twice, and a vector that was used twice, are named by where they stand.
func TestCopiesAndReusedVectors(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	one, two := sealedToken(r, 1.78e9, 1), sealedToken(r, 1.78e9+60, 1)
	// The zero vector of both, with different lengths.
	zero, longer := sealed(t, clock, 1), sealed(t, clock, 2)
	got := reportOf(entryOf(3, posted, one), entryOf(5, posted, two, one), entryOf(6, posted, zero), entryOf(7, posted, longer))
	want := []string{
		"1 token stands there again to the letter, first entry 5 field 2 as entry 3 field 1: somebody copied it, or a sender that had no " +
			"answer sent it twice",
		"1 times a vector (IV) was used again, first in entry 6 field 1 and entry 7 field 1: it has to be random, and where it is not, equal " +
			"beginnings of messages show",
	}
	if d := cmp.Diff(want, got.says(Copies)); d != "" {
		t.Error(d)
	}
}

// What carriers did to tokens, and what is readable, is counted.
func TestDamageIsCounted(t *testing.T) {
	one := sealed(t, clock, 1)
	got := reportOf(entryOf(1, posted, "b'"+one+"'", one[:60], strings.TrimRight(one, "="), "21.5", `{"t":"`+one+`"}`))
	want := Counts{Entries: 1, Tokens: 2, Damaged: 1, Disguised: 1, Others: 1, Wrapped: 1, Mended: 1}
	if d := cmp.Diff(want, got.Counts, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	if n := len(got.says(Damage)); n != 4 {
		t.Errorf("%q", got.says(Damage))
	}
}

// TestOneDeviceThatWaitsIsNoOther: entries that wait for a slot, for a retry or for a line do not make two devices.
func TestOneDeviceThatWaitsIsNoOther(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	var rows []thingspeak.Entry
	at := time.Unix(1.78e9, 0).UTC()
	for i := range 400 {
		wait := 0
		switch {
		case i%3 == 1:
			wait = 15 // a retry, of each third
		case i > 300:
			wait = 400 - i // an outbox that empties
		}
		at = at.Add(time.Duration(40+r.IntN(90)) * time.Second)
		rows = append(rows, entryOf(int64(i+1), at.Add(time.Duration(wait)*time.Second), sealedToken(r, float64(at.Unix()), 1)))
	}
	if got := reportOf(rows...); got.Devices.AtLeast != 1 {
		t.Errorf("%+v %q", got.Devices, got.says(Senders))
	}
}

// The order in which rows come changes nothing.
func TestOrderOfRowsIsNoMatter(t *testing.T) {
	s := scenarioOf(17)
	want := reportOf(s.entries...)
	rand.New(rand.NewPCG(3, 3)).Shuffle(len(s.entries), func(i, j int) { s.entries[i], s.entries[j] = s.entries[j], s.entries[i] })
	if d := cmp.Diff(want, reportOf(s.entries...), cmpopts.EquateApprox(1e-9, 0)); d != "" {
		t.Error(d)
	}
}

// FuzzAnalysis: rows of any content and number are taken, and what is said is sayable.
func FuzzAnalysis(f *testing.F) {
	f.Add(int64(1), int64(0), sealed(f, clock, 1), sealed(f, clock, 8))
	f.Add(int64(-5), int64(1<<40), "gAAAAA", "\x00\xff")
	f.Fuzz(func(t *testing.T, id, at int64, x, y string) {
		when := time.Unix(at%(1<<40), 0)
		got := reportOf(entryOf(id, when, x, y), entryOf(id, when, y), entryOf(id+1, when, x), entryOf(id, time.Time{}, x+y))
		for _, i := range got.Inferences {
			if i.Says == "" || i.Certainty < 0 || i.Certainty > 1 || i.Bits != i.Bits {
				t.Errorf("%+v", i)
			}
		}
	})
}

// countdown is a context that ends when it was asked so many times.
type countdown struct {
	context.Context

	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// A report on a long feed was deaf to Ctrl-C for as long as it took.
func TestAReportEndsWithItsContext(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var a Analysis
	for i := range 500 {
		at := 1.78e9 + float64(i)*60 - float64(i%10) // now and then one waits less than the others
		e := entryOf(int64(i+1), time.Unix(int64(at), 0), sealedToken(r, at-float64(100*(i%50)), 1))
		a.Add(&e)
	}
	whole := &countdown{t.Context(), 1 << 30}
	if got, err := a.Report(whole); err != nil || got.Tokens != 500 {
		t.Fatalf("%d tokens, %v", got.Tokens, err)
	}
	asked := 1<<30 - whole.left
	if asked < 50 {
		t.Errorf("of 500 entries, it asks %d times whether it is still wanted", asked)
	}
	for _, left := range []int{0, 20, asked - 1} {
		if got, err := a.Report(&countdown{t.Context(), left}); !errors.Is(err, context.Canceled) || got.Inferences != nil {
			t.Errorf("ended at question %d of %d: %v, with %d inferences", left+1, asked, err, len(got.Inferences))
		}
	}
}

func BenchmarkReport(b *testing.B) {
	for _, n := range []int{8000, 1_000_000} {
		b.Run(fmt.Sprint(n, "_rows"), func(b *testing.B) {
			r := rand.New(rand.NewPCG(4, 4))
			type short struct { // of a row, of which a whole one takes seven times as much
				at   int64
				text string
			}
			rows := make([]short, n)
			for i := range rows {
				at := 1.78e9 + float64(i)*40
				rows[i] = short{int64(at), sealedToken(r, at-float64(i%3), 1+i%8)}
			}
			b.ReportAllocs()
			for b.Loop() {
				var a Analysis
				var e thingspeak.Entry
				for i := range rows {
					e.ID, e.CreatedAt, e.Fields[0] = int64(i+1), time.Unix(rows[i].at, 0), thingspeak.Text(rows[i].text)
					a.Add(&e)
				}
				if r, err := a.Report(b.Context()); err != nil || r.Tokens != len(rows) {
					b.Fatal("not all: ", err)
				}
			}
		})
	}
}
