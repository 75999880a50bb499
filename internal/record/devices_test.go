package record

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/testenv"
)

// claim is the body with which author calls device theirs, with its consent.
func claim(author, device *scribe) Device {
	return Device{device.key(), device.id.ProveDevice(testRoom.Salt, author.key())}
}

// withdraw is the body that takes back what was said about a key.
func withdraw(other *scribe) Device { return Device{Key: other.key()} }

func TestDevices(t *testing.T) {
	py, phone, tablet := newScribe(t, 1, "py"), newScribe(t, 2, "phone"), newScribe(t, 3, "Py")
	l := newListener(t)
	l.read(at(t, 1, py.write(Text("hello")), phone.write(Text("on my phone")), tablet.write(Text("on my tablet"))))
	result := l.read(at(t, 4, py.write(claim(py, phone)), py.write(claim(py, tablet))))
	if back := texts(result.Change.TakenBack); len(back) != 1 || result.Change.TakenBack[0].Author != tablet.key() {
		t.Errorf("taken back %q", back)
	}
	result = l.read(at(t, 6, py.write(Text("1")), phone.write(Text("2")), tablet.write(Text("3"))))
	for i, want := range []string{"py", "py's phone", "py's device (" + tablet.tag().Name() + ")"} {
		if m := result.Messages[i]; m.Name != want {
			t.Errorf("shown as %q, want %q", m.Name, want)
		}
	}
	phone.nick = ""
	m := l.read(at(t, 9, phone.write(Text("without a name")))).Messages[0]
	if want := "py's device (" + phone.tag().Name() + ")"; m.Name != want {
		t.Errorf("shown as %q, want %q", m.Name, want)
	}
}

func TestDeviceBodies(t *testing.T) {
	ana, mallory, phone := newScribe(t, 1, "ana"), newScribe(t, 5, "mallory"), newScribe(t, 2, "phone")
	for name, body := range map[string]Device{
		"without the other's signature": {ana.key(), mallory.id.ProveDevice(testRoom.Salt, mallory.key())},
		"a proof made for another":      {phone.key(), phone.id.ProveDevice(testRoom.Salt, ana.key())},
		"a proof for another room":      {phone.key(), phone.id.ProveDevice(Salt{9}, mallory.key())},
		"oneself":                       claim(mallory, mallory),
		"a withdrawal of oneself":       withdraw(mallory),
		"a withdrawal of nobody":        {},
	} {
		if _, err := Sign(mallory.id, testRoom, Record{Number: 1, Body: body}); !errors.Is(err, ErrBody) {
			t.Errorf("%s: signed: %v", name, err)
		}
		raw := signRaw(mallory.id, 1, ShortHash{}, "ana", KindDevice, slices.Concat(body.Key[:], body.Proof[:]))
		m := newListener(t).read(at(t, 20, raw)).Messages[0]
		if _, ok := m.Body.(Unreadable); !ok {
			t.Errorf("%s: read as %T", name, m.Body)
		}
	}
}

