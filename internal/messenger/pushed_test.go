package messenger_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// crier is a room whose relay pushes what a test says, true or not, and a face that notes what it is shown.
type crier struct {
	*texts

	tape    []uint16 // what is left of the choices
	line    chan remote.Heard
	cut     chan error
	lies    int
	instead []int64 // the numbers for which another row was pushed first
	shown   []string
	arrived []time.Duration // from when it was posted
	posted  sync.Map        // when each message was
	found   []messenger.Found
	read    int
}

var errLineCut = errors.New("the line was cut")

func (c *crier) Via() exchange.Via { return exchange.Stream }

func (c *crier) Listen(ctx context.Context, _ int64, heard func(remote.Heard) error) error {
	for h := (remote.Heard{}); ; {
		if err := heard(h); err != nil {
			return err
		}
		select {
		case h = <-c.line:
		case <-time.After(15 * time.Second):
			h = remote.Heard{}
		case err := <-c.cut:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func newCrier(t *testing.T, tape []uint16) *crier {
	c := &crier{texts: newTexts(t), tape: tape, line: make(chan remote.Heard), cut: make(chan error)}
	c.engine.PushBy(c)
	return c
}

// draw takes the next choice, the first if there are none left.
func (c *crier) draw(first, last int) int {
	if len(c.tape) == 0 {
		return first
	}
	n := first + int(c.tape[0])%(last-first+1)
	c.tape = c.tape[1:]
	return n
}

// watch shows what comes until the context ends.
func (c *crier) watch(ctx context.Context, s *messenger.Stream) {
	for {
		e, err := s.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				c.t.Error(err)
			}
			return
		}
		switch e := e.(type) {
		case messenger.Message:
			c.shown = append(c.shown, e.Unsigned.Text)
			if at, ok := c.posted.Load(e.Unsigned.Text); ok {
				c.arrived = append(c.arrived, time.Since(at.(time.Time)))
			}
		case messenger.Found:
			c.found = append(c.found, e)
		case messenger.Read:
			c.read++
		}
	}
}

// writes has n messages stored, and returns their entries.
func (c *crier) writes(n int) []thingspeak.Entry {
	for i := range n {
		c.posted.Store(fmt.Sprint(c.texts.posted+i+1), time.Now())
	}
	c.texts.post(n)
	all := c.server.Entries(c.t, c.room.Channel)
	return all[len(all)-n:]
}

// push pushes an entry, if somebody listens.
func (c *crier) push(e thingspeak.Entry) {
	c.says(remote.Heard{Entry: &exchange.Pushed{Entry: e, Channel: c.room.Channel, Fields: thingspeak.AllFields}})
}

func (c *crier) says(h remote.Heard) {
	select {
	case c.line <- h:
	case <-time.After(time.Millisecond):
	}
}

// lie is an entry that nobody has posted. A key opens it, so that the room would show it.
func (c *crier) lie(id int64) thingspeak.Entry {
	c.lies++
	tok, err := c.ring.Seal(fmt.Append(nil, "lie ", c.lies), time.Now())
	if err != nil {
		c.t.Fatal(err)
	}
	return thingspeak.Entry{ID: id, CreatedAt: time.Now().Truncate(time.Second).UTC(), Fields: thingspeak.Fields{thingspeak.Text(tok)}}
}

// act does one thing, honest or not. Only where instead says so is another row pushed for the next number.
func (c *crier) act(instead bool) {
	last := int64(c.texts.posted)
	choices := 10
	if instead {
		choices++
	}
	switch c.draw(0, choices) {
	case 0, 1:
		for _, e := range c.writes(c.draw(1, 3)) {
			c.push(e)
		}
	case 2: // a gap
		all := c.writes(c.draw(2, 4))
		c.push(all[len(all)-1])
	case 3:
		c.writes(1)
	case 4: // a repeat
		if last > 0 {
			c.push(c.server.Entries(c.t, c.room.Channel)[c.draw(0, int(last)-1)])
		}
	case 5: // far ahead; or a little, so that others may come to stand before it
		ahead := []int64{1 << 20, 1 << 38, 1 << 52, math.MaxInt64 - last, 2}[c.draw(0, choices-7)]
		c.push(c.lie(last + ahead))
		c.instead = append(c.instead, last+ahead)
	case 6: // another row for a known number
		synctest.Wait()
		known := 0
		for _, text := range c.shown {
			var n int
			if _, err := fmt.Sscan(text, &n); err == nil {
				known = max(known, n)
			}
		}
		c.push(c.lie(int64(c.draw(0, known))))
	case 7: // of another channel
		c.says(remote.Heard{Entry: &exchange.Pushed{Entry: c.lie(last + 1), Channel: c.room.Channel + 1, Fields: thingspeak.AllFields}})
	case 8: // a reset
		c.says(remote.Heard{Missed: true})
	case 9:
		select {
		case c.cut <- errLineCut:
		case <-time.After(time.Millisecond):
		}
	case 10: // in the wrong order
		all := c.writes(3)
		c.push(all[1])
		c.push(all[0])
		c.push(all[2])
	case 11:
		c.push(c.lie(last + 1))
		c.instead = append(c.instead, last+1)
	}
}

// follow runs the choices, and returns when all has come that will.
func (c *crier) follow(instead bool) {
	s := c.texts.follow(messenger.FollowOptions{Mark: "face", FromStart: true})
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.watch(ctx, s)
	}()
	for len(c.tape) > 0 {
		c.act(instead)
		time.Sleep(time.Duration(c.draw(0, 3)*c.draw(0, 30)) * time.Second)
	}
	for range 3 { // what is posted last overtakes no lie
		c.writes(1)
		time.Sleep(5 * time.Minute)
	}
	cancel()
	<-done
	closeAll(c.t, s)
}

