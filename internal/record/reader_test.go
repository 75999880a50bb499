package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/google/go-cmp/cmp"
)

// What random conversations meet seldom or never.

func TestReadAccepts(t *testing.T) {
	ana, bo := newScribe(t, 1, "ana"), newScribe(t, 2, "bo")
	first, second := ana.write(Text("hello")), ana.write(Text("are you there?"))
	answer := bo.write(Text("yes"), seen(first))
	l := newListener(t)
	result := l.read(slices.Concat(at(t, 2, answer), at(t, 1, first), at(t, 3, second))) // within a call by place
	var got []string
	for _, m := range result.Messages {
		got = append(got, fmt.Sprintf("%s %d at %d: %s", m.Name, m.Number, m.At.Entry, m.Body))
	}
	want := []string{"ana 1 at 1: hello", "bo 1 at 2: yes", "ana 2 at 3: are you there?"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if len(result.Change.Told) > 0 || result.Repeats+result.Refused+result.LeftOver > 0 {
		t.Errorf("told %q, result %+v", texts(result.Change.Told), result)
	}
}

func TestReadCounts(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	first := ana.write(Text("hello"))
	l := newListener(t)
	l.read(at(t, 1, first))

	t.Run("a record again", func(t *testing.T) {
		result := l.read(at(t, 5, first))
		if result.Repeats != 2 || len(result.Messages) != 0 || len(result.Change.Pending) != 0 {
			t.Errorf("repeats %d, messages %v, pending %d", result.Repeats, result.Messages, len(result.Change.Pending))
		}
	})
	t.Run("other parts of it", func(t *testing.T) {
		cells := at(t, 6, first)
		cells[1].Plain[CellSize-1] ^= 1
		if result := l.read(cells[1:2]); result.LeftOver != 1 || len(result.Waiting) != 0 {
			t.Errorf("left over %d, waiting %q", result.LeftOver, texts(result.Waiting))
		}
	})
	t.Run("a cell twice", func(t *testing.T) {
		cells := at(t, 7, ana.write(Text("again")))
		if result := l.read(slices.Concat(cells[:1], cells[:1])); result.Repeats != 1 {
			t.Errorf("repeats %d", result.Repeats)
		}
	})
	t.Run("cells that contradict themselves", func(t *testing.T) {
		cells := at(t, 8, ana.write(Text("again")))[:1]
		cells[0].Plain[partAt] = 0xff
		if result := l.read(cells); result.Refused != 1 || len(result.Change.Pending) != 0 {
			t.Errorf("refused %d, pending %d", result.Refused, len(result.Change.Pending))
		}
	})
	t.Run("fillers", func(t *testing.T) {
		result := l.read([]Cell{{Spot{Place{0, 9}, 1}, testRoom.Key, Filler()}})
		result.Waiting = nil
		if diff := cmp.Diff(&Result{}, result); diff != "" {
			t.Errorf("a filler changed something:\n%s", diff)
		}
	})
}

// A bad cell an entry is no line a poll: who reads step by step is told once, as is who reads all at once, of the same.
func TestBadCellsAreToldOnce(t *testing.T) {
	var cells []Cell
	for entry := range int64(5) {
		malformed := Cell{Spot{Place{0, entry + 1}, 1}, testRoom.Key, Filler()}
		malformed.Plain[CellSize-1] = 1
		newer := Cell{Spot{Place{0, entry + 1}, 2}, testRoom.Key, Filler()}
		newer.Plain[1] = 9
		cells = append(cells, malformed, newer)
	}
	steps, once := newListener(t), newListener(t)
	var told []string
	for pair := range slices.Chunk(cells, 2) {
		result := steps.read(pair)
		told = append(told, texts(result.Change.Told)...)
		if result.Refused != 1 || result.Newer != 1 {
			t.Errorf("refused %d, newer %d", result.Refused, result.Newer)
		}
	}
	want := []string{"1 cell of somebody with the key breaks the format", "entry 1 needs a newer fernpost"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("step by step (-want +got):\n%s", diff)
	}
	want = []string{"5 cells of somebody with the key break the format", "5 cells from entry 1 on need a newer fernpost"}
	if diff := cmp.Diff(want, texts(once.read(cells).Change.Told)); diff != "" {
		t.Errorf("at once (-want +got):\n%s", diff)
	}
	for i, f := range steps.known.Findings() {
		if other := once.known.Findings()[i]; f.ID() != other.ID() {
			t.Errorf("step by step %v, at once %v", f.ID(), other.ID())
		}
	}
}

// A record stands where the lowest copies of its cells stand, even if the copies come first.
func TestLowestCopyCounts(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	first, second := ana.write(Text("hello")), ana.write(Text("again"))
	l := newListener(t)
	l.view.Holes = []Hole{{First: 1, Last: 1}}
	if told := texts(l.read(slices.Concat(at(t, 2, second), at(t, 3, first))).Change.Told); len(told) != 1 {
		t.Fatalf("told %q", told)
	}
	l.view.Holes = nil
	result := l.read(at(t, 1, first))
	if diff := cmp.Diff([]string{"ana 1 stands behind ana 2"}, texts(result.Change.TakenBack)); diff != "" {
		t.Errorf("taken back (-want +got):\n%s", diff)
	}
	if held, _, _ := l.known.Author(ana.key()); held.Base != 1 || l.known.Records()[0].At.Entry != 1 {
		t.Errorf("holds %+v", l.known.Records())
	}

	t.Run("of cells that wait", func(t *testing.T) {
		third := ana.write(Text("and again"))
		high, low := at(t, 9, third), at(t, 4, third)
		l.read(high[:1])
		l.read(low[:1])
		l.reader = NewReader(testRoom.Salt, PublicKey{}) // so that the copies come back from what is kept
		l.read(low[1:])
		if got := l.known.Records()[2].At.Entry; got != 4 {
			t.Errorf("stands at %d, want 4", got)
		}
		if n := len(l.known.spots); n != 0 {
			t.Errorf("%d copies of cells still wait", n)
		}
	})
}

func TestMissing(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	var all []Signed
	for range 7 {
		all = append(all, ana.write(Text("hello")))
	}
	l := newListener(t)
	l.view.Holes = []Hole{{First: 2, Last: 4}}
	result := l.read(slices.Concat(at(t, 1, all[0]), at(t, 5, all[4]), at(t, 7, all[6])))
	want := []string{"waiting for 3 messages from ana (ana 2–4)"}
	if diff := cmp.Diff(want, texts(result.Waiting)); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	want = []string{"1 message from ana missing (ana 6)"} // whatever is lacking below
	if diff := cmp.Diff(want, texts(result.Change.Told)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}

	l.view.Holes[0].Asked = true
	result = l.read(nil)
	if at := result.Change.Told[0].At; at != (Place{0, 5}) {
		t.Errorf("the first shows at %v, want the record behind it", at)
	}
	want = []string{"3 messages from ana missing (ana 2–4)"}
	if diff := cmp.Diff(want, texts(result.Change.Told)); diff != "" || len(result.Waiting) > 0 {
		t.Errorf("waiting %q, told (-want +got):\n%s", texts(result.Waiting), diff)
	}
	if result = l.read(nil); len(result.Change.Told) > 0 {
		t.Errorf("told again: %q", texts(result.Change.Told))
	}

	result = l.read(at(t, 3, all[2]))
	if diff := cmp.Diff([]string{"1 message from ana missing (ana 3)"}, texts(result.Change.TakenBack)); diff != "" {
		t.Errorf("taken back (-want +got):\n%s", diff)
	}
	for range 2 {
		if len(result.Change.Told) > 0 {
			t.Errorf("told again: %q", texts(result.Change.Told))
		}
		result = l.read(nil)
	}
}

// What lies before the lowest number held is not missing, until older rows are read.
func TestBase(t *testing.T) {
	ana, bo := newScribe(t, 1, "ana"), newScribe(t, 2, "bo")
	var all []Signed
	for range 9 {
		all = append(all, ana.write(Text("hello")))
	}
	l := newListener(t)
	l.now = l.now.Add(time.Hour)
	cut := at(t, 9, all[3]) // its first cell lies before what is read
	bosFirst := bo.write(Text("hello"), Seen{all[1].Tag, 2, ShortHash{1}})
	bosSecond := bo.write(Text("hello"), seen(all[6]))
	result := l.read(slices.Concat(cut[1:], at(t, 10, all[4]), at(t, 11, bosFirst, bosSecond)))
	if diff := cmp.Diff([]string{"2 messages from ana missing (ana 6–7), says bo"}, texts(result.Change.Told)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	result = l.read(at(t, 1, all[0]))
	want := []string{"3 messages from ana missing (ana 2–4)"}
	l.now = l.now.Add(time.Hour)
	result.Change.Told = append(result.Change.Told, l.read(nil).Change.Told...)
	if diff := cmp.Diff(want, texts(result.Change.Told)); diff != "" {
		t.Errorf("told once older rows were read (-want +got):\n%s", diff)
	}
	result = l.read(slices.Concat(cut, at(t, 2, all[1])))
	want = []string{
		"1 message from ana missing (ana 2)",
		"1 message from ana missing (ana 4)",
	}
	if diff := cmp.Diff(want, texts(result.Change.TakenBack)); diff != "" {
		t.Errorf("taken back (-want +got):\n%s", diff)
	}
	fork := []string{"ana's key wrote two different ana 2: two devices with one key, a restored backup, " +
		"or a room shown in two versions, says bo"}
	if diff := cmp.Diff(fork, texts(result.Change.Told)); diff != "" {
		t.Errorf("told of what bo has seen (-want +got):\n%s", diff)
	}
}

func TestIncompleteWaits(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	first, long, last := ana.write(Text("hello")), ana.write(Text(make([]byte, 900))), ana.write(Text("bye"))
	parts := cellsOf(t, long, testRoom.Key, 2, 1)
	l := newListener(t)
	l.read(at(t, 1, first))
	arriving := "ana 2 is arriving, 9 of 10 parts"
	if got := texts(l.read(parts[1:]).Waiting); !slices.Equal(got, []string{arriving}) {
		t.Errorf("waiting %q", got)
	}
	l.now = l.now.Add(quietTime - time.Second)
	if got := texts(l.read(nil).Waiting); !slices.Equal(got, []string{arriving}) {
		t.Errorf("before an hour is over: waiting %q", got)
	}

	t.Run("an hour", func(t *testing.T) {
		known := l.known.Clone()
		told := func(now time.Time) []string {
			result, err := NewReader(testRoom.Salt, PublicKey{}).Read(known, nil, whole, now)
			if err != nil {
				t.Fatal(err)
			}
			known.Apply(result.Change)
			return texts(result.Change.Told)
		}
		back := l.now.Add(-365 * 24 * time.Hour)
		if got := told(back); len(got) > 0 {
			t.Errorf("told %q by a clock that was set back", got)
		}
		if got := told(back.Add(quietTime)); len(got) != 1 {
			t.Errorf("told %q an hour after the clock was set back", got)
		}
	})
	t.Run("its author went on", func(t *testing.T) {
		result := l.read(at(t, 20, last))
		want := []string{"1 message from ana missing (ana 2; 9 of 10 parts came)"}
		if diff := cmp.Diff(want, texts(result.Change.Told)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		result = l.read(parts[:1])
		if len(result.Messages) != 1 || len(result.Change.TakenBack) != 1 {
			t.Errorf("messages %d, taken back %q", len(result.Messages), texts(result.Change.TakenBack))
		}
	})
}

func TestFork(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	first := ana.write(Text("hello"))
	twin := ana.fork()
	here, there, after := ana.write(Text("here")), twin.write(Text("there")), twin.write(Text("after"))
	want := []string{"ana's key wrote two different ana 2: two devices with one key, a restored backup, " +
		"or a room shown in two versions"}
	for name, order := range map[string][]Signed{
		"two records":                 {first, here, there},
		"a successor":                 {first, here, after},
		"a successor that came first": {after, here, first},
		"all of it":                   {first, here, there, after},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListener(t)
			l.view.Holes = []Hole{{First: 50, Last: 50}} // no need to see everything
			var told []Finding
			for i, r := range order {
				told = append(told, l.read(at(t, int64(100-i), r)).Change.Told...)
			}
			told = slices.DeleteFunc(told, func(f Finding) bool { return f.Kind == Reordered })
			if diff := cmp.Diff(want, texts(told)); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

func TestForged(t *testing.T) {
	ana, mallory := newScribe(t, 1, "ana"), newScribe(t, 3, "mallory")
	l := newListener(t)
	l.read(at(t, 1, ana.write(Text("hello"))))
	forgery := mallory.write(Text("I am ana"))
	forgery.Tag, forgery.Number = ana.tag(), 2
	want := []string{"a message that claims to be ana's is not signed by ana's key"}
	if diff := cmp.Diff(want, texts(l.read(at(t, 2, forgery)).Change.Told)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if told := l.read(at(t, 3, forgery)).Change.Told; len(told) > 0 {
		t.Errorf("told again: %q", texts(told))
	}
	if result := l.read(at(t, 4, ana.write(Text("I am ana")))); len(result.Messages) != 1 {
		t.Errorf("after a forgery the true ana 2 was not read: %+v", result)
	}

	t.Run("a second signature under a record that is held", func(t *testing.T) {
		r := ana.write(Text("third"))
		l.read(at(t, 5, r))
		r.Bytes = slices.Clone(r.Bytes)
		r.Bytes[len(r.Bytes)-1] ^= 1
		result := l.read(at(t, 6, r))
		want := []string{"a message that claims to be ana's is not signed by ana's key"}
		if diff := cmp.Diff(want, texts(result.Change.Told)); diff != "" || len(result.Messages) > 0 {
			t.Errorf("%d messages, told (-want +got):\n%s", len(result.Messages), diff)
		}
	})
}

// A forgery does not hide that the number itself is missing.
// A cell that came behind a forgery was told as incomplete; beside or before the forgery it was not.
func TestWhatComesBesideAForgery(t *testing.T) {
	ana, mallory := newScribe(t, 1, "ana"), newScribe(t, 3, "mallory")
	first := at(t, 1, ana.write(Text("hello")))
	forgery := mallory.write(Text("I am ana"))
	forgery.Tag, forgery.Number = ana.tag(), 2
	forged := at(t, 2, forgery)
	nowhere := at(t, 3, forgery)[:1] // its link leads to no cell
	nowhere[0].Plain[CellSize-1] ^= 1
	for name, steps := range map[string][][]Cell{
		"before": {nowhere, forged}, "beside": {slices.Concat(nowhere, forged)}, "behind": {forged, nowhere},
	} {
		l := newListener(t)
		l.read(first)
		for _, cells := range steps {
			l.read(cells)
			l.now = l.now.Add(time.Minute)
		}
		l.now = l.now.Add(2 * time.Hour)
		if result := l.read(nil); len(result.Change.Told)+len(result.Waiting) > 0 {
			t.Errorf("%s: told %q, waiting %q", name, texts(result.Change.Told), texts(result.Waiting))
		}
	}
}

func TestForgedAndMissing(t *testing.T) {
	ana, mallory := newScribe(t, 1, "ana"), newScribe(t, 3, "mallory")
	first := ana.write(Text("1"))
	ana.write(Text("withheld"))
	third := ana.write(Text("3"))
	forgery := mallory.write(Text("I am ana"))
	forgery.Tag, forgery.Number = ana.tag(), 2
	l := newListener(t)
	want := []string{
		"a message that claims to be ana's is not signed by ana's key",
		"1 message from ana missing (ana 2; 1 of 2 parts came)",
	}
	if diff := cmp.Diff(want, texts(l.read(at(t, 1, first, forgery, third)).Change.Told)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// A later record that names none before it is malformed, and so is a first one that names some. Neither is a fork.
func TestBrokenPreviousIsMalformed(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	l := newListener(t)
	l.read(at(t, 1, ana.write(Text("1"))))
	result := l.read(at(t, 2, signRaw(ana.id, 2, ShortHash{}, "ana", KindText, []byte("2"))))
	want := []string{"ana 2 names no ana 1", "ana is now called ~fa4d86c3"} // nothing of such a head is used
	if diff := cmp.Diff(want, texts(result.Change.Told)); diff != "" || len(result.Messages) != 1 {
		t.Errorf("%d messages, told (-want +got):\n%s", len(result.Messages), diff)
	}
	result = l.read(at(t, 3, signRaw(newScribe(t, 2, "").id, 1, ShortHash{1}, "bo", KindText, []byte("1"))))
	want = []string{"~e3c1b362 1 names one before it, and there can be none"}
	if diff := cmp.Diff(want, texts(result.Change.Told)); diff != "" || len(result.Messages) != 1 {
		t.Errorf("%d messages, told (-want +got):\n%s", len(result.Messages), diff)
	}
}

// When a room moves to another key, numbers and hashes go on.
func TestKeysOfARoom(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	moved := KeyID{7}
	first, notice := ana.write(Text("1")), ana.write(KeyMoved{moved})
	ana.ctx.Key = moved
	third := ana.write(Text("3"))
	l := newListener(t)
	result := l.read(slices.Concat(at(t, 1, first, notice), cellsOf(t, third, moved, 3, 8)))
	if len(result.Messages) != 3 || len(result.Change.Told) > 0 || result.Messages[2].Key != moved {
		t.Errorf("messages %d, told %q", len(result.Messages), texts(result.Change.Told))
	}
	// Its cells sealed with another key are other cells, and do not keep the true ones from being read.
	l = newListener(t)
	result = l.read(slices.Concat(cellsOf(t, third, testRoom.Key, 1, 8), cellsOf(t, third, moved, 3, 8)))
	if len(result.Messages) != 1 || len(result.Change.Told) != 1 || result.Change.Told[0].Kind != Forged {
		t.Errorf("messages %d, told %q", len(result.Messages), texts(result.Change.Told))
	}
}

// An insider's beginnings are tried 64 at a time, and none of them keeps the true one from being read.
func TestManyBeginnings(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	r := ana.write(Text("hello"))
	cells := at(t, 2, r)
	var junk []Cell
	for i := range 3 * maxChains {
		c := cells[0]
		c.Entry = 1
		c.Field = i + 10
		binary.BigEndian.PutUint16(c.Plain[headerSize+lengthSize+2:], uint16(i+1))
		junk = append(junk, c)
	}
	l := newListener(t)
	result := l.read(slices.Concat(junk, cells))
	for calls := 1; calls < 4; calls++ {
		if len(result.Messages) > 0 || !result.More {
			t.Fatalf("after %d calls: %d messages, more %t", calls, len(result.Messages), result.More)
		}
		l.reader = NewReader(testRoom.Salt, PublicKey{}) // another process goes on
		result = l.read(nil)
	}
	if len(result.Messages) != 1 || result.More {
		t.Errorf("in the end %d messages, more %t", len(result.Messages), result.More)
	}
}

// A nickname that could take over a terminal, pass for another one or climb over the lines above it is none: the
// author is called by the tag.
func TestImpossibleNicknamesAreNotShown(t *testing.T) {
	for name, nick := range map[string]string{
		"an escape sequence":       "ana\x1b[2J",
		"a right-to-left override": "\u202eana",
		"a right-to-left mark":     "ana\u200f",
		"a line break":             "ana\nbo",
		"24 combining bytes":       strings.Repeat("\u0323", 12),
		"a letter and 22 of them":  "q" + strings.Repeat("\u0323", 11),
		"25 bytes":                 strings.Repeat("a", 25),
		"not UTF-8":                "an\xff",
	} {
		l := newListener(t)
		mallory := newScribe(t, 9, "")
		got := l.read(at(t, 1, signRaw(mallory.id, 1, ShortHash{}, nick, KindText, []byte("hello"))))
		if len(got.Messages) != 1 {
			t.Errorf("%s: %d messages", name, len(got.Messages))
			continue
		}
		if m := got.Messages[0]; m.Nick != "" || m.Name != mallory.tag().Name() {
			t.Errorf("%s: called %q, nickname %q", name, m.Name, m.Nick)
		}
	}
}

// Two keys with one tag, as an insider can make them.
func twins(t *testing.T) (ana, mallory *scribe) {
	t.Helper()
	seed := func(n uint32) (b [KeySize]byte) {
		binary.BigEndian.PutUint32(b[:], n)
		return b
	}
	ana, mallory = newScribe(t, 0, "ana"), newScribe(t, 0, "mallory")
	ana.id, mallory.id = NewIdentity(seed(96995)), NewIdentity(seed(163802))
	if ana.tag() != mallory.tag() || ana.key() == mallory.key() {
		t.Fatalf("tags %s and %s", ana.tag(), mallory.tag())
	}
	return ana, mallory
}

// Where two keys share a tag, nobody can tell whom a seen means: what contradicts it is missing, not forked.
func TestOneTagOfTwoKeys(t *testing.T) {
	ana, mallory := twins(t)
	bo := newScribe(t, 2, "bo")
	l := newListener(t)
	records := []Signed{ana.write(Text("1")), mallory.write(Text("1")), ana.write(Text("2")), mallory.write(Text("2"))}
	result := l.read(at(t, 1, records...))
	if len(result.Messages) != 4 || len(result.Change.Told) > 0 {
		t.Fatalf("messages %d, told %q", len(result.Messages), texts(result.Change.Told))
	}
	for _, r := range records[1:] {
		if told := l.read(at(t, 10, bo.write(Text("yes"), seen(r)))).Change.Told; len(told) > 0 {
			t.Errorf("told %q of a seen that is true", texts(told))
		}
	}
	third := mallory.write(Text("3"))
	result = l.read(at(t, 20, bo.write(Text("yes"), Seen{ana.tag(), 2, ShortHash{1}}), bo.write(Text("yes"), seen(third))))
	want := []string{
		fmt.Sprintf("1 message from %[1]s missing (%[1]s 3), says bo", ana.tag().Name()),
	}
	if diff := cmp.Diff(want, texts(result.Change.Told)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if result = l.read(at(t, 19, third)); len(result.Messages) != 1 || !slices.Equal(want, texts(result.Change.TakenBack)) {
		t.Errorf("taken back %q, want %q", texts(result.Change.TakenBack), want)
	}
	want = []string{fmt.Sprintf("1 message from %[1]s missing (%[1]s 2), says bo", ana.tag().Name())}
	if diff := cmp.Diff(want, texts(result.Change.Told)); diff != "" {
		t.Errorf("what bo says besides (-want +got):\n%s", diff)
	}
	if n := len(l.known.unsettled); n != 1 {
		t.Errorf("%d claims doubted, want that of another mallory 2", n)
	}
}

func TestSeenOfOneself(t *testing.T) {
	mallory := newScribe(t, 3, "mallory")
	l := newListener(t)
	l.read(at(t, 1, mallory.write(Text("1")), mallory.write(Text("2"))))
	result := l.read(at(t, 3, mallory.write(Text("3"), Seen{mallory.tag(), 2, ShortHash{1}})))
	if len(result.Change.Told) > 0 {
		t.Errorf("told %q", texts(result.Change.Told))
	}
}

// What one author claims of others is bounded, however many numbers a heartbeat names.
func TestClaimsAreBounded(t *testing.T) {
	mallory := newScribe(t, 3, "mallory")
	l := newListener(t)
	for i := range 3 {
		var lies Heartbeat
		for n := range uint32(maxClaims) {
			lies = append(lies, Seen{Tag{byte(i), byte(n >> 8), byte(n)}, n + 1, ShortHash{1}})
		}
		l.read(at(t, int64(i+1), mallory.write(lies)))
	}
	a, _, _ := l.known.Author(mallory.key())
	kept := 0
	for _, claims := range l.known.claims {
		kept += len(claims)
	}
	if a.Claims != maxClaims || kept != maxClaims {
		t.Errorf("%d claims counted, %d kept, want %d", a.Claims, kept, maxClaims)
	}
}

func TestReceipts(t *testing.T) {
	me, bo, carl := newScribe(t, 1, "me"), newScribe(t, 2, "bo"), newScribe(t, 3, "carl")
	l := newListener(t)
	l.reader = NewReader(testRoom.Salt, me.key())
	first, second := me.write(Text("1")), me.write(Text("2"))
	l.read(at(t, 1, first, second))
	lie := Seen{me.tag(), 2, ShortHash{9}}
	result := l.read(at(t, 3, bo.write(Text("yes"), seen(second)), carl.write(Text("no"), lie)))
	if diff := cmp.Diff([]Receipt{{bo.key(), "bo", 2}}, result.SeenBy); diff != "" {
		t.Errorf("seen by (-want +got):\n%s", diff)
	}
	if result = l.read(at(t, 5, bo.write(Text("yes"), seen(first)))); len(result.SeenBy) > 0 {
		t.Errorf("an older receipt counts: %+v", result.SeenBy)
	}
	if a, _, _ := l.known.Author(bo.key()); a.SawOwn != 2 {
		t.Errorf("bo saw %d", a.SawOwn)
	}

	t.Run("before our own record was read back", func(t *testing.T) {
		third := me.write(Text("3"))
		l.read(at(t, 7, carl.write(Text("yes"), seen(third))))
		result := l.read(at(t, 6, third))
		if diff := cmp.Diff([]Receipt{{carl.key(), "carl", 3}}, result.SeenBy); diff != "" {
			t.Errorf("seen by (-want +got):\n%s", diff)
		}
	})
	t.Run("what to name next", func(t *testing.T) {
		named := func() (names []string) {
			for _, s := range nextSeen(me.key(), l.known.all().Authors) {
				names = append(names, fmt.Sprintf("%s %d", map[Tag]string{bo.tag(): "bo", carl.tag(): "carl"}[s.Tag], s.Number))
			}
			slices.Sort(names)
			return names
		}
		if diff := cmp.Diff([]string{"bo 2", "carl 2"}, named()); diff != "" {
			t.Errorf("to be named (-want +got):\n%s", diff)
		}
		next := nextSeen(me.key(), l.known.all().Authors)[0]
		l.read(at(t, 8, me.write(Text("4"), next))) // read back, it counts as named
		if got := nextSeen(me.key(), l.known.all().Authors); len(got) != 1 || got[0].Tag == next.Tag {
			t.Errorf("named %+v, next %+v", next, got)
		}
		l.read(at(t, 9, me.write(Text("5"), nextSeen(me.key(), l.known.all().Authors)[0])))
		l.read(at(t, 10, bo.write(Text("again")), carl.write(Text("again"))))
		if got := nextSeen(me.key(), l.known.all().Authors); len(got) != 2 || got[0].Tag != next.Tag {
			t.Errorf("first to be named %+v, want the one who was named longest ago", got)
		}
	})
}

// Two processes with one archive take turns, and each has part of a message in memory.
func TestTwoReadersOfOneArchive(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	first, second := cellsOf(t, ana.write(Text(make([]byte, 500))), testRoom.Key, 1, 1),
		cellsOf(t, ana.write(Text(make([]byte, 500))), testRoom.Key, 10, 1)
	one := newListener(t)
	two := newListener(t)
	two.known = one.known
	one.read(first[:2])
	two.read(first[2:4])
	if got := one.read(first[4:]).Messages; len(got) != 1 {
		t.Errorf("the first reader got %d messages", len(got))
	}
	two.read(second[:1])
	one.read(second[1:])
	if got := len(one.known.Records()); got != 2 {
		t.Errorf("%d records held", got)
	}
	if len(one.known.pending)+len(one.known.groups) > 0 {
		t.Errorf("cells of records that are held still wait: %d", len(one.known.pending))
	}
}

// brokenKnown is an archive whose disk fails after so many questions.
type brokenKnown struct {
	*Memory
	left int
}

var errDisk = errors.New("the disk is broken")

func (b *brokenKnown) ask() error {
	if b.left--; b.left < 0 {
		return errDisk
	}
	return nil
}

func (b *brokenKnown) Author(key PublicKey) (Author, bool, error) {
	a, ok, _ := b.Memory.Author(key)
	return a, ok, b.ask()
}

func (b *brokenKnown) Authors(q AuthorQuery) ([]Author, error) {
	authors, _ := b.Memory.Authors(q)
	return authors, b.ask()
}

func (b *brokenKnown) Claims(q ClaimQuery) ([]Claim, error) {
	claims, _ := b.Memory.Claims(q)
	return claims, b.ask()
}

func (b *brokenKnown) Held(q HeldQuery) ([]Held, error) {
	held, _ := b.Memory.Held(q)
	return held, b.ask()
}

func (b *brokenKnown) Pins(q PinQuery) ([]Pin, error) {
	pins, _ := b.Memory.Pins(q)
	return pins, b.ask()
}

func (b *brokenKnown) Devices(key PublicKey) ([]DeviceClaim, error) {
	claims, _ := b.Memory.Devices(key)
	return claims, b.ask()
}

func (b *brokenKnown) Told(id FindingID) (uint32, bool, error) {
	last, told, _ := b.Memory.Told(id)
	return last, told, b.ask()
}

func (b *brokenKnown) Groups(q GroupQuery) ([]Group, error) {
	groups, _ := b.Memory.Groups(q)
	return groups, b.ask()
}

func (b *brokenKnown) Pending(id GroupID) ([]Spot, error) {
	spots, _ := b.Memory.Pending(id)
	return spots, b.ask()
}

func (b *brokenKnown) Cells(spots []Spot) ([]Cell, error) {
	cells, _ := b.Memory.Cells(spots)
	return cells, b.ask()
}

func (b *brokenKnown) Arriving() (Arrival, error) {
	arrival, _ := b.Memory.Arriving()
	return arrival, b.ask()
}

// Whichever question fails, nothing is learnt, and the same cells are read in full once the disk works again.
func TestBrokenArchive(t *testing.T) {
	ana, bo := newScribe(t, 1, "ana"), newScribe(t, 2, "bo")
	before := cellsOf(t, ana.write(Text(make([]byte, 300))), testRoom.Key, 1, 2)
	mine := ana.write(Text("2"))
	forgery := bo.write(Text("x"))
	forgery.Tag, forgery.Number = ana.tag(), 3
	cells := slices.Concat(before[1:], at(t, 10, mine, bo.write(Text("yes"), seen(mine)), forgery))
	for n := 0; ; n++ {
		l := newListener(t)
		l.read(before[:1])
		broken := &brokenKnown{l.known, n}
		result, err := l.reader.Read(broken, cells, whole, noon)
		if broken.left >= 0 {
			if err != nil || len(result.Messages) != 3 {
				t.Fatalf("in the end: %v", err)
			}
			break
		}
		if !errors.Is(err, errDisk) || result != nil {
			t.Fatalf("question %d failed: %v, %v", n, result, err)
		}
		result = l.read(cells)
		if len(result.Messages) != 3 || len(result.Change.Told) != 1 {
			t.Errorf("after question %d failed: %d messages, told %q", n, len(result.Messages), texts(result.Change.Told))
		}
	}
}

// What waits in memory is bounded, and what was forgotten is opened again when it grows.
func TestPendingCellsAreBounded(t *testing.T) {
	testenv.Unwatched(t)
	ana := newScribe(t, 1, "ana")
	early := cellsOf(t, ana.write(Text(make([]byte, 300))), testRoom.Key, 1, 1)
	l := newListener(t)
	l.read(early[1:])
	junk := make([]Cell, maxPending)
	for i := range junk {
		c := early[1]
		c.Entry = int64(i) + 10
		c.Plain[tagAt] ^= 1
		binary.BigEndian.PutUint32(c.Plain[numberAt:], uint32(i)+1)
		junk[i] = c
	}
	l.read(junk)
	cells := 0
	for _, g := range l.reader.pool {
		cells += len(g.parts)
	}
	if cells > maxPending {
		t.Errorf("%d cells in memory", cells)
	}
	id, err := early[1].Group()
	if err != nil || l.reader.pool[id] != nil {
		t.Errorf("the oldest group is still in memory (%v)", err)
	}
	if got := l.read(early[:1]).Messages; len(got) != 1 {
		t.Errorf("%d messages once the last part came", len(got))
	}
}

// TestAChainThatLeavesPartsOut: an insider may link the first part to the last one. That is no record, and nothing breaks.
func TestAChainThatLeavesPartsOut(t *testing.T) {
	cells := cellsOf(t, newScribe(t, 1, "ana").write(Text(strings.Repeat("x", 300))), testRoom.Key, 1, 8)
	last := &cells[len(cells)-1].Plain
	binary.BigEndian.PutUint64(cells[0].Plain[linkAt:], uint64(linkTo(last)))
	if got := newListener(t).read(cells); len(got.Messages) > 0 || len(got.Change.Told) > 0 {
		t.Errorf("it yields %d messages and tells %q", len(got.Messages), texts(got.Change.Told))
	}
}

// Whoever has the key can be a thousand authors, each with some halves of messages: each reading told of all of them, and those of
// people whose keys were compared stood somewhere among them.
func TestNoCrowdOfAuthorsFillsTheScreenWithWhatArrives(t *testing.T) {
	l := newListener(t)
	for n := range byte(40) {
		x := newScribe(t, 100+n, "")
		l.read(at(t, int64(n)*10+1, x.write(Text("hello"))))
		for i := range int64(3) {
			parts := cellsOf(t, x.write(Text(make([]byte, 900))), testRoom.Key, int64(n)*10+2+i, 1)
			l.read(parts[1:])
		}
	}
	ana := newScribe(t, 1, "ana")
	l.read(at(t, 1001, ana.write(Text("hello"))))
	l.known.Apply(compared(t, l.known, ana.id.Public()))
	parts := cellsOf(t, ana.write(Text(make([]byte, 900))), testRoom.Key, 1002, 1)
	waiting := texts(l.read(parts[1:]).Waiting)
	if len(waiting) != mostArriving+1 || waiting[0] != "ana 2 is arriving, 9 of 10 parts" ||
		waiting[mostArriving] != "parts of 111 messages have come, and none of them is whole" {
		t.Errorf("waiting %q", waiting)
	}
	// Nor do they once they are incomplete.
	l.now = l.now.Add(quietTime)
	told := texts(l.read(nil).Change.Told)
	if len(told) != mostArriving || told[0] != "a message that claims to be ana 2: 9 of 10 parts" {
		t.Errorf("told %q", told)
	}
}
