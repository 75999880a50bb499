package record

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/testenv"
)

func TestNamesakes(t *testing.T) {
	ana, mallory := newScribe(t, 1, "ana"), newScribe(t, 3, "ＡＮА") // wide, and the last letter is Cyrillic
	l := newListener(t)
	l.read(at(t, 1, ana.write(Text("hello"))))
	result := l.read(at(t, 2, mallory.write(Text("it is me")), mallory.write(Text("really"))))
	want := []string{"another ＡＮА (~" + mallory.tag().String() + "), not the one who has the name here"}
	if diff := cmp.Diff(want, texts(result.Change.Told)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	for _, m := range result.Messages {
		if want := "ＡＮА (~" + mallory.tag().String() + ")"; m.Name != want {
			t.Errorf("shown as %q, want %q", m.Name, want)
		}
	}

	t.Run("a name that looks the same is not told again", func(t *testing.T) {
		mallory.nick = "Ana"
		told := l.read(at(t, 5, mallory.write(Text("now?")))).Change.Told
		if len(told) != 1 || told[0].Kind != Renamed {
			t.Errorf("told %q", texts(told))
		}
	})
	t.Run("another one is", func(t *testing.T) {
		ana.nick, mallory.nick = "Ian", "lan"
		l.read(at(t, 6, ana.write(Text("call me so"))))
		told := l.read(at(t, 7, mallory.write(Text("and now?")))).Change.Told
		if len(told) != 2 || told[0].Kind != Namesake {
			t.Errorf("told %q", texts(told))
		}
	})
	t.Run("no name", func(t *testing.T) {
		nobody := newScribe(t, 4, "")
		if m := l.read(at(t, 8, nobody.write(Text("hello")))).Messages[0]; m.Name != "~"+nobody.tag().String() {
			t.Errorf("shown as %q", m.Name)
		}
	})
}

// Who had taken another nickname was told so.
func TestNobodyIsToldOfTheirOwnChangeOfName(t *testing.T) {
	py := newScribe(t, 1, "py")
	first := py.write(Text("hello"))
	py.nick = "pia"
	second := py.write(Text("hello"))
	l := newListener(t)
	l.reader.own = py.key()
	l.read(at(t, 1, first))
	if m := l.read(at(t, 2, second)).Messages[0]; m.Name != "pia" || len(l.known.Findings()) > 0 {
		t.Errorf("%s reads %q", m.Name, texts(l.known.Findings()))
	}
}

// A new nickname was silent, and all older lines were shown under it.
func TestAChangeOfNameIsToldAndRewritesNoLine(t *testing.T) {
	py := newScribe(t, 1, "py")
	var records []Signed
	for _, nick := range []string{"py", "py", "pia", "", "pia"} {
		py.nick = nick
		records = append(records, py.write(Text("hello")))
	}
	tag := py.tag().Name()
	want := []string{"py is now called pia", "pia is now called " + tag, tag + " is now called pia"}
	names := []string{"py", "py", "pia", tag, "pia"}
	for _, order := range [][]int{{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {0, 4, 1, 3, 2}, {2, 0, 1, 4, 3}, {1, 3, 4, 2, 0}} {
		l := newListener(t)
		for _, i := range order {
			m := l.read(at(t, int64(i+1), records[i])).Messages[0]
			if m.Name != names[i] {
				t.Errorf("in the order %v: %d is shown as %q, want %q", order, i, m.Name, names[i])
			}
		}
		if diff := cmp.Diff(want, texts(l.known.Findings())); diff != "" {
			t.Errorf("in the order %v (-want +told):\n%s", order, diff)
		}
		if a, _, _ := l.known.Author(py.key()); a.Nick != "pia" {
			t.Errorf("in the order %v: called %q in the end", order, a.Nick)
		}
		all, err := Recall(l.known, testRoom.Salt, PublicKey{}, pieces(l.known, at(t, 1, records...)))
		if err != nil || len(all) != len(records) {
			t.Fatalf("%d records, %v", len(all), err)
		}
		for i, m := range all {
			if m.Name != names[i] {
				t.Errorf("in the order %v: line %d is shown as %q later, want %q", order, i, m.Name, names[i])
			}
		}
	}
}

// Whoever got a first nickname was told in every verify as if somebody had changed theirs.
func TestAFirstNicknameIsNoChangeOfName(t *testing.T) {
	for name, c := range map[string]struct {
		nicks []string
		want  int
	}{
		"first":               {[]string{"", "", "bo"}, 0},
		"blank between":       {[]string{"bo", "", "", "mallory"}, 2},
		"blank, and the same": {[]string{"", "bo", "", "", "bo", "bo"}, 2},
		"from a name on":      {[]string{"bo", "", "mallory", ""}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			testenv.Check(t, func(t *rapid.T) {
				bo := newScribe(t, 1, "")
				var cells [][]Cell
				for i, nick := range c.nicks {
					bo.nick = nick
					cells = append(cells, at(t, int64(i+1), bo.write(Text("hello"))))
				}
				l := newListener(t)
				for _, c := range rapid.Permutation(cells).Draw(t, "order") {
					l.read(c)
				}
				if got := renames(l); len(got) != c.want {
					t.Fatalf("%q told as %v", c.nicks, texts(l.known.Findings()))
				}
			})
		})
	}
}

// forget lets go of the nicknames of a key, as a user does.
func (l *listener) forget(key PublicKey) {
	l.t.Helper()
	var forms []string
	for form, k := range l.known.pins {
		if k == key {
			forms = append(forms, form)
			delete(l.known.pins, form)
		}
	}
	a := l.known.authors[key]
	a.Pinned, a.Compared, a.Nameless = 0, false, true
	l.known.authors[key] = a
	change, _, err := HandOn(l.known, forms, nil, func(visit func(Held) error) error {
		for _, h := range l.known.Records() {
			if err := visit(h); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.known.Apply(change)
}

// A text and then a claim told of a compared key that it is not the one whose words were compared; in the other order nothing.
func TestAComparedKeyIsNobodysNamesake(t *testing.T) {
	for name, claimFirst := range map[string]bool{"text first": false, "claim first": true} {
		t.Run(name, func(t *testing.T) {
			ana, twin, phone := newScribe(t, 1, "ana"), newScribe(t, 2, "ana"), newScribe(t, 3, "phone")
			l := newListener(t)
			l.known.Introduce(Change{Authors: []Author{{Key: ana.key(), Compared: true}, {Key: twin.key(), Compared: true}}})
			l.read(at(t, 1, ana.write(Text("hello"))))
			bodies := []Body{Text("hello"), claim(twin, phone)}
			if claimFirst {
				slices.Reverse(bodies)
			}
			for i, body := range bodies {
				l.read(at(t, int64(10*i+10), twin.write(body)))
			}
			if got := l.known.Findings(); len(got) > 0 {
				t.Errorf("told %q", texts(got))
			}
		})
	}
}

// What was told under a name that the key had given up stood on, once the key was compared.
func TestComparingTakesBackWhatWasToldOfEarlierNames(t *testing.T) {
	ana, twin := newScribe(t, 1, "ana"), newScribe(t, 2, "ana")
	l := newListener(t)
	l.read(at(t, 1, ana.write(Text("hello")), twin.write(Text("hello"))))
	twin.nick = "anna"
	l.read(at(t, 5, twin.write(Text("call me so"))))
	l.known.Apply(compared(t, l.known, twin.key()))
	for _, f := range l.known.Findings() {
		if f.Kind == Namesake {
			t.Errorf("stands: %q", f.Text())
		}
	}
}

// A phone of the compared key's had the name with it, and was told to be its namesake for ever; that of the other, never.
func TestAComparedKeyTakesItsNameForItsDevices(t *testing.T) {
	eve, ana := newScribe(t, 1, "ana"), newScribe(t, 2, "ana")
	phones := map[*scribe]*scribe{eve: newScribe(t, 3, "ana"), ana: newScribe(t, 4, "ana")}
	l := newListener(t)
	n := int64(1)
	for _, s := range []*scribe{eve, ana} {
		l.read(at(t, n, s.write(claim(s, phones[s])), phones[s].write(Text("hello"))))
		n += 10
	}
	l.known.Apply(compared(t, l.known, ana.key()))
	got := map[PublicKey]bool{}
	for _, f := range l.known.Findings() {
		got[f.Author] = f.Kind == Namesake
	}
	if diff := cmp.Diff(map[PublicKey]bool{eve.key(): true, phones[eve].key(): true}, got); diff != "" {
		t.Errorf("namesakes (-want +told):\n%s", diff)
	}
}

// Whoever had been compared as eve got the name of ana, by an older record that came late or a later one, and ana was told
// to be another one: step by step and at once, and for who reads the room afresh with what is known of its names.
func TestAComparedKeyHasTheNameThatWasCompared(t *testing.T) {
	for name, when := range map[string]int{"older, read before": 0, "older, read late": 1, "later": 2} {
		t.Run(name, func(t *testing.T) {
			ana, eve := newScribe(t, 1, "ana"), newScribe(t, 2, "eve")
			line := at(t, 1, ana.write(Text("hello")))
			var asAna, asEve []Cell
			if when < 2 {
				eve.nick = "ana"
				asAna = at(t, 10, eve.write(Text("a joke")))
				eve.nick = "eve"
				asEve = at(t, 20, eve.write(Text("it is eve")))
			} else {
				asEve = at(t, 10, eve.write(Text("it is eve")))
				eve.nick = "ana"
				asAna = at(t, 20, eve.write(Text("a joke")))
			}
			l := newListener(t)
			l.read(line)
			if when == 0 {
				l.read(asAna)
			}
			l.read(asEve)
			l.known.Apply(compared(t, l.known, eve.key()))
			if when > 0 {
				l.read(asAna)
			}
			afresh := newListener(t)
			known := Change{Authors: []Author{{Key: ana.key(), Pinned: 1}, {Key: eve.key(), Pinned: 1, Compared: true}}}
			for form, key := range l.known.pins {
				known.Pins = append(known.Pins, Pin{form, key})
			}
			afresh.known.Introduce(known)
			afresh.read(slices.Concat(line, asAna, asEve))
			for _, l := range []*listener{l, afresh} {
				if got := NamesOf(l.known).Of(ana.key()); got != "ana" {
					t.Errorf("ana is called %s", got)
				}
				for _, f := range l.known.Findings() {
					if f.Kind == Namesake {
						t.Errorf("stands: %q", f.Text())
					}
				}
			}
			if when < 2 {
				return
			}
			l.known.Apply(compared(t, l.known, eve.key())) // under the new name
			if got := NamesOf(l.known).Of(eve.key()); got != "ana" {
				t.Errorf("compared again she is called %s", got)
			}
		})
	}
}

// Whose device had the name was another one's namesake once that was a device no more, though the words were compared.
func TestAComparedKeyHasItsNameWithoutItsDevices(t *testing.T) {
	py, phone := newScribe(t, 1, "py"), newScribe(t, 2, "py")
	l := newListener(t)
	l.read(at(t, 1, phone.write(Text("hello")), py.write(claim(py, phone)), py.write(Text("hello"))))
	l.known.Apply(compared(t, l.known, py.key()))
	l.read(at(t, 10, phone.write(withdraw(py)), phone.write(Text("mine"))))
	names := NamesOf(l.known)
	if got, other := names.Of(py.key()), names.Of(phone.key()); got != "py" || other != "py ("+phone.tag().Name()+")" {
		t.Errorf("called %q and %q", got, other)
	}
}

// Who reads the room afresh did not know that names were let go of, that a key has as many as it can have, or which devices
// are whose by what is read no more.
func TestWhoReadsAfreshKnowsWhoseNamesAreWhose(t *testing.T) {
	ana, other := newScribe(t, 1, "ana"), newScribe(t, 2, "ana")
	cells := slices.Concat(at(t, 1, other.write(Text("hello"))), at(t, 5, ana.write(Text("hello"))))
	for name, known := range map[string]Change{
		"let go of":   {Authors: []Author{{Key: other.key(), Nameless: true}}},
		"eight names": {Authors: []Author{{Key: other.key(), Pinned: maxNames}}},
		"device":      {Devices: []DeviceClaim{{Author: ana.key(), Device: other.key(), Number: 7, Claims: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListener(t)
			l.known.Introduce(known)
			l.read(cells)
			for _, f := range l.known.Findings() {
				if f.Kind == Namesake && f.Author == ana.key() || known.Devices != nil {
					t.Errorf("stands: %q", f.Text())
				}
			}
			if got := NamesOf(l.known).Of(ana.key()); got != "ana" {
				t.Errorf("called %q", got)
			}
		})
	}
}

// A contradiction that was known before its records were read was not told.
func TestAContradictionThatIsKnownIsTold(t *testing.T) {
	py, mal, phone := newScribe(t, 1, "py"), newScribe(t, 2, "mal"), newScribe(t, 3, "phone")
	cells := at(t, 1, py.write(claim(py, phone)), mal.write(claim(mal, phone)))
	l, afresh := newListener(t), newListener(t)
	l.read(cells)
	afresh.known.Introduce(Change{Devices: slices.Collect(maps.Values(l.known.devices))})
	afresh.read(cells)
	if first, got := l.known.Findings(), afresh.known.Findings(); len(first) != 2 || len(got) != 2 {
		t.Errorf("told at first %q, afresh %q", texts(first), texts(got))
	}
}

// compared notes that a key was compared, as a user does.
func compared(t tester, known *Memory, key PublicKey) Change {
	a := known.authors[key]
	a.Compared = true
	known.authors[key] = a
	change, err := Compare(known, key)
	if err != nil {
		t.Fatal(err)
	}
	return change
}

// A key that was forgotten took its name again although somebody else was known by it, and who got it depended on what was
// read when the key was forgotten.
func TestAForgottenNameGoesToTheSameKeyWhenever(t *testing.T) {
	testenv.Check(t, func(t *rapid.T) {
		nicks := rapid.SampledFrom([]string{"bo", "Bo", "b.o", "bо", "ana", "Ana", ""})
		authors := []*scribe{newScribe(t, 1, "bo"), newScribe(t, 2, ""), newScribe(t, 3, ""), newScribe(t, 4, "")}
		steps := [][]Cell{at(t, 1, authors[0].write(Text("hello")))}
		for i := range rapid.IntRange(1, 12).Draw(t, "records") {
			a := authors[rapid.IntRange(0, 3).Draw(t, "author")]
			a.nick = nicks.Draw(t, "nick")
			steps = append(steps, at(t, int64(10*i+10), a.write(Text("hello"))))
		}
		var want []string
		for first := range steps { // what is read before the key is forgotten
			for _, atOnce := range []bool{false, true} {
				l := newListener(t)
				l.read(slices.Concat(steps[:first+1]...))
				l.forget(authors[0].key())
				if atOnce {
					l.read(slices.Concat(steps[first+1:]...))
				} else {
					for _, cells := range steps[first+1:] {
						l.read(cells)
					}
				}
				var got []string
				names := NamesOf(l.known)
				for _, a := range authors {
					got = append(got, names.Of(a.key()))
				}
				if want == nil {
					want = got
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("forgotten after %d of %d, the rest at once %t, called (-want +got):\n%s", first+1, len(steps), atOnce, diff)
				}
				if a := l.known.authors[authors[0].key()]; a.Pinned > 0 {
					t.Fatalf("a key that was forgotten has %d nicknames", a.Pinned)
				}
			}
		}
	})
}

// One key took every name of a room before its people came.
func TestAKeyHasAtMostEightNames(t *testing.T) {
	l := newListener(t)
	mallory := newScribe(t, 1, "")
	for i := range 12 {
		mallory.nick = fmt.Sprint("name", "abcdefghijkl"[i:i+1])
		m := l.read(at(t, int64(i+1), mallory.write(Text("mine")))).Messages[0]
		want := mallory.nick
		if i >= 8 {
			want = mallory.tag().Name()
		}
		if m.Name != want {
			t.Errorf("name %d is shown as %q, want %q", i+1, m.Name, want)
		}
	}
	ana := newScribe(t, 2, "namej")
	got := l.read(at(t, 20, ana.write(Text("it is me"))))
	if m := got.Messages[0]; m.Name != "namej" || len(got.Change.Told) > 0 {
		t.Errorf("shown as %q, told %q", m.Name, texts(got.Change.Told))
	}
	mallory.nick = "namea"
	if m := l.read(at(t, 21, mallory.write(Text("mine")))).Messages[0]; m.Name != "namea" {
		t.Errorf("an old name is shown as %q", m.Name)
	}
}

// Whoever had used up the eight nicknames was told of under each further one, as the same tag.
func TestNamesThatAreNotShownAreNoChangeOfName(t *testing.T) {
	l := newListener(t)
	mallory := newScribe(t, 1, "")
	var want []string
	was := ""
	for i := range 40 {
		mallory.nick = "name" + string(rune('a'+i%20)) + string(rune('a'+i/20))
		l.read(at(t, int64(i+1), mallory.write(Text("hello"))))
		is := mallory.nick
		if i >= 8 {
			is = mallory.tag().Name()
		}
		if was != "" && was != is {
			want = append(want, was+" is now called "+is)
		}
		was = is
	}
	if diff := cmp.Diff(want, texts(l.known.Findings())); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// An insider forged more beginnings of a record than a call tries, and took the name in it: whoever read the channel at
// once knew them by it, and whoever read along knew its author.
func TestAFloodOfForgeriesTakesNoName(t *testing.T) {
	for name, nicks := range map[string][]string{"first line": {"pia"}, "new name": {"ana", "pia"}} {
		t.Run(name, func(t *testing.T) {
			ana, mallory := newScribe(t, 1, ""), newScribe(t, 2, "pia")
			var steps [][]Cell
			for i, nick := range nicks {
				ana.nick = nick
				line := ana.write(Text("hello"))
				if nick == "pia" {
					for j, chain := range chainsOf(t, ana.id, line, 3*maxChains, nil) {
						chain[0][headerSize+lengthSize+2] ^= 1
						for field := range chain {
							spot := Spot{Place{0, int64(100*i + j)}, field + 1}
							steps = append(steps, []Cell{{spot, testRoom.Key, chain[field]}})
						}
					}
				}
				steps = append(steps, at(t, int64(1000*(i+1)), line))
			}
			steps = append(steps, at(t, 5000, mallory.write(Text("it is me")), mallory.write(Text("really"))))
			along, once := newListener(t), newListener(t)
			for _, cells := range steps {
				along.readAll(cells)
			}
			once.readAll(slices.Concat(steps...))
			for _, l := range []*listener{along, once} {
				l.consistent()
				names := NamesOf(l.known)
				got := []string{names.Of(ana.key()), names.Of(mallory.key())}
				if diff := cmp.Diff([]string{"pia", "pia (" + mallory.tag().Name() + ")"}, got); diff != "" {
					t.Errorf("called (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Many records of one number, each with a name of its own and above one that is left untried, do not wait for each other
// for ever. Whoever is known by their name waits for none of them.
func TestNamesThatWaitComeToAnEnd(t *testing.T) {
	bo, mallory := newScribe(t, 1, "bo"), newScribe(t, 2, "")
	l := newListener(t)
	l.readAll(at(t, 1, bo.write(Text("hello"))))
	const forks = 2*maxChains + 1
	var cells []Cell
	for i := range forks { // later ones stand within those before them
		twin := mallory.fork()
		twin.nick = "mallory" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		c := at(t, 1, twin.write(Text("hello")))
		c[0].Entry, c[len(c)-1].Entry = int64(i+2), int64(3*forks-i)
		cells = append(cells, c...)
	}
	cells = append(cells, at(t, 4*forks, bo.write(Text("still here")))...)
	if result := l.read(cells); !result.More || !slices.ContainsFunc(result.Messages, func(m Message) bool { return m.Name == "bo" }) {
		t.Errorf("more %t; bo, who is known, waits", result.More)
	}
	l.readAll(nil)
	l.consistent()
	if got := len(l.known.Records()); got != forks+2 {
		t.Errorf("%d records are held of %d", got, forks+2)
	}
}

// Once the claim was withdrawn, what was told of a device's change of name still called it somebody's.
func TestAChangeOfNameDoesNotCallADeviceSomebodys(t *testing.T) {
	ana, phone := newScribe(t, 1, "ana"), newScribe(t, 2, "phone")
	l := newListener(t)
	l.read(at(t, 1, ana.write(Text("hello"))))
	l.read(at(t, 2, phone.write(Text("hello"))))
	l.read(at(t, 3, ana.write(claim(ana, phone))))
	phone.nick = "mobile"
	if m := l.read(at(t, 4, phone.write(Text("hello")))).Messages[0]; m.Name != "ana's mobile" {
		t.Fatalf("shown as %q", m.Name)
	}
	l.read(at(t, 5, ana.write(Device{Key: phone.key()})))
	if diff := cmp.Diff([]string{"phone is now called mobile"}, texts(l.known.Findings())); diff != "" {
		t.Errorf("(-want +told):\n%s", diff)
	}
}
