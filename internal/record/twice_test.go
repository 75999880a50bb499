package record

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/record/recordtest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// signAgain returns the same record with another signature by its author, a different one for each nonce.
func signAgain(t tester, id Identity, ctx Context, signed Signed, nonce byte) Signed {
	t.Helper()
	end := len(signed.Bytes) - SignatureSize
	message := append(ctx.appendPrefix(nil, signed.Number), signed.Bytes[:end]...)
	signed.Bytes = append(slices.Clone(signed.Bytes[:end]), recordtest.SignAgain(id.RevealSeed(), message, nonce)...)
	if _, hash, err := verifyRecord(ctx, signed.Tag, signed.Number, slices.Clone(signed.Bytes)); err != nil || hash != signed.Hash {
		t.Fatalf("the second signature: hash %v, %v", hash, err)
	}
	return signed
}

// copyOf is a cell of one of the chains that carry a record.
type copyOf struct{ chain, part int }

func (c copyOf) String() string { return fmt.Sprintf("%c%d", 'a'+c.chain, c.part) }

// variants are chains with one hash, a cell of which may be the same one in several.
type variants [][][CellSize]byte

// lay puts copies into one entry each.
func (v variants) lay(feed []copyOf) (cells []Cell) {
	for i, c := range feed {
		cells = append(cells, Cell{Spot{Place{0, int64(i + 1)}, 1}, testRoom.Key, v[c.chain][c.part]})
	}
	return cells
}

// place is where the record stands: of the chains that are whole the one that stands lowest counts, and of that the part
// that stands last, by its lowest copy. The zero Spot means that no chain is whole.
func (v variants) place(cells []Cell) (lowest Spot) {
	for _, chain := range v {
		last, whole := Spot{}, true
		for _, plain := range chain {
			i := slices.IndexFunc(cells, func(c Cell) bool { return c.Plain == plain })
			if whole = whole && i >= 0; whole && cells[i].Compare(last) > 0 {
				last = cells[i].Spot
			}
		}
		if whole && (lowest == Spot{} || last.Compare(lowest) < 0) {
			lowest = last
		}
	}
	return lowest
}

// checkSteps reads cells in steps, and holds what is known in the end against where the records, by hash, are to stand.
func checkSteps(t tester, name string, cells []Cell, want map[Hash]Spot, steps [][]int, forgetful bool) {
	t.Helper()
	l := newListener(t)
	l.reader = newReader(PublicKey{})
	for _, step := range steps {
		var came []Cell
		for _, i := range step {
			came = append(came, cells[i])
		}
		if l.read(came); forgetful {
			l.reader = newReader(PublicKey{})
		}
		l.consistent()
	}
	held := l.known.Records()
	for _, h := range held {
		if h.At != want[h.Hash] || h.At != highest(h.Cells) {
			t.Fatalf("%s in steps %v, forgetful %t: holds %+v, want it at %+v", name, steps, forgetful, h, want[h.Hash])
		}
	}
	if len(held) != len(want) || len(want) == 1 && len(l.known.Findings()) > 0 {
		t.Fatalf("%s in steps %v: holds %d of %d, told %q", name, steps, len(held), len(want), texts(l.known.Findings()))
	}
	l.known.Keep(cells)
	if got, err := Recall(l.known, testRoom.Salt, PublicKey{}, pieces(l.known, cells)); err != nil || len(got) != len(want) {
		t.Fatalf("%s in steps %v: recalled %d, %v", name, steps, len(got), err)
	}
}