// TestWhateverIsPushedEachMessageIsShownOnce: a source that leaves out, repeats, mixes up and invents entries has nothing
// shown that the channel does not hold, nothing left out, nothing twice and nothing out of turn; and nobody is accused.
func TestWhateverIsPushedEachMessageIsShownOnce(t *testing.T) {
	testenv.Check(t, func(rt *rapid.T) {
		tape := rapid.SliceOfN(rapid.Uint16(), 10, 100).Draw(rt, "choices")
		var c *crier
		synctest.Test(t, func(t *testing.T) {
			c = newCrier(t, tape)
			c.follow(false)
		})
		if want := countTo(1, c.texts.posted); !slices.Equal(c.shown, want) || len(c.found) > 0 {
			rt.Fatalf("shown was %q, want %d messages; found was %+v", c.shown, len(want), c.found)
		}
	})
}

// TestARowPushedInPlaceOfAnotherIsToldOf: a source that pushes another row than the channel holds, under the number that
// comes next, has it shown, as a relay has that shows it when it is asked. That is told then, by the same rule, and the
// channel's own row is shown as well.
func TestARowPushedInPlaceOfAnotherIsToldOf(t *testing.T) {
	testenv.Check(t, func(rt *rapid.T) {
		tape := rapid.SliceOfN(rapid.Uint16(), 10, 100).Draw(rt, "choices")
		var c *crier
		synctest.Test(t, func(t *testing.T) {
			c = newCrier(t, tape)
			c.follow(true)
		})
		slices.Sort(c.shown)
		if all := slices.Compact(slices.Clone(c.shown)); len(all) != len(c.shown) {
			rt.Fatalf("something was shown twice: %q", c.shown)
		}
		lies := 0
		for _, text := range c.shown {
			if strings.HasPrefix(text, "lie") {
				lies++
			}
		}
		if got := len(c.shown) - lies; got != c.texts.posted || lies > len(c.instead) {
			rt.Fatalf("of %d messages %d were shown, and of %d rows in their place %d: %q", c.texts.posted, got, len(c.instead), lies, c.shown)
		}
		told := map[int64]bool{}
		for _, f := range c.found {
			if f.Kind != record.Wiped || f.TakenBack {
				rt.Fatalf("found was %+v", f)
			}
			for n := f.At.Entry; n <= max(f.Until, f.At.Entry); n++ {
				told[n] = true
			}
		}
		for n := range told {
			if !slices.Contains(c.instead, n) {
				rt.Fatalf("entry %d is told to be rewritten, which was not: %+v", n, c.found)
			}
		}
		if len(told) != lies {
			rt.Fatalf("%d rows were shown that are not there, and told is %v", lies, told)
		}
	})
}

