package record

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/google/go-cmp/cmp"
)

// Whoever invents a number swallows no true word about a lower one, and each honest message brings nothing of it.
func TestAnInventedNumberSwallowsNothing(t *testing.T) {
	ana, mal, cy := newScribe(t, 1, "ana"), newScribe(t, 2, "mal"), newScribe(t, 3, "cy")
	var all []Signed
	for range 8 {
		all = append(all, ana.write(Text("hello")))
	}
	l := newListener(t)
	l.read(at(t, 1, all[0], all[1], all[2], all[3]))
	lie := mal.write(Text("?"), Seen{ana.tag(), math.MaxUint32, ShortHash{1}})
	want := []string{"4294967291 messages from ana missing (ana 5–4294967295), says mal"}
	if diff := cmp.Diff(want, texts(l.read(at(t, 5, lie)).Change.Told)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	want = []string{"1 message from ana missing (ana 5), say mal and cy"}
	if diff := cmp.Diff(want, texts(l.read(at(t, 6, cy.write(Text("yes"), seen(all[4])))).Change.Told)); diff != "" {
		t.Errorf("cy's word (-want +got):\n%s", diff)
	}
	// ana goes on, and what cy said is proven.
	result := l.read(at(t, 7, all[6]))
	want = []string{"2 messages from ana missing (ana 5–6)", "mal names ana 4294967295, but what ana wrote before stands below: that cannot be, and accuses nobody"}
	if diff := cmp.Diff(want, texts(result.Change.Told)); diff != "" {
		t.Errorf("proven (-want +got):\n%s", diff)
	}
	if result = l.read(at(t, 8, all[7])); len(result.Change.Told)+len(result.Change.TakenBack) > 0 {
		t.Errorf("an honest message brings %q, taken back %q", texts(result.Change.Told), texts(result.Change.TakenBack))
	}
}

// Whoever was told to say that a message is missing is heard again when they name a higher one: in one line, in place of
// the one before, also when what they said is proven in the same call, and when others say the same.
func TestAHigherNumberIsToldAnew(t *testing.T) {
	ana, cy, dan := newScribe(t, 1, "ana"), newScribe(t, 3, "cy"), newScribe(t, 4, "dan")
	var all []Signed
	for range 12 {
		all = append(all, ana.write(Text("hello")))
	}
	l := newListener(t)
	l.read(at(t, 1, all[0], all[1], all[2], all[3]))
	for step, c := range []struct {
		cells     []Cell
		told, all []string
	}{
		{
			at(t, 5, cy.write(Text("yes"), seen(all[4]))),
			[]string{"1 message from ana missing (ana 5), says cy"},
			[]string{"1 message from ana missing (ana 5), says cy"},
		},
		{
			at(t, 6, cy.write(Text("and"), seen(all[5]))),
			[]string{"2 messages from ana missing (ana 5–6), says cy"},
			[]string{"2 messages from ana missing (ana 5–6), says cy"},
		},
		{at(t, 7, cy.write(Text("no more"), seen(all[4]))), nil, []string{"2 messages from ana missing (ana 5–6), says cy"}},
		{
			slices.Concat(at(t, 8, all[6]), at(t, 9, cy.write(Text("and"), seen(all[8])))),
			[]string{"2 messages from ana missing (ana 5–6)", "2 messages from ana missing (ana 8–9), says cy"},
			[]string{"2 messages from ana missing (ana 8–9), says cy"},
		},
		{at(t, 10, dan.write(Text("I, too"), seen(all[8]))), nil, []string{"2 messages from ana missing (ana 8–9), says cy"}},
		{
			at(t, 11, cy.write(Text("and"), seen(all[10]))),
			[]string{"2 messages from ana missing (ana 10–11), says cy", "2 messages from ana missing (ana 8–9), say cy and dan"},
			[]string{"2 messages from ana missing (ana 8–9), say cy and dan", "2 messages from ana missing (ana 10–11), says cy"},
		},
		{
			at(t, 12, dan.write(Text("I, too"), seen(all[10]))),
			[]string{"4 messages from ana missing (ana 8–11), say cy and dan"},
			[]string{"4 messages from ana missing (ana 8–11), say cy and dan"},
		},
	} {
		result := l.read(c.cells)
		if diff := cmp.Diff(c.told, texts(result.Change.Told)); diff != "" {
			t.Errorf("step %d, told (-want +got):\n%s", step, diff)
		}
		if len(result.Change.TakenBack) > 0 {
			t.Errorf("step %d, taken back: %q", step, texts(result.Change.TakenBack))
		}
		said := slices.DeleteFunc(l.known.Findings(), func(f Finding) bool { return f.By.IsZero() })
		slices.SortFunc(said, func(a, b Finding) int { return int(a.First) - int(b.First) })
		said = slices.DeleteFunc(said, func(f Finding) bool { return f.Kind != Missing })
		if diff := cmp.Diff(c.all, texts(said)); diff != "" {
			t.Errorf("step %d, all lines (-want +got):\n%s", step, diff)
		}
	}
}

// 3,000 invented numbers take one line, and more accusers than ten the rest a count; those who are known longest stand first.
func TestAccusationsAreBounded(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	l := newListener(t)
	first := ana.write(Text("hello"))
	l.read(at(t, 1, first))
	mal := newScribe(t, 2, "mal")
	for i := range uint32(3) {
		var lies Heartbeat
		for n := range uint32(1000) {
			lies = append(lies, Seen{ana.tag(), 2 + 1000*i + n, ShortHash{1}})
		}
		l.read(at(t, 2+int64(i), mal.write(lies)))
	}
	if found := l.known.Findings(); len(found) != 1 {
		t.Fatalf("one accuser has %d lines", len(found))
	}
	var sybils []Signed
	for i := range byte(20) {
		other := newScribe(t, 10+i, fmt.Sprint("sybil", i))
		sybils = append(sybils, other.write(Text("?"), Seen{ana.tag(), 5000 + uint32(i), ShortHash{1}}))
	}
	l.read(at(t, 10, sybils...))
	if told := l.read(nil).Change.Told; len(told) > 0 {
		t.Errorf("told again: %q", texts(told))
	}
	found := texts(l.known.Findings())
	if len(found) != maxAccusations+1 || !slices.Contains(found, "11 more claims that messages are missing, or were written twice") {
		t.Errorf("%d lines: %q", len(found), found)
	}
	if !slices.ContainsFunc(l.known.Findings(), func(f Finding) bool { return f.By == mal.key() }) {
		t.Error("who is known longest has no line")
	}
	// The count was told once, and never again.
	more := newScribe(t, 50, "more").write(Text("?"), Seen{ana.tag(), 6000, ShortHash{1}})
	want := []string{"12 more claims that messages are missing, or were written twice"}
	if diff := cmp.Diff(want, texts(l.read(at(t, 100, more)).Change.Told)); diff != "" {
		t.Errorf("one more (-want +got):\n%s", diff)
	}
	if found := texts(l.known.Findings()); len(found) != maxAccusations+1 || !slices.Contains(found, want[0]) {
		t.Errorf("%d lines: %q", len(found), found)
	}
}

// Each of those whose word could not be true had a line, however many they were.
func TestRefutedClaimsAreBounded(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	first := ana.write(Text("hello"))
	order := []Signed{first}
	for i := range byte(14) {
		sybil := newScribe(t, 10+i, fmt.Sprint("sybil", i))
		order = append(order, sybil.write(Heartbeat{{ana.tag(), 6000, ShortHash{1}}}, Seen{ana.tag(), 5000, ShortHash{1}}))
	}
	for range 3 {
		order = append(order, ana.write(Text("and")))
	}
	once, steps := newListener(t), newListener(t)
	once.read(at(t, 1, order...))
	want := "4 more claims that cannot be, as what was written before stands below"
	found := texts(once.known.Findings())
	if len(found) != maxAccusations+1 || !slices.Contains(found, want) || !slices.Contains(found,
		"sybil0 names ana 6000, but what ana wrote before stands below: that cannot be, and accuses nobody") {
		t.Errorf("told %q", found)
	}
	for i, r := range order {
		steps.read(at(t, int64(i+1), r))
	}
	if diff := cmp.Diff(found, texts(steps.known.Findings())); diff != "" {
		t.Errorf("told at once and step by step (-once +steps):\n%s", diff)
	}
}

// Of accusations that wait more than ten are counted, and none is lost.
func TestAccusationsThatWaitAreCounted(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	l := newListener(t)
	l.read(at(t, 1, ana.write(Text("hello"))))
	var sybils []Signed
	for i := range byte(maxAccusations + 4) {
		other := newScribe(t, 10+i, fmt.Sprint("sybil", i))
		sybils = append(sybils, other.write(Text("?"), Seen{ana.tag(), 5000 + uint32(i), ShortHash{1}}))
	}
	l.view.Holes = []Hole{{First: 2, Last: 9, Since: noon}}
	result := l.read(at(t, 10, sybils...))
	if n := len(result.Waiting); n != maxAccusations+1 || len(result.Change.Told) > 0 {
		t.Fatalf("%d wait: %q, told %q", n, texts(result.Waiting), texts(result.Change.Told))
	}
	last := result.Waiting[maxAccusations]
	if last.Text() != "waiting for what 4 more claims may be about" || !last.Since.Equal(noon) {
		t.Errorf("%s, since %v", last.Text(), last.Since)
	}
}

// Each gap waits for its own stretch: a phantom number above, or a hole elsewhere, keeps none from being told, and what the
// relay does not show is told after an hour.
func TestEachGapHasItsOwnStretch(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	var all []Signed
	for range 7 {
		all = append(all, ana.write(Text("hello")))
	}
	l := newListener(t)
	l.view.Holes = []Hole{{First: 6, Last: 6, Since: noon}, {First: 9, Last: 1000, Since: noon}}
	result := l.read(slices.Concat(at(t, 1, all[0]), at(t, 3, all[2]), at(t, 5, all[4]), at(t, 7, all[6])))
	want := []string{"1 message from ana missing (ana 2)", "1 message from ana missing (ana 4)"}
	if diff := cmp.Diff(want, texts(result.Change.Told)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"waiting for 1 message from ana (ana 6)"}, texts(result.Waiting)); diff != "" || !result.Waiting[0].Since.Equal(noon) {
		t.Errorf("since %v, waiting (-want +got):\n%s", result.Waiting[0].Since, diff)
	}
	// Nothing is to be asked for before it: of the other hole no number of hers depends.
	if diff := cmp.Diff([]Hole{{First: 6, Last: 6, Since: noon}}, result.Needed); diff != "" {
		t.Errorf("needed (-want +got):\n%s", diff)
	}
	for step, want := range [][]string{nil, {"the relay does not show entry 6; ana 6 may stand there"}, nil} {
		l.now = noon.Add(time.Hour + time.Duration(step-1)*time.Second) // what is promised
		if diff := cmp.Diff(want, texts(l.read(nil).Change.Told)); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", step, diff)
		}
	}
	l.view.Holes[0].Asked = true
	if diff := cmp.Diff([]string{"1 message from ana missing (ana 6)"}, texts(l.read(nil).Change.Told)); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	if needed := l.read(nil).Needed; len(needed) > 0 {
		t.Errorf("still needed: %v", needed)
	}
	if slices.ContainsFunc(l.known.Findings(), func(f Finding) bool { return f.Kind == Hidden }) {
		t.Error("it is still told to be hidden, besides")
	}
}