// permutations returns all orders of the numbers below n.
func permutations(n int) (all [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for _, p := range permutations(n - 1) {
		for i := range n {
			all = append(all, slices.Insert(slices.Clone(p), i, n-1))
		}
	}
	return all
}

// oneByOne makes steps of an order.
func oneByOne(order []int) [][]int { return slices.Collect(slices.Chunk(order, 1)) }

// endsInOneByte is the length of a text of ana's whose record ends in a cell of one byte, which many signatures share.
const endsInOneByte = 2*SliceSize + 1 - lengthSize - MinSize - len("ana")

// chainsOf returns the cells of a record with so many signatures, all other than its own. With a last cell they end in that.
func chainsOf(t tester, id Identity, signed Signed, n int, last *[CellSize]byte) (v variants) {
	t.Helper()
	for nonce := 0; len(v) < n; nonce++ {
		if nonce > 255 {
			t.Fatal("too few signatures end in the same cell")
		}
		cells, err := Cut(signAgain(t, id, testRoom, signed, byte(nonce)).Bytes, signed.Tag, signed.Number)
		if err != nil {
			t.Fatal(err)
		}
		if last == nil || cells[len(cells)-1] == *last {
			v = append(v, cells)
		}
	}
	return v
}

// An insider signs one record twice and posts the cells of both between each other, some of them again. Where the record
// stood, and with that the digest, depended on which chain was read first, and on what the reader had forgotten since.
func TestRecordSignedTwiceStandsInOnePlace(t *testing.T) {
	testenv.Unwatched(t)
	ana := newScribe(t, 1, "ana")
	signed := ana.write(Text("yes"))
	apart := chainsOf(t, ana.id, signed, 2, nil)
	each := []copyOf{{0, 0}, {0, 1}, {1, 0}, {1, 1}}
	for n := range 1 << 10 { // five cells, of each at least one
		feed := make([]copyOf, 5)
		for i := range feed {
			feed[i] = each[n>>(2*i)&3]
		}
		complete := !slices.ContainsFunc(each, func(c copyOf) bool { return !slices.Contains(feed, c) })
		// Or the chains may change their names, and a copy right behind changes nothing.
		if complete && feed[0].chain == 0 && len(slices.Compact(slices.Clone(feed))) == len(feed) {
			apart.checkAllOrders(t, signed.Hash, feed)
		}
	}
	apart.checkAllOrders(t, signed.Hash, []copyOf{{0, 0}, {1, 0}, {1, 1}, {0, 1}, {1, 0}, {1, 1}})
	apart.checkAllOrders(t, signed.Hash, []copyOf{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {0, 1}, {1, 0}})

	ana = newScribe(t, 1, "ana")
	signed = ana.write(Text(make([]byte, endsInOneByte)))
	first, err := signed.Cells()
	if err != nil {
		t.Fatal(err)
	}
	joined := chainsOf(t, ana.id, signed, 2, &first[len(first)-1])
	each = []copyOf{{0, 0}, {0, 1}, {1, 0}, {1, 1}, {0, 2}}
	for _, order := range permutations(len(each)) {
		feed := make([]copyOf, len(each))
		for i, n := range order {
			feed[i] = each[n]
		}
		if slices.Index(feed, each[0]) < slices.Index(feed, each[2]) {
			joined.checkAllOrders(t, signed.Hash, feed)
		}
	}
	joined.checkAllOrders(t, signed.Hash, []copyOf{{0, 2}, {0, 0}, {1, 0}, {1, 1}, {0, 1}, {1, 2}})

	// A cell of both goes on to lower the record once the other chain stands lower.
	feed := []copyOf{{1, 0}, {1, 1}, {1, 2}, {0, 0}, {0, 2}, {1, 1}, {0, 1}}
	cells := joined.lay(feed)
	want := map[Hash]Spot{signed.Hash: joined.place(cells)}
	checkSteps(t, fmt.Sprint(feed), cells, want, oneByOne([]int{3, 6, 4, 0, 5, 1, 2}), false)
}

// checkAllOrders reads a feed cell by cell, in all orders.
func (v variants) checkAllOrders(t tester, hash Hash, feed []copyOf) {
	t.Helper()
	cells := v.lay(feed)
	want := map[Hash]Spot{hash: v.place(cells)}
	for i, order := range permutations(len(cells)) {
		checkSteps(t, fmt.Sprint(feed), cells, want, oneByOne(order), i%2 == 0)
	}
}

// The same with more chains, parts and copies, in steps of any size, and with another record of that number, whose chains
// may end in the same cell.
func TestRecordsSignedOftenStandInTheirPlaces(t *testing.T) {
	testenv.Check(t, func(t *rapid.T) {
		ana := newScribe(t, 1, "ana")
		length := rapid.SampledFrom([]int{1, 59, 60, 61, endsInOneByte, 120, 164, 200}).Draw(t, "length")
		twin := ana.fork()
		records := []Signed{ana.write(Text(make([]byte, length))), twin.write(Text(slices.Repeat([]byte{'x'}, length)))}
		var last *[CellSize]byte
		if cells, err := records[0].Cells(); err == nil && length == endsInOneByte {
			last = &cells[len(cells)-1]
		}
		var v variants
		chains := [2]int{rapid.IntRange(2, 4).Draw(t, "chains"), rapid.IntRange(0, 2).Draw(t, "chains of the other")}
		for i, n := range chains {
			v = append(v, chainsOf(t, ana.id, records[i], n, last)...)
		}
		feed := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) copyOf {
			return copyOf{rapid.IntRange(0, len(v)-1).Draw(t, "chain"), rapid.IntRange(0, len(v[0])-1).Draw(t, "part")}
		}), 1, 24).Draw(t, "feed")
		cells := v.lay(feed)
		order := make([]int, len(cells))
		for i := range order {
			order[i] = i
		}
		order = rapid.Permutation(order).Draw(t, "order")
		var steps [][]int
		for len(order) > 0 {
			n := rapid.IntRange(1, len(order)).Draw(t, "step")
			steps = append(steps, order[:n])
			order = order[n:]
		}
		want := map[Hash]Spot{records[0].Hash: v[:chains[0]].place(cells), records[1].Hash: v[chains[0]:].place(cells)}
		maps.DeleteFunc(want, func(_ Hash, at Spot) bool { return at == Spot{} })
		checkSteps(t, fmt.Sprint(feed), cells, want, steps, rapid.Bool().Draw(t, "forgetful"))
	})
}