// What a stream pushes is shown when it comes, however rarely the relay is asked.
func TestWhatIsPushedIsShownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrier(t, nil)
		c.writes(3)
		s := c.texts.follow(messenger.FollowOptions{Mark: "face", FromStart: true})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.watch(ctx, s)
		}()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		c.arrived, c.read = nil, 0
		c.server.Requests()
		for range 20 {
			c.push(c.writes(1)[0])
			time.Sleep(7 * time.Second)
		}
		synctest.Wait()
		if len(c.arrived) != 20 || slices.Max(c.arrived) > 0 {
			t.Errorf("%d were shown, after %v", len(c.arrived), c.arrived)
		}
		// Once a minute the relay is asked whether it shows what was pushed.
		if n := len(c.server.Requests()); n < 4 || n > 6 || c.read > 3 {
			t.Errorf("the relay was asked %d times, in %d readings", n, c.read)
		}
		cancel()
		<-done
		closeAll(t, s)
	})
}

// One entry with the highest number that there is, pushed by a relay or a broker, ended every program that followed the room.
func TestNoPushedNumberEndsTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrier(t, nil)
		c.writes(3)
		s := c.texts.follow(messenger.FollowOptions{Mark: "face", FromStart: true})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.watch(ctx, s)
		}()
		time.Sleep(time.Minute)
		for _, id := range []int64{math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, -1, 0, 1 << 40, 1<<40 - 1} {
			c.push(c.lie(id))
			time.Sleep(time.Minute)
		}
		c.push(c.writes(1)[0])
		time.Sleep(time.Minute)
		synctest.Wait()
		if d := cmp.Diff([]string{"1", "2", "3", "4"}, c.shown); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		cancel()
		<-done
		closeAll(t, s)
	})
}

// What crashes while a feed is fetched is raised where the reading is waited for, since that is where a terminal is restored.
func TestACrashOfTheFetchingIsRaisedInItsReader(t *testing.T) {
	synctest.Test(t, crashOfTheFetching)
}

func crashOfTheFetching(t *testing.T) {
	c := newTexts(t)
	r, err := c.engine.Open(c.room, messenger.Face{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer func() {
		if v := fmt.Sprint(recover()); !strings.Contains(v, "out of range") || !strings.Contains(v, "pushed_test.go") {
			t.Errorf("raised is %s", v)
		}
	}()
	messenger.FetchBy(r, func(context.Context, exchange.Position, exchange.Visitor) (exchange.News, error) {
		var none []int
		_ = none[len(none)]
		return exchange.News{}, nil
	})
}

// A record that is pushed in place of the one before it is shown, and nothing is said to be missing until the relay was asked.
func TestNothingIsMissingByWhatWasPushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		homes := newHomes(t, "ana", "bo")
		ana, bo := homes[0], homes[1]
		source := &crier{line: make(chan remote.Heard), cut: make(chan error)}
		e := bo.process()
		e.PushBy(source)
		ana.answers("one")
		s := bo.follow(e, "face")
		time.Sleep(90 * time.Second)
		ana.answers("two")
		ana.answers("three")
		all := ana.at.Entries(t, ana.room.Channel)
		if len(all) != 3 {
			t.Fatalf("%d entries", len(all))
		}
		lie := all[2]
		lie.ID = 2
		source.says(remote.Heard{Entry: &exchange.Pushed{Entry: lie, Channel: ana.room.Channel, Fields: thingspeak.AllFields}})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		began, shown := time.Now(), map[string]time.Duration{}
		for ctx.Err() == nil {
			e, err := s.Next(ctx)
			if err != nil {
				break
			}
			switch e := e.(type) {
			case messenger.Message:
				shown[fmt.Sprint(e.Record.Body)] = time.Since(began)
			case messenger.Found:
				if e.Kind != record.Wiped || e.At.Entry != 2 {
					t.Errorf("told was %v of %v", e.Kind, e.At)
				}
			}
		}
		if len(shown) != 2 || shown["three"] > 0 || shown["two"] == 0 || shown["two"] > time.Minute {
			t.Errorf("shown was %v", shown)
		}
		closeAll(t, s)
	})
}
