package room_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// sealedRow returns a row of which each field holds a text of its own.
func sealedRow(t *testing.T, key fernet.Key, id int64) (e thingspeak.Entry) {
	t.Helper()
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	e.ID = id
	for i := range e.Fields {
		text, err := ring.Seal(fmt.Appendf(nil, "%d of entry %d", i, id), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		e.Fields[i] = thingspeak.Text(text)
	}
	return e
}

func verified(t *testing.T, key fernet.Key, rows []thingspeak.Entry) model.Report {
	t.Helper()
	report, err := room.Verify(t.Context(), []fernet.Key{key}, salt, room.Feed{
		Entries: seq(rows), View: func() record.View { return record.View{} },
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Forty rows with one number and copies of other entries' tokens, or with tokens that no key opens, hid the true one that
// came last: for good, and nothing was found to be wrong.
func TestRowsOfOneNumberHideNothing(t *testing.T) {
	const others = 40
	key := fernet.GenerateKey()
	var rows []thingspeak.Entry
	for i := range others {
		rows = append(rows, sealedRow(t, key, int64(i)+1))
	}
	last := sealedRow(t, key, others+1)
	for i := range others {
		copied := rows[i]
		if i%2 == 1 {
			copied = foreignRow(t, 0)
		}
		copied.ID = last.ID
		rows = append(rows, copied)
	}
	rows = append(rows, last)
	const want = (others + 1) * thingspeak.FieldCount
	c, store := openConversation(t, key, t.TempDir())
	defer store.Close()
	got := take(t, c, rows)
	digest, err := c.Digest()
	if err != nil {
		t.Fatal(err)
	}
	report := verified(t, key, rows)
	if got.Fresh != want || report.Unsigned != want || got.Overfull+report.Overfull > 0 || digest.Sum() != report.Digest {
		t.Errorf("kept %d, verified %d texts of %d; overfull %d, %d", got.Fresh, report.Unsigned, want, got.Overfull, report.Overfull)
	}
}

// Of more rows with one number than are taken in nothing was told, and what was left out counted as read.
func TestWhatIsTooMuchForAnEntryIsTold(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	for i := range 3 {
		ana.say(fmt.Sprint(i))
	}
	rows := slices.DeleteFunc(h.relay.Entries(t, h.channel.ID), func(e thingspeak.Entry) bool { return e.ID == 2 })
	for range 40 {
		rows = slices.Insert(rows, 1, sealedRow(t, h.key, 2))
	}
	c, store := openConversation(t, h.key, t.TempDir())
	defer store.Close()
	for round, want := range []int{1, 0} {
		got := take(t, c, rows)
		if got.Overfull != want || want > 0 && got.FirstOverfull != 2 || len(got.Told) > 0 || len(got.Waiting) != 1 {
			t.Errorf("round %d: overfull %d, told %q, waiting %q", round, got.Overfull, told(got.Told), told(got.Waiting))
		}
	}
	report := verified(t, h.key, rows)
	if report.Overfull != 1 || len(report.Found) > 0 || len(report.Waiting) != 1 {
		t.Errorf("overfull %d, found %q, waiting %q", report.Overfull, told(report.Found), told(report.Waiting))
	}
}

// Read from its end in several steps, a channel made the last who took a name its owner, and the first another one.
func TestVerifyPinsNamesByPlaces(t *testing.T) {
	const far = 9000
	h := newHall(t)
	ana, other := h.join(1, "ana"), h.join(2, "ana")
	ana.say("hello")
	other.say("hello, too")
	written := h.relay.Entries(t, h.channel.ID)
	var rows []thingspeak.Entry
	for id := int64(1); id <= far; id++ {
		rows = append(rows, thingspeak.Entry{ID: id})
	}
	rows[0] = written[0]
	rows[far-1].Fields = written[len(written)-1].Fields
	report := verified(t, h.key, rows)
	slices.Reverse(rows)
	back := verified(t, h.key, rows)
	for _, r := range []model.Report{report, back} {
		if len(r.Found) != 1 || r.Found[0].Kind != record.Namesake || r.Found[0].Author != other.o.Identity.Public() {
			t.Errorf("found %q", told(r.Found))
		}
	}
	if report.Digest != back.Digest {
		t.Error("the digests differ")
	}
}

// A reading that stopped before all parts were joined in all ways said nothing of it.
func TestReadingSaysThatPartsWereLeftUntried(t *testing.T) {
	h := newHall(t)
	in := h.insider()
	cells, err := record.Cut(in.sign(record.Record{Number: 1, Nick: "eve", Body: record.Text("hello")}).Bytes, in.id.Public().Tag(), 3)
	if err != nil {
		t.Fatal(err)
	}
	in.postCells(cells[1:])
	for i := range 900 {
		c := cells[0]
		c[len(c)-1], c[len(c)-2] = byte(i), byte(1+i>>8)
		in.post(c[:])
	}
	c, store := openTrying(t, h.key, t.TempDir(), func() func() bool {
		calls := 1
		return func() bool {
			calls++
			return calls <= 8
		}
	})
	defer store.Close()
	rows := h.relay.Entries(t, h.channel.ID)
	if got := take(t, c, rows); !got.More {
		t.Error("all was tried in one reading")
	}
	readings := 1
	for take(t, c, nil).More {
		if readings++; readings > 20 {
			t.Fatal("it comes to no end")
		}
	}
}

// A reading tried 512 chains and no more, however quickly that went: whoever posted ten thousand for the next number of a member
// hid that number, and all who were new, from twenty readings.
func TestAFloodOfPartsIsTriedInOneReading(t *testing.T) {
	h := newHall(t)
	in := h.insider()
	cells, err := record.Cut(in.sign(record.Record{Number: 1, Nick: "eve", Body: record.Text("hello")}).Bytes, in.id.Public().Tag(), 3)
	if err != nil {
		t.Fatal(err)
	}
	in.postCells(cells[1:])
	for i := range 900 {
		c := cells[0]
		c[len(c)-1], c[len(c)-2] = byte(i), byte(1+i>>8)
		in.post(c[:])
	}
	bo := h.join(2, "bo")
	bo.say("I am new here")
	asked := 0
	c, store := openTrying(t, h.key, t.TempDir(), func() func() bool {
		return func() bool {
			asked++
			return true
		}
	})
	defer store.Close()
	got := take(t, c, h.relay.Entries(t, h.channel.ID))
	if got.More || asked < 900/64 {
		t.Errorf("parts are left untried: %v, asked %d times", got.More, asked)
	}
	if len(got.Items) != 1 {
		t.Errorf("read %q, want what bo has said", lines(got.Items))
	}
}