// That the relay hides where a message may stand is taken back once that has come.
func TestHiddenIsTakenBackWhenItComes(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	all := []Signed{ana.write(Text("one")), ana.write(Text("two")), ana.write(Text("three"))}
	l := newListener(t)
	l.view.Holes = []Hole{{First: 2, Last: 2, Since: noon}}
	l.now = noon.Add(2 * time.Hour)
	hidden := []string{"the relay does not show entry 2; ana 2 may stand there"}
	told := l.read(slices.Concat(at(t, 1, all[0]), at(t, 3, all[2]))).Change.Told
	if diff := cmp.Diff(hidden, texts(told)); diff != "" {
		t.Fatalf("told (-want +got):\n%s", diff)
	}
	l.view.Holes = nil
	back := l.read(at(t, 2, all[1])).Change.TakenBack
	if len(back) != 1 || back[0].ID() != told[0].ID() || len(l.known.Findings()) > 0 {
		t.Errorf("taken back %q, it stands %q", texts(back), texts(l.known.Findings()))
	}
}

// Of those who say the same they are named first whose key was compared, however late they came: strangers stand not before them.
func TestComparedAccusersAreNamedFirst(t *testing.T) {
	ana, cy := newScribe(t, 1, "ana"), newScribe(t, 2, "cy")
	all := []Signed{ana.write(Text("hello")), ana.write(Text("and"))}
	l := newListener(t)
	l.read(at(t, 1, all[0]))
	var strangers []Cell
	for i := range byte(4) {
		s := newScribe(t, 10+i, fmt.Sprint("stranger", i)).write(Text("?"), seen(all[1]))
		strangers = append(strangers, at(t, int64(2+i), s)...)
	}
	said := at(t, 9, cy.write(Text("yes"), seen(all[1])))
	l.known.Introduce(Change{Authors: []Author{{Key: cy.key(), Compared: true}}})
	want := []string{"1 message from ana missing (ana 2), say cy, stranger0, stranger1 and 2 more"}
	if diff := cmp.Diff(want, texts(l.read(slices.Concat(strangers, said)).Change.Told)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// Of what somebody said to be missing, what has come is taken back, whether what else they said is proven since then, is
// still lacking, or waits to be proven.
func TestWhatCameOfAnAccusationIsTakenBack(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	first, second, third, fourth := ana.write(Text("1")), ana.write(Text("2")), ana.write(Text("3")), ana.write(Text("4"))
	hole := Hole{First: 10, Last: 10, Since: noon}
	type step struct {
		cells      []Cell
		back, told []string
	}
	tests := []struct {
		name string
		// named is what bo names, in as many records that stand from entry 5 on.
		named []Signed
		said  string
		steps []step
	}{
		{
			"the rest is proven",
			[]Signed{second, third},
			"2 messages from ana missing (ana 2–3), says bo",
			[]step{
				{at(t, 3, third), []string{"1 message from ana missing (ana 3), says bo"}, []string{"1 message from ana missing (ana 2)"}},
				{at(t, 2, second), []string{"1 message from ana missing (ana 2)"}, nil},
			},
		},
		{
			"the rest is still lacking",
			[]Signed{second, fourth},
			"3 messages from ana missing (ana 2–4), says bo",
			[]step{
				{at(t, 2, second), []string{"1 message from ana missing (ana 2), says bo"}, []string{"2 messages from ana missing (ana 3–4), says bo"}},
				{at(t, 4, fourth), []string{"1 message from ana missing (ana 4), says bo"}, []string{"1 message from ana missing (ana 3)"}},
			},
		},
		{
			"it waits to be proven",
			[]Signed{second},
			"1 message from ana missing (ana 2), says bo",
			[]step{
				{at(t, 20, third), nil, nil},
				{at(t, 2, second), []string{"1 message from ana missing (ana 2), says bo"}, nil},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, bo := newListener(t), newScribe(t, 2, "bo")
			l.read(at(t, 1, first))
			var said []Signed
			for _, r := range tt.named {
				said = append(said, bo.write(Text("yes"), seen(r)))
			}
			if told := texts(l.read(at(t, 5, said...)).Change.Told); !slices.Equal(told, []string{tt.said}) {
				t.Fatalf("told %q", told)
			}
			l.view.Holes = []Hole{hole}
			for i, step := range tt.steps {
				result := l.read(step.cells)
				if diff := cmp.Diff(step.back, texts(result.Change.TakenBack)); diff != "" {
					t.Errorf("step %d: taken back (-want +got):\n%s", i, diff)
				}
				if diff := cmp.Diff(step.told, texts(result.Change.Told)); diff != "" {
					t.Errorf("step %d: told (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

// Thousands of forged records take ten lines of each whom they name, and a count: those of nobody known ten in all.
func TestForgedLinesAreBounded(t *testing.T) {
	testenv.Unwatched(t)
	ana, bo, mal := newScribe(t, 1, "ana"), newScribe(t, 2, "bo"), newScribe(t, 3, "mal")
	l := newListener(t)
	l.read(at(t, 1, ana.write(Text("hello")), bo.write(Text("hello"))))
	entry := int64(3)
	forge := func(tag Tag, number uint32) (cells []Cell) {
		plain, err := Cut(mal.write(Text("?")).Bytes, tag, number)
		if err != nil {
			t.Fatal(err)
		}
		for i := range plain {
			cells = append(cells, Cell{Spot{Place{0, entry}, i + 1}, testRoom.Key, plain[i]})
		}
		entry++
		return cells
	}
	var cells []Cell
	for n := range uint32(1000) {
		cells = slices.Concat(cells, forge(ana.tag(), 2+n), forge(Tag{1, byte(n >> 8), byte(n)}, 1))
	}
	cells = append(cells, forge(bo.tag(), 2)...)
	told := texts(l.read(cells).Change.Told)
	if len(told) != 2*maxForged+2 || !slices.Contains(told, "the signature of 1980 more messages is wrong") ||
		!slices.Contains(told, "a message that claims to be bo's is not signed by bo's key") {
		t.Errorf("%d lines: %q", len(told), told)
	}
	if told := texts(l.read(forge(ana.tag(), 2)).Change.Told); len(told) > 0 {
		t.Errorf("told again: %q", told)
	}
	// Whose names are borrowed may be many, too.
	var known []Signed
	for i := range byte(20) {
		known = append(known, newScribe(t, 10+i, "").write(Text("hello")))
	}
	l.read(at(t, 5000, known...))
	entry, cells = 6000, nil
	for _, r := range known {
		cells = append(cells, forge(r.Tag, 2)...)
	}
	if told := texts(l.read(cells).Change.Told); len(told) != maxForged+1 || !slices.Contains(told, "the signature of 10 more messages is wrong") {
		t.Errorf("%d lines: %q", len(told), told)
	}
}

// A number that was told to be incomplete is told to be missing instead once a later one comes, or somebody names it.
func TestIncompleteIsSupersededByMissing(t *testing.T) {
	for _, named := range []bool{false, true} {
		ana, bo, l := newScribe(t, 1, "ana"), newScribe(t, 2, "bo"), newListener(t)
		first, second, third := ana.write(Text("1")), ana.write(Text("2")), ana.write(Text("3"))
		l.read(slices.Concat(at(t, 1, first), at(t, 2, second)[1:]))
		l.now = noon.Add(2 * quietTime)
		if told := texts(l.read(nil).Change.Told); !slices.Equal(told, []string{"a message that claims to be ana 2: 1 of 2 parts"}) {
			t.Fatalf("told %q", told)
		}
		want, next := "1 message from ana missing (ana 2; 1 of 2 parts came)", third
		if named {
			want, next = want+", says bo", bo.write(Text("yes"), seen(second))
		}
		l.read(at(t, 3, next))
		if diff := cmp.Diff([]string{want}, texts(l.known.Findings())); diff != "" {
			t.Errorf("named %v (-want +got):\n%s", named, diff)
		}
		l.now = l.now.Add(2 * quietTime)
		if told := l.read(nil).Change.Told; len(told) > 0 {
			t.Errorf("told again: %q", texts(told))
		}
	}
}