// What stands in the feed, and who is whose device in the end, in whatever order it is read.
func TestClaimsAreJudgedOnAll(t *testing.T) {
	for _, c := range []struct {
		name  string
		write func(py, mal, phone, other *scribe) []Signed
		// whose device py, mal, phone and other are: "" for nobody's
		want [4]string
		told int
	}{
		{"two claim one", func(py, mal, phone, _ *scribe) []Signed {
			return []Signed{py.write(claim(py, phone)), mal.write(claim(mal, phone))}
		}, [4]string{}, 2},
		{"a stolen phone consents", func(py, mal, phone, other *scribe) []Signed {
			return []Signed{py.write(claim(py, phone)), py.write(claim(py, other)), mal.write(claim(mal, phone))}
		}, [4]string{3: "py"}, 2},
		{"a chain", func(py, mal, phone, other *scribe) []Signed {
			return []Signed{py.write(claim(py, phone)), phone.write(claim(phone, other))}
		}, [4]string{}, 2},
		{"a circle", func(py, mal, phone, other *scribe) []Signed {
			return []Signed{py.write(claim(py, phone)), phone.write(claim(phone, other)), other.write(claim(other, py))}
		}, [4]string{}, 3},
		{"each the other", func(py, mal, phone, other *scribe) []Signed {
			return []Signed{py.write(claim(py, phone)), phone.write(claim(phone, py))}
		}, [4]string{}, 2},
		{"a star", func(py, mal, phone, other *scribe) []Signed {
			return []Signed{py.write(claim(py, phone)), py.write(claim(py, other)), py.write(claim(py, mal))}
		}, [4]string{1: "py", 2: "py", 3: "py"}, 0},
		{"the author withdraws", func(py, mal, phone, other *scribe) []Signed {
			return []Signed{py.write(claim(py, phone)), py.write(withdraw(phone)), mal.write(claim(mal, phone))}
		}, [4]string{2: "mal"}, 0},
		{"the author claims again", func(py, mal, phone, other *scribe) []Signed {
			return []Signed{py.write(claim(py, phone)), py.write(withdraw(phone)), py.write(claim(py, phone))}
		}, [4]string{2: "py"}, 0},
		{"the key withdraws its consent, for good", func(py, mal, phone, other *scribe) []Signed {
			return []Signed{mal.write(claim(mal, phone)), phone.write(withdraw(mal)), mal.write(claim(mal, phone)), py.write(claim(py, phone))}
		}, [4]string{2: "py"}, 0},
		{"a fork that claims and withdraws", func(py, mal, phone, other *scribe) []Signed {
			twin := py.fork()
			return []Signed{py.write(claim(py, phone)), twin.write(withdraw(phone))}
		}, [4]string{}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			testenv.Check(t, func(t *rapid.T) {
				people := []*scribe{newScribe(t, 1, "py"), newScribe(t, 2, "mal"), newScribe(t, 3, "phone"), newScribe(t, 4, "other")}
				records := c.write(people[0], people[1], people[2], people[3])
				cells := make([][]Cell, len(records))
				for i, r := range records {
					cells[i] = at(t, int64(i+1), r)
				}
				l := newListener(t)
				for _, cells := range rapid.Permutation(cells).Draw(t, "order") {
					l.read(cells)
					if rapid.Bool().Draw(t, "anew") {
						l.reader = NewReader(testRoom.Salt, PublicKey{})
					}
				}
				names := NamesOf(l.known)
				for i, s := range people {
					want := s.key()
					for _, o := range people {
						if o.nick == c.want[i] {
							want = o.key()
						}
					}
					if got := names.Person(s.key()); got != want {
						t.Errorf("%s is a device of %s", s.nick, got.Tag())
					}
				}
				if told := l.known.Findings(); len(told) != c.told {
					t.Errorf("told %q", texts(told))
				}
			})
		})
	}
}

// Others read nothing of a device that was lost: who reads, in whatever order, is told by whom a key was withdrawn that had
// consented, and nobody is told so of a stranger.
func TestWhoHasTakenBackADevice(t *testing.T) {
	for _, c := range []struct {
		name  string
		write func(py, mal, phone *scribe) []Signed
		want  string
	}{
		{"claimed only", func(py, _, phone *scribe) []Signed { return []Signed{py.write(claim(py, phone))} }, ""},
		{"claimed and taken back", func(py, _, phone *scribe) []Signed {
			return []Signed{py.write(claim(py, phone)), py.write(withdraw(phone))}
		}, "py"},
		{"by somebody to whom it never consented", func(_, mal, phone *scribe) []Signed { return []Signed{mal.write(withdraw(phone))} }, ""},
		{"by the device itself", func(py, _, phone *scribe) []Signed {
			return []Signed{py.write(claim(py, phone)), phone.write(withdraw(py))}
		}, ""},
		{"while it is another one's", func(py, mal, phone *scribe) []Signed {
			return []Signed{mal.write(claim(mal, phone)), py.write(claim(py, phone)), mal.write(withdraw(phone))}
		}, "mal"},
		{"while a thief has it claimed", func(py, mal, phone *scribe) []Signed {
			return []Signed{py.write(claim(py, phone)), mal.write(claim(mal, phone)), py.write(withdraw(phone))}
		}, "py"},
		{"by two", func(py, mal, phone *scribe) []Signed {
			return []Signed{
				mal.write(claim(mal, phone)), py.write(claim(py, phone)), mal.write(withdraw(phone)), py.write(withdraw(phone)),
			}
		}, "mal py"},
	} {
		t.Run(c.name, func(t *testing.T) {
			testenv.Check(t, func(t *rapid.T) {
				py, mal, phone := newScribe(t, 1, "py"), newScribe(t, 2, "mal"), newScribe(t, 3, "phone")
				l, cells := newListener(t), [][]Cell{}
				for i, r := range c.write(py, mal, phone) {
					cells = append(cells, at(t, int64(i+1), r))
				}
				for _, cells := range rapid.Permutation(cells).Draw(t, "order") {
					l.read(cells)
				}
				var got []string
				names := NamesOf(l.known)
				for _, by := range names.LeftBy(phone.key()) {
					got = append(got, names.Of(by))
				}
				slices.Sort(got)
				if text := strings.Join(got, " "); text != c.want || names.Err() != nil {
					t.Errorf("taken back by %q, want %q: %v", text, c.want, names.Err())
				}
			})
		})
	}
}

