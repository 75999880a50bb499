package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"
)

// What whoever has the key makes others do must grow as what they wrote, and no faster: these tests count work, and not
// time.

// allocated returns how many bytes f takes from the heap in all, and in how many pieces.
func allocated(f func()) (bytes, pieces float64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc), float64(after.Mallocs - before.Mallocs)
}

// proportional fails the test if twice as much of something takes more than twice the memory, but for what tables take
// when they grow.
func proportional(t *testing.T, n int, work func(n int) func()) {
	t.Helper()
	bytes, pieces := allocated(work(n))
	bytes2, pieces2 := allocated(work(2 * n))
	if most := 2.5; bytes2 > most*bytes || pieces2 > most*pieces {
		t.Errorf("%d take %.0f bytes in %.0f pieces, %d take %.0f in %.0f: %.1f and %.1f times as much",
			n, bytes, pieces, 2*n, bytes2, pieces2, bytes2/bytes, pieces2/pieces)
	}
}

// stranger is the key of an author of whom nothing is signed here.
func stranger(i int) (key PublicKey) {
	key[0] = 0xee
	binary.BigEndian.PutUint32(key[1:], uint32(i))
	return key
}

// Accusers of whom each names another number cost each call as much as they are, and not as the square: with 3,000 of them
// every command took forty seconds.
func TestAccusersCostAsMuchAsTheyAre(t *testing.T) {
	proportional(t, 1500, func(n int) func() {
		ana := newScribe(t, 1, "ana")
		l := newListener(t)
		l.read(at(t, 1, ana.write(Text("hello"))))
		var learnt Change
		for i := range n {
			h := Held{Author: stranger(i), Number: 1, At: Spot{Place{0, int64(i + 2)}, 1}}
			learnt.Held = append(learnt.Held, h)
			learnt.Authors = append(learnt.Authors, Author{Key: h.Author, Base: 1, Top: 1, Claims: 1})
			learnt.Claims = append(learnt.Claims, Claim{
				Tag: ana.tag(), Number: uint32(i + 2), Hash: ShortHash{1}, By: h.Author, Said: 1, At: h.At, Doubted: true,
			})
		}
		l.known.Apply(learnt)
		return func() {
			told := l.read(nil).Change.Told
			if want := maxAccusations + 1; len(told) != want {
				t.Fatalf("%d lines, want %d: %q", len(told), want, texts(told))
			}
			first := fmt.Sprintf("1 message from ana missing (ana 2), say %s, %s, %s and %d more",
				stranger(0).Tag().Name(), stranger(1).Tag().Name(), stranger(2).Tag().Name(), n-3)
			if got := told[0].Text(); got != first {
				t.Errorf("told %q, want %q", got, first)
			}
		}
	})
}

// countedKnown counts the claims that are asked for.
type countedKnown struct {
	*Memory

	claims int
}

func (k *countedKnown) Claims(q ClaimQuery) ([]Claim, error) {
	claims, err := k.Memory.Claims(q)
	k.claims += len(claims)
	return claims, err
}

// False keys of which each accuses somebody of a thousand things cost every later reading six seconds and 300 MB: each claim was
// asked for twice, put by itself into a table, and its authors were looked up for it alone.
func TestClaimsAreLookedAtOnce(t *testing.T) {
	const accusers, each = 20, maxClaims
	ana := newScribe(t, 1, "ana")
	l := newListener(t)
	l.read(at(t, 1, ana.write(Text("hello"))))
	var learnt Change
	for i := range accusers {
		h := Held{Author: stranger(i), Number: 1, At: Spot{Place{0, int64(i + 2)}, 1}}
		learnt.Held = append(learnt.Held, h)
		learnt.Authors = append(learnt.Authors, Author{Key: h.Author, Base: 1, Top: 1, Claims: each})
		for n := range each {
			learnt.Claims = append(learnt.Claims, Claim{
				Tag: ana.tag(), Number: uint32(2 + each*i + n), Hash: ShortHash{1}, By: h.Author, Said: 1, At: h.At, Doubted: true,
			})
		}
	}
	l.known.Apply(learnt)
	l.read(nil)
	known := &countedKnown{Memory: l.known}
	bytes, pieces := allocated(func() {
		result, err := l.reader.Read(known, nil, l.view, l.now)
		if err != nil || len(result.Change.Told)+len(result.Change.TakenBack) > 0 {
			t.Errorf("%q, %v", texts(result.Change.Told), err)
		}
	})
	if known.claims != accusers*each {
		t.Errorf("%d claims were asked for %d", accusers*each, known.claims)
	}
	if bytes > 800*accusers*each || pieces > accusers*each/4 {
		t.Errorf("%d claims take %.0f bytes in %.0f pieces", accusers*each, bytes, pieces)
	}
}

// Forks of two numbers cost as much as they are: each was held against all of the number before for each that came, and
// 1,200 of each took fifteen seconds. What comes behind them is all that is written.
func TestForksCostAsMuchAsTheyAre(t *testing.T) {
	proportional(t, maxChains/2, func(n int) func() {
		var forks, before []Signed
		for i := range n {
			ana := newScribe(t, 1, "ana")
			before = append(before, ana.write(Text(fmt.Sprint("hello ", i))))
			forks = append(forks, ana.write(Text("and")))
		}
		forks = append(forks, before...) // what they name comes last: until then it is another
		one := newScribe(t, 1, "ana").write(Text("one more"))
		l := newListener(t)
		cells := at(t, 1, forks...)
		return func() {
			result := l.read(cells)
			want := []string{
				"ana 1 stands behind ana 2",
				"ana's key wrote two different ana 1: two devices with one key, a restored backup, or a room shown in two versions",
				"ana's key wrote two different ana 2: two devices with one key, a restored backup, or a room shown in two versions",
			}
			told := texts(result.Change.Told)
			if slices.Sort(told); !slices.Equal(told, want) || len(result.Change.Held) != 2*n {
				t.Fatalf("told %q, %d written", told, len(result.Change.Held))
			}
			if held := l.read(at(t, int64(2*n+1), one)).Change.Held; len(held) != 1 || held[0].Hash != one.Hash {
				t.Errorf("%d records are written for one", len(held))
			}
		}
	})
}

// Namesakes whose other findings change in the same call cost as much as they are: each change compared the forms of all
// names that were told of, and 2,000 with 1,000 changes took a fresh reader twenty seconds.
func TestFindingsThatChangeCostAsMuchAsTheyAre(t *testing.T) {
	proportional(t, 100, func(n int) func() {
		order := []Signed{newScribe(t, 1, "ana").write(Text("hello"))}
		for i := range n {
			mal := newScribe(t, 2, fmt.Sprint("mal", i))
			mal.id = NewIdentity([KeySize]byte{3, byte(i), byte(i >> 8)})
			order = append(order, mal.write(Text("hello")))
			twin := mal.fork()
			mal.nick, twin.nick = "ana", fmt.Sprint("eve", i)
			forks := []Signed{mal.write(Text("I am ana")), twin.write(Text("I am eve"))}
			// The lower hash says what an author is called, and it comes last.
			slices.SortFunc(forks, func(a, b Signed) int { return bytes.Compare(b.Hash[:], a.Hash[:]) })
			order = append(order, forks...)
		}
		l := newListener(t)
		cells := at(t, 1, order...)
		return func() {
			told := map[FindingKind]int{}
			for _, f := range l.read(cells).Change.Told {
				told[f.Kind]++
			}
			if want := (map[FindingKind]int{Namesake: n, Fork: n, Renamed: n}); !maps.Equal(told, want) {
				t.Errorf("told %v, want %v", told, want)
			}
		}
	})
}
