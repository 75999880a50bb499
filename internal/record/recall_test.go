package record

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecall(t *testing.T) {
	ana, bo := newScribe(t, 1, "ana"), newScribe(t, 2, "bo")
	first, second := ana.write(Text("1")), ana.write(Text("2"))
	twin := ana.fork()
	third, other := ana.write(Text("3")), twin.write(Text("not 3"))
	answer := bo.write(Text("yes"))
	unread := ana.write(Text("not read"))
	cells := slices.Concat(at(t, 1, first), at(t, 4, second), at(t, 3, third), at(t, 5, other), at(t, 6, answer))
	l := newListener(t)
	l.read(cells)

	recalled := func(cells []Cell) (got []string) {
		messages, err := Recall(l.known, testRoom.Salt, bo.key(), pieces(l.known, cells))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			got = append(got, fmt.Sprintf("%d %s %d %s behind=%d forked=%t own=%t",
				m.At.Entry, m.Name, m.Number, m.Body, m.Behind, m.Forked, m.Own))
		}
		return got
	}
	forgery := bo.write(Text("forged"))
	forgery.Tag = ana.tag()
	all := slices.Concat(cells, at(t, 7, unread, forgery), at(t, 9, first)[:1], []Cell{{Plain: Filler()}})
	want := []string{
		"1 ana 1 1 behind=0 forked=false own=false",
		"3 ana 3 3 behind=0 forked=true own=false",
		"4 ana 2 2 behind=3 forked=false own=false",
		"5 ana 3 not 3 behind=0 forked=true own=false",
		"6 bo 1 yes behind=0 forked=false own=true",
	}
	if diff := cmp.Diff(want, recalled(all)); diff != "" {
		t.Errorf("recalled (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[2:3], recalled(at(t, 4, second))); diff != "" {
		t.Errorf("one of them (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[1:2], recalled(append(at(t, 3, third), at(t, 1, first)[0]))); diff != "" {
		t.Errorf("one and a part of another (-want +got):\n%s", diff)
	}

	if got := recalled(at(t, 99, answer)); len(got) > 0 {
		t.Errorf("by cells that stand elsewhere: %q", got)
	}

	for n := 0; ; n++ {
		broken := &brokenKnown{l.known, n}
		_, err := Recall(broken, testRoom.Salt, PublicKey{}, pieces(l.known, all))
		if broken.left >= 0 {
			break
		}
		if !errors.Is(err, errDisk) {
			t.Fatalf("question %d failed: %v", n, err)
		}
	}
}

// Numbers far apart are asked for one by one, close ones at once.
func TestRecallAsksSparingly(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	var all []Signed
	for range 200 {
		all = append(all, ana.write(Text("hello")))
	}
	l := newListener(t)
	l.read(at(t, 1, all...))
	for name, cells := range map[string][]Cell{
		"the newest 100":      at(t, 101, all[100:]...),
		"the first and last":  slices.Concat(at(t, 1, all[0]), at(t, 200, all[199])),
		"one in the middle":   at(t, 100, all[99]),
		"every second of ten": slices.Concat(at(t, 1, all[0]), at(t, 3, all[2]), at(t, 5, all[4]), at(t, 7, all[6])),
	} {
		counted := &brokenKnown{l.known, 1 << 20}
		messages, err := Recall(counted, testRoom.Salt, PublicKey{}, pieces(l.known, cells))
		if asked := 1<<20 - counted.left; err != nil || len(messages) == 0 || asked > 8 {
			t.Errorf("%s: %d messages by %d questions, %v", name, len(messages), asked, err)
		}
	}
}

// TestLinesSayWhatTheyAnswer: a relay that moves rows of two authors cannot put a yes behind another question.
func TestLinesSayWhatTheyAnswer(t *testing.T) {
	ana, bo := newScribe(t, 1, "ana"), newScribe(t, 2, "bo")
	question, other, third := ana.write(Text("shall we?")), ana.write(Text("shall we not?")), ana.write(Text("well?"))
	yes := bo.write(Text("yes"), seen(question))
	fine := bo.write(Text("fine"), seen(third))
	marks := func(order ...Signed) (got []string) {
		var cells []Cell
		for i, s := range order {
			cells = append(cells, at(t, int64(i+1), s)...)
		}
		l := newListener(t)
		l.read(cells)
		messages, err := Recall(l.known, testRoom.Salt, PublicKey{}, pieces(l.known, cells))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			line := Numbers(m.Name, m.Number, m.Number)
			if m.Behind > 0 {
				line += " behind " + Numbers(m.Name, m.Behind, m.Behind)
			}
			if n := m.Refers; n != nil && n.Below {
				line += " names below " + Numbers(n.Name, n.Number, n.Number)
			} else if n != nil {
				line += " after " + Numbers(n.Name, n.Number, n.Number)
			}
			got = append(got, line)
		}
		return got
	}
	for name, c := range map[string]struct{ got, want []string }{
		"as written": {
			marks(question, yes, other, third, fine), []string{"ana 1", "bo 1", "ana 2", "ana 3", "bo 2"},
		},
		"behind another question": {
			marks(question, other, yes, third, fine), []string{"ana 1", "ana 2", "bo 1 after ana 1", "ana 3", "bo 2"},
		},
		"before its question": {
			marks(yes, question, other, third, fine), []string{"bo 1 names below ana 1", "ana 1", "ana 2", "ana 3", "bo 2"},
		},
		"with an older question in front of it": {
			marks(other, third, question, fine, yes),
			[]string{"ana 2", "ana 3", "ana 1 behind ana 2", "bo 2 after ana 3", "bo 1 behind bo 2"},
		},
		"with the one between left out": {
			marks(question, third, yes), []string{"ana 1", "ana 3", "bo 1 after ana 1"},
		},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// A record that stands before one that it names is told of, and taken back once a copy of what it names is read that
// stands above.
func TestNamedRecordsThatStandBelowAreTold(t *testing.T) {
	ana, bo, cy := newScribe(t, 1, "ana"), newScribe(t, 2, "bo"), newScribe(t, 3, "cy")
	first, third := ana.write(Text("lend me ten?")), ana.write(Text("now?"))
	no := cy.write(Text("no"), seen(third))
	yes, both := bo.write(Text("yes"), seen(first)), bo.write(Heartbeat{seen(third), seen(no)}, seen(first))
	l := newListener(t)
	found := l.read(at(t, 1, yes, both, first, third, no)).Change.Told
	found = slices.DeleteFunc(found, func(f Finding) bool { return f.Kind != Reordered })
	want := []string{"bo names ana 2, which stands below", "bo names cy 1, which stands below"}
	got := texts(found)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if result := l.read(at(t, 0, third)); !slices.Contains(texts(result.Change.Told), "bo names ana 1, which stands below") {
		t.Errorf("told %q, taken back %q", texts(result.Change.Told), texts(result.Change.TakenBack))
	}
	if result := l.read(at(t, 0, first)); !slices.Contains(texts(result.Change.TakenBack), "bo names ana 1, which stands below") {
		t.Errorf("taken back %q", texts(result.Change.TakenBack))
	}
}

// However many of an author's records were moved away, what stands between a line and what it names is noticed.
func TestWhatStandsBetweenIsNoticed(t *testing.T) {
	ana, bo := newScribe(t, 1, "ana"), newScribe(t, 2, "bo")
	var all []Signed
	for range 12 {
		all = append(all, ana.write(Text("?")))
	}
	yes := bo.write(Text("yes"), seen(all[0]))
	order := slices.Concat(all[1:11], all[:1], all[11:], []Signed{yes})
	l := newListener(t)
	cells := at(t, 1, order...)
	l.read(cells)
	records := pieces(l.known, cells)
	for _, part := range [][]Pieces{records, records[len(records)-1:]} {
		messages, err := Recall(l.known, testRoom.Salt, PublicKey{}, part)
		if err != nil {
			t.Fatal(err)
		}
		m := messages[len(messages)-1]
		if m.Refers == nil || m.Refers.Number != 1 || m.Refers.Below {
			t.Errorf("the answer refers to %+v, want ana 1", m.Refers)
		}
	}
}

// Few cells made a line for each of thousands of numbers that their signers named above where they stand.
func TestThoseWhoNameWhatStandsBelowGetFewLines(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	var records []Signed
	var numbers Heartbeat
	for range 40 {
		records = append(records, ana.write(Text("?")))
		numbers = append(numbers, seen(records[len(records)-1]))
	}
	var order []Signed
	for i := range byte(14) {
		mallory := newScribe(t, 10+i, "mal"+string(rune('a'+i)))
		order = append(order, mallory.write(Heartbeat(numbers[1:]), numbers[0]))
	}
	order = append(order, records...)
	once := newListener(t)
	once.read(at(t, 1, order...))
	if got := texts(once.known.Findings()); len(got) != 11 || !slices.Contains(got, "mala names ana 40, which stands below") ||
		!slices.Contains(got, "4 more claims to have seen messages that stand below") {
		t.Errorf("told %q", got)
	}
	steps := newListener(t)
	for i, r := range order {
		steps.read(at(t, int64(i+1), r))
	}
	if diff := cmp.Diff(texts(once.known.Findings()), texts(steps.known.Findings())); diff != "" {
		t.Errorf("told at once and step by step (-once +steps):\n%s", diff)
	}
}