// A claim that fails is told with the keys that contradict each other, and taken back when one of them withdraws.
func TestContradictionIsToldAndTakenBack(t *testing.T) {
	py, mal, phone := newScribe(t, 1, "py"), newScribe(t, 2, "mal"), newScribe(t, 3, "phone")
	l := newListener(t)
	l.read(at(t, 1, py.write(claim(py, phone)), phone.write(Text("hello"))))
	if got := NamesOf(l.known).Of(phone.key()); got != "py's phone" {
		t.Errorf("shown as %q", got)
	}
	told := l.read(at(t, 3, mal.write(claim(mal, phone)))).Change.Told
	want := []string{
		"py calls phone a device of theirs, but mal calls phone one: neither counts",
		"mal calls phone a device of theirs, but py calls phone one: neither counts",
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(texts(told)))); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if got := NamesOf(l.known).Of(phone.key()); got != "phone" {
		t.Errorf("shown as %q", got)
	}
	back := l.read(at(t, 4, phone.write(withdraw(mal)))).Change.TakenBack
	if got := texts(back); len(got) != 2 || !slices.Contains(got, "another claim contradicts that phone is a device of py's") {
		t.Errorf("taken back %q", got)
	}
	if got := NamesOf(l.known).Of(phone.key()); got != "py's phone" {
		t.Errorf("shown as %q", got)
	}
}

// Of two devices with one nickname, the one that it was not pinned to stayed without a word when the other was none any more.
func TestADeviceIsTheNamesakeOfWhatWasOne(t *testing.T) {
	py, pinned, other, phone := newScribe(t, 1, "py"), newScribe(t, 2, "ana"), newScribe(t, 3, "ana"), newScribe(t, 4, "phone")
	l := newListener(t)
	l.read(at(t, 1, pinned.write(Text("hello")), py.write(claim(py, pinned)), py.write(claim(py, other)), other.write(Text("hello"))))
	told := l.read(at(t, 5, pinned.write(claim(pinned, phone)))).Change.Told
	if !slices.ContainsFunc(told, func(f Finding) bool { return f.Kind == Namesake && f.Author == other.key() }) {
		t.Errorf("told %q", texts(told))
	}
	back := l.read(at(t, 6, pinned.write(withdraw(phone)))).Change.TakenBack
	if !slices.ContainsFunc(back, func(f Finding) bool { return f.Kind == Namesake && f.Author == other.key() }) {
		t.Errorf("taken back %q", texts(back))
	}
}

// Thousands of claims about one key took minutes and as many lines.
func TestManyClaimsCostLittle(t *testing.T) {
	const many = 1000
	phone := newScribe(t, 1, "phone")
	var records []Signed
	for i := range uint16(many) {
		s := newScribe(t, 0, "")
		s.id = NewIdentity([KeySize]byte{2, byte(i), byte(i >> 8)})
		records = append(records, s.write(claim(s, phone)))
	}
	l := newListener(t)
	l.read(at(t, 1, records...))
	if names := NamesOf(l.known); names.Person(phone.key()) != phone.key() {
		t.Error("it is somebody's device")
	}
	if told := len(l.known.Findings()); told < 2 || told > 10*maxDevices {
		t.Errorf("told %d contradictions", told)
	}
}

