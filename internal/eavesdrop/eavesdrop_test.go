package eavesdrop

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// sealed returns a token of that many blocks of ciphertext, dated by its own clock. Its content is nonsense, which
// nobody without the key can tell.
func sealed(t testing.TB, at time.Time, blocks int) string {
	t.Helper()
	raw := make([]byte, token.Overhead+blocks*token.BlockSize)
	raw[0] = token.Version
	for i := range 8 {
		raw[1+i] = byte(at.Unix() >> (8 * (7 - i)))
	}
	tok, err := token.Encode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return tok.String()
}

var (
	posted = time.Date(2026, 11, 20, 10, 0, 15, 0, time.UTC)
	clock  = time.Date(2026, 11, 20, 10, 0, 3, 0, time.UTC)
)

func TestLookTellsWhatStandsInTheFields(t *testing.T) {
	one := sealed(t, clock, 1)
	e := &thingspeak.Entry{ID: 7, CreatedAt: posted, Fields: thingspeak.Fields{
		0: thingspeak.Text(one),
		1: thingspeak.Text(" b'" + one + "'"),
		2: thingspeak.Text(one[:50]),
		4: thingspeak.Text("21.5"),
		5: {Given: true},
	}}
	want := []Sighting{
		{
			Entry: 7, Posted: posted, Sealed: clock, Field: 1, Length: 100, Kind: Token, MaxPlaintext: 15,
			Text: one,
		},
		{
			Entry: 7, Posted: posted, Sealed: clock, Field: 2, Length: 104, Kind: Token, MaxPlaintext: 15,
			Carried: token.Space | token.BytesLiteral, Text: " b'" + one + "'",
		},
		{
			Entry: 7, Posted: posted, Field: 3, Length: 50, Kind: Damaged,
			Damage: "malformed token: shorter than 73 bytes", Text: one[:50],
		},
		{Entry: 7, Posted: posted, Field: 5, Length: 4, Kind: Other, Text: "21.5"},
	}
	if d := cmp.Diff(want, Look(e)); d != "" {
		t.Error(d)
	}
}

func TestSummaryBoundsTimesAndSizes(t *testing.T) {
	var s Summary
	for i, blocks := range []int{2, 8, 3} {
		at := clock.Add(time.Duration(i) * time.Hour)
		s.Add(Look(&thingspeak.Entry{ID: int64(i + 1), Fields: thingspeak.Fields{thingspeak.Text(sealed(t, at, blocks))}}))
	}
	s.Add(Look(&thingspeak.Entry{ID: 4, Fields: thingspeak.Fields{
		thingspeak.Text(sealed(t, clock.Add(26*time.Hour), 2)), thingspeak.Text("gAAAAAcut"), thingspeak.Text("22"),
	}}))
	s.Add(nil)
	hours := [24]int{10: 1, 11: 1, 12: 2}
	want := Summary{
		Entries: 5, Tokens: 4, Damaged: 1, Others: 1, First: clock, Last: clock.Add(26 * time.Hour),
		Shortest: 16, Longest: 127, Hours: hours,
	}
	if d := cmp.Diff(want, s); d != "" {
		t.Error(d)
	}
}

// Of three tokens "mostly in the hour from 10:00" says more than is known.
func TestAHabitTakesMoreThanAFewTokens(t *testing.T) {
	for _, tt := range []struct {
		tokens, days int
		every        time.Duration // between those of a day
		known        bool
	}{
		{3, 3, 0, false},
		{12, 1, time.Minute, false}, // that is when they wrote
		{12, 3, time.Minute, true},
		{12, 3, time.Hour, false}, // all day long
	} {
		var s Summary
		for i := range tt.tokens {
			at := time.Date(2026, 11, 20+i%tt.days, 10, 0, 0, 0, time.UTC).Add(time.Duration(i/tt.days) * tt.every)
			s.Add(Look(&thingspeak.Entry{ID: int64(i + 1), Fields: thingspeak.Fields{thingspeak.Text(sealed(t, at, 2))}}))
		}
		if hour, known := s.BusiestHour(); known != tt.known || known && hour != 10 {
			t.Errorf("%+v: hour %d, %t", tt, hour, known)
		}
	}
}

func FuzzLook(f *testing.F) {
	f.Add(sealed(f, clock, 8))
	f.Add("gAAAAA" + strings.Repeat("_", 242))
	f.Fuzz(func(t *testing.T, text string) {
		var s Summary
		seen := Look(&thingspeak.Entry{ID: 1, Fields: thingspeak.Fields{thingspeak.Text(text)}})
		s.Add(seen)
		if len(seen) > 1 || (len(seen) == 0) != (text == "") {
			t.Fatalf("%q shows %d times", text, len(seen))
		}
		if len(seen) == 1 && seen[0].Kind == Token && seen[0].MinPlaintext > seen[0].MaxPlaintext {
			t.Errorf("%q holds %d to %d bytes", text, seen[0].MinPlaintext, seen[0].MaxPlaintext)
		}
	})
}

// Rows of a bulk update are dated before the room existed, and nobody said why.
func TestSummaryCountsRowsThatAreDatedBack(t *testing.T) {
	var s Summary
	for id, after := range []time.Duration{-time.Minute, 0, 4 * time.Second, 5 * time.Second, time.Hour} {
		e := thingspeak.Entry{ID: int64(id), CreatedAt: posted, Fields: thingspeak.Fields{
			thingspeak.Text(sealed(t, posted.Add(after), 1)), thingspeak.Text("21.5"),
		}}
		s.Add(Look(&e))
	}
	if s.Backdated != 2 {
		t.Errorf("%d rows are dated back, want 2", s.Backdated)
	}
}