// Whoever signs one record again and again costs time once, keeps nobody else's record from being read, and is told of in
// no other way than whoever signs it once.
func TestRecordSignedWithoutEndSilencesNobody(t *testing.T) {
	ana, mallory := twins(t)
	signed := mallory.write(Text("again"))
	const chains = 3 * maxChains
	var cells []Cell
	for i := range chains { // later ones stand within those before them
		r := signAgain(t, mallory.id, testRoom, signed, byte(i))
		c := at(t, 1, r)
		c[0].Entry, c[1].Entry = int64(i+1), int64(3*chains-i)
		cells = append(cells, c...)
	}
	cells = append(cells, at(t, 4*chains, ana.write(Text("hello")))...)

	l := newListener(t)
	checks := atomic.Int64{}
	forget := func() {
		l.reader = NewReader(testRoom.Salt, PublicKey{}) // another process goes on
		l.reader.check = func(e *envelope) bool {
			checks.Add(1)
			return e.verify()
		}
	}
	forget()
	for result, calls := l.read(cells), 1; result.More; calls++ {
		if calls > chains/maxChains+1 {
			t.Fatalf("after %d calls there is more to try", calls)
		}
		forget()
		result = l.read(nil)
	}
	held := l.known.Records()
	if len(held) != 2 || len(l.known.Findings()) > 0 {
		t.Fatalf("held %d records, told %q", len(held), texts(l.known.Findings()))
	}
	for _, h := range held {
		if want := map[PublicKey]int64{ana.key(): 4 * chains, mallory.key(): 2*chains + 1}[h.Author]; h.At.Entry != want {
			t.Errorf("stands in entry %d, want %d", h.At.Entry, want)
		}
	}
	if n := checks.Load(); n > chains+1 {
		t.Errorf("%d signatures were checked of %d", n, chains+1)
	}

	checks.Store(0)
	forget()
	stray := cells[1]
	stray.Entry, stray.Plain[CellSize-1] = 5*chains, stray.Plain[CellSize-1]^1
	if result := l.read([]Cell{stray}); result.More || checks.Load() > 0 {
		t.Errorf("a cell of no record let %d signatures be checked again, more %t", checks.Load(), result.More)
	}
	l.consistent()
}