// An author has at most 64 devices, the same ones in every order.
func TestAnAuthorHasAtMost64Devices(t *testing.T) {
	py := newScribe(t, 1, "py")
	var devices []*scribe
	var cells [][]Cell
	for i := range maxDevices + 6 {
		s := newScribe(t, byte(i+2), "")
		devices = append(devices, s)
		cells = append(cells, at(t, int64(i+1), py.write(claim(py, s))))
	}
	var counted [2]map[PublicKey]bool
	for i := range counted {
		counted[i] = map[PublicKey]bool{}
		l := newListener(t)
		for _, c := range cells {
			l.read(c)
		}
		names := NamesOf(l.known)
		for _, s := range devices {
			if names.Person(s.key()) == py.key() {
				counted[i][s.key()] = true
			}
		}
		slices.Reverse(cells)
	}
	if len(counted[0]) != maxDevices || !maps.Equal(counted[0], counted[1]) {
		t.Errorf("%d devices, and %d in the other order", len(counted[0]), len(counted[1]))
	}
}

// gossip is a conversation about who is who.
func gossip(t *rapid.T) (people []*scribe, records []Signed) {
	nicks := []string{"py", "Py", "phone", "рhone", "pia", "mal", ""}
	for seed := range byte(2 + roll(t, 5)) {
		people = append(people, newScribe(t, seed+1, pick(t, nicks)))
	}
	for range 1 + roll(t, 30) {
		s, other := pick(t, people), pick(t, people)
		switch n := roll(t, 10); {
		case n < 4 && s != other:
			records = append(records, s.write(claim(s, other)))
		case n < 6 && s != other:
			records = append(records, s.write(withdraw(other)))
		case n == 6:
			twin := s.fork()
			records = append(records, s.write(Text("hello")), twin.write(withdraw(newScribe(t, 99, ""))))
		case n == 7:
			s.nick = pick(t, nicks)
			fallthrough
		default:
			records = append(records, s.write(Text("hello")))
		}
	}
	return people, records
}

// Circles and stars of devices, withdrawals, changes of name and namesakes freely combined: step by step, at once and
// in any order the same keys are one person's, and the same is told of it; in the order of the places all names are
// the same.
func TestNamesInEveryWayOfReading(t *testing.T) {
	testenv.Check(t, func(t *rapid.T) {
		people, records := gossip(t)
		cells := make([][]Cell, len(records))
		for i, r := range records {
			cells[i] = at(t, int64(i+1), r)
		}
		once, steps, shuffled := newListener(t), newListener(t), newListener(t)
		var compared []PublicKey
		var nameless []PublicKey
		for _, s := range people {
			switch roll(t, 5) {
			case 0, 1:
				compared = append(compared, s.key())
			case 2:
				nameless = append(nameless, s.key())
			}
		}
		for _, l := range []*listener{once, steps, shuffled} {
			for _, key := range compared {
				l.known.Introduce(Change{Authors: []Author{{Key: key, Compared: true}}})
			}
			for _, key := range nameless {
				l.known.Introduce(Change{Authors: []Author{{Key: key, Nameless: true}}})
			}
		}
		once.read(slices.Concat(cells...))
		for _, c := range cells {
			steps.read(c)
			if roll(t, 4) == 0 {
				steps.reader = NewReader(testRoom.Salt, PublicKey{})
			}
		}
		for batch := range slices.Chunk(rapid.Permutation(cells).Draw(t, "order"), 1+roll(t, 4)) {
			shuffled.read(slices.Concat(batch...))
		}
		if diff := cmp.Diff(lines(t, once, cells), lines(t, steps, cells)); diff != "" {
			t.Fatalf("lines (-at once +step by step):\n%s", diff)
		}
		if diff := cmp.Diff(standing(once), standing(steps)); diff != "" {
			t.Fatalf("told (-at once +step by step):\n%s", diff)
		}
		var all []Record
		for _, r := range records {
			record, _, err := verifyRecord(testRoom, r.Tag, r.Number, r.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, record)
		}
		person, contradicted := persons(all)
		for _, l := range []*listener{once, steps, shuffled} {
			names := NamesOf(l.known)
			for _, s := range people {
				if got := names.Person(s.key()); got != person(s.key()) {
					t.Fatalf("%s is a device of %s, not of %s", s.tag(), got.Tag(), person(s.key()).Tag())
				}
			}
			told := map[devicePair]bool{}
			for _, f := range l.known.Findings() {
				switch {
				case f.Kind == Contradiction:
					told[devicePair{f.Author, f.Device.Key}] = true
				case f.Kind == Namesake && slices.Contains(compared, f.Author):
					t.Fatalf("told of a key that was compared: %s", f.Text())
				}
			}
			want := map[devicePair]bool{}
			for _, c := range contradicted {
				want[c] = true
			}
			if !maps.Equal(told, want) {
				t.Fatalf("told %d contradictions of %d", len(told), len(want))
			}
		}
		if diff := cmp.Diff(renames(once), renames(shuffled)); diff != "" {
			t.Fatalf("renamed (-in order +shuffled):\n%s", diff)
		}
	})
}

// lines are the names of all lines as a history shows them.
func lines(t *rapid.T, l *listener, cells [][]Cell) (all []string) {
	messages, err := Recall(l.known, testRoom.Salt, PublicKey{}, pieces(l.known, slices.Concat(cells...)))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		all = append(all, fmt.Sprint(m.Name, " ", m.Number))
	}
	return all
}

// standing are the findings that hold. What was told of a namesake does not say later that the other's key was compared.
func standing(l *listener) []string {
	all := l.known.Findings()
	for i := range all {
		all[i].Compared = false
	}
	return texts(all)
}

func renames(l *listener) (all []string) {
	for _, f := range l.known.Findings() {
		if f.Kind == Renamed {
			all = append(all, fmt.Sprint(f.Author.Tag(), " ", f.First))
		}
	}
	return all
}

// A finding that goes and comes back in one reading was told to be true no longer, though it is.
func TestFindingThatComesBackStands(t *testing.T) {
	py, mal, phone := newScribe(t, 1, "py"), newScribe(t, 2, "mal"), newScribe(t, 3, "phone")
	l := newListener(t)
	l.read(at(t, 1, py.write(claim(py, phone)), phone.write(Text("hello")), mal.write(claim(mal, phone))))
	before := len(l.known.Findings())
	change := l.read(at(t, 4, mal.write(withdraw(phone)), mal.write(claim(mal, phone)))).Change
	if len(change.Told)+len(change.TakenBack) > 0 {
		t.Errorf("told %q, taken back %q", texts(change.Told), texts(change.TakenBack))
	}
	if got := l.known.Findings(); before != 2 || len(got) != before {
		t.Errorf("of %d findings stand %q", before, texts(got))
	}
	if back := l.read(at(t, 6, mal.write(withdraw(phone)))).Change.TakenBack; len(back) != before {
		t.Errorf("taken back in the end %q", texts(back))
	}
}

// A second record with the number at which somebody took another name took that back and told it again.
func TestForkOfARenameLeavesItStanding(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	first := ana.write(Text("hello"))
	ana.nick = "anna"
	twin := ana.fork()
	one, other := ana.write(Text("one")), twin.write(Text("other"))
	l := newListener(t)
	told := l.read(at(t, 1, first, one)).Change.Told
	change := l.read(at(t, 3, other)).Change
	if len(told) != 1 || told[0].Kind != Renamed || len(change.Told) != 1 || change.Told[0].Kind != Fork ||
		len(change.TakenBack) > 0 {
		t.Errorf("told %q, then %q, taken back %q", texts(told), texts(change.Told), texts(change.TakenBack))
	}
	if got := l.known.Findings(); len(got) != 2 {
		t.Errorf("what stands: %q", texts(got))
	}
}
