package archive_test

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

const schema1 = "testdata/schema1"

// earlierHome puts the archive of somebody, as an older version has kept it, into a directory, and returns what opens it.
func earlierHome(t *testing.T, who, dir string) room.Options {
	t.Helper()
	packed, err := os.Open(filepath.Join(schema1, who, "lab.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lab.db"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	var lab struct {
		Channel int64    `json:"channel"`
		Keys    []string `json:"keys"`
	}
	var identity struct{ Seed, Nickname string }
	for name, into := range map[string]any{"lab.json": &lab, "identity": &identity} {
		b, err := os.ReadFile(filepath.Join(schema1, who, "rooms", name))
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := fernet.ParseKey(lab.Keys[0])
	if err != nil {
		t.Fatal(err)
	}
	seed, err := hex.DecodeString(identity.Seed)
	if err != nil {
		t.Fatal(err)
	}
	return room.Options{
		Keys: []fernet.Key{key}, Salt: record.Salt(passphrase.RoomSalt(lab.Channel)),
		Identity: record.NewIdentity([record.KeySize]byte(seed)), Nick: identity.Nickname,
		Fields: []int{1, 2, 3, 4, 5, 6, 7, 8}, Used: true,
	}
}

// upgraded opens somebody's archive of an older version.
func upgraded(t *testing.T, who string) (*room.Conversation, *archive.Room) {
	t.Helper()
	dir := t.TempDir()
	o := earlierHome(t, who, dir)
	r := open(t, dir)
	c, err := room.Open(r, o)
	if err != nil {
		t.Fatal(err)
	}
	return c, r
}

func history(t *testing.T, c *room.Conversation) (lines []string) {
	t.Helper()
	err := c.History(0, func(it *model.Item) error {
		switch body := any(nil); {
		case it.Unsigned != nil:
			lines = append(lines, fmt.Sprintf("%d unsigned: %s", it.At.Entry, it.Unsigned.Text))
		default:
			switch b := it.Record.Body.(type) {
			case record.Text:
				body = fmt.Sprintf("%.12s", string(b))
			case record.File:
				body = b.Name
			}
			lines = append(lines, fmt.Sprintf("%d %s %d: %v", it.At.Entry, it.Record.Name, it.Record.Number, body))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// What an older version has kept is read through once: every message stays, those of a key that anybody signs for go,
// and what the user has said stays.
func TestEarlierArchiveIsReadThrough(t *testing.T) {
	c, r := upgraded(t, "bo")
	want := []string{
		"1 ana 1: hello, bo", "2 bo 1: hello, ana", "3 ana 2: two", "4 ana 3: three at hom", "5 ana 4: three of the",
		"6 ana (~256dbfa7) 1: I am the rea", "11 unsigned: nobody has signed this", "13 bo 2: f.bin",
		"14 ana (~256dbfa7) 1: I am the rea", "16 ana 7: a long one: ", "17 bo 3: what did you", "18 bo 4: only here",
		"18 ana 9: tried, and n", "18 ana 8: queued one", "19 unsigned: nobody has signed this",
	}
	got := history(t, c)
	for i := range got {
		got[i] = strings.Replace(got[i], "(256dbfa7)", "(~256dbfa7)", 1)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the history (-want +got):\n%s", d)
	}
	people, err := c.People()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range people {
		if p.Key.Check() != nil {
			t.Errorf("%s is an author", p.Key)
		}
		if verified := p.Compared; verified != (p.Name == "ana") {
			t.Errorf("%s: verified %t", p.Name, verified)
		}
	}
	if len(people) != 3 {
		t.Errorf("%d authors, want ana, bo and the other ana", len(people))
	}
	foreign, err := r.Ranges(kept.Foreign)
	if err != nil || len(foreign) != 2 || foreign[0].First.Entry != 11 || foreign[1].First.Entry != 19 {
		t.Errorf("not opened by any key: %v, %v", foreign, err)
	}
	state, err := r.State()
	if err != nil || state.OwnLast != 4 || len(state.Position) == 0 {
		t.Errorf("state %+v, %v", state, err)
	}
}

// verify may be the first command after an upgrade: it tells all the same what the relay does not show any more of what
// the older version has read.
func TestEarlierMessagesAreMissedAtOnce(t *testing.T) {
	c, _ := upgraded(t, "bo")
	compared, err := c.Compare(new(model.Report), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range compared.Differing {
		got = append(got, fmt.Sprintf("%s %d-%d %d", w.Name, w.First, w.Last, w.Texts))
	}
	want := []string{" 0-0 2", "ana 1-4 0", "ana 7-9 0", "bo 1-4 0", "ana (~256dbfa7) 1-1 0"}
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What others have seen of ours is learnt again, also if the archive is opened by somebody who only looks.
func TestEarlierReceiptsAreLearntAgain(t *testing.T) {
	dir := t.TempDir()
	o := earlierHome(t, "ana", dir)
	o.Identity, o.Used = record.Identity{}, false
	r := open(t, dir)
	if _, err := room.Open(r, o); err != nil {
		t.Fatal(err)
	}
	seen, err := r.Authors(record.AuthorQuery{Only: record.Witness})
	if err != nil || len(seen) != 1 || seen[0].SawOwn < 4 {
		t.Errorf("who has seen what: %+v, %v", seen, err)
	}
}

// A mark names the same messages as before: nothing that was shown comes as news, and of findings only what is not true
// any more.
func TestEarlierMarksHold(t *testing.T) {
	for _, who := range []string{"ana", "bo"} {
		c, _ := upgraded(t, who)
		mark, ok, err := c.Shown("recv")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		news, err := c.Since(mark, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(news.Items) > 0 {
			t.Errorf("%s is shown %d messages once more", who, len(news.Items))
		}
		for _, e := range news.Found {
			if e.Finding.Kind != record.Malformed && (!e.TakenBack || e.Finding.By.Check() == nil) {
				t.Errorf("%s is told %q", who, e.Finding.Text())
			}
		}
		if len(news.Found) != 2 { // cells that break the form were not told of
			t.Errorf("%s: %d findings, want the accusation by nobody's key taken back", who, len(news.Found))
		}
	}
}

// After the upgrade the same feed brings no message, no finding and no repeat once more.
func TestEarlierArchiveReadsOn(t *testing.T) {
	c, _ := upgraded(t, "bo")
	in, err := c.Receive(100)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := in.Anchor(); err != nil || a.Entry != 19 {
		t.Errorf("the anchor is entry %d, %v", a.Entry, err)
	}
	feed, err := os.Open(schema1 + "/lab.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	rows := thingspeak.NewCSVReader(feed)
	var e thingspeak.Entry
	for {
		err := rows.Read(&e)
		if err == io.EOF {
			break
		}
		if err == nil {
			err = in.Add(&e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := in.Finish(room.Facts{View: record.View{}, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	// bo's entries 15 and 16 are those of the feed, and of its 18 it has seen both.
	if got.Fresh > 0 || len(got.Told) > 0 || got.Repeats > 0 || got.NotOurs > 0 {
		t.Errorf("%d messages, %d repeats, %d not ours, findings %+v", got.Fresh, got.Repeats, got.NotOurs, got.Told)
	}
}

// The outbox goes on where it was: what was tried is looked for, and the next number is the one after it.
func TestEarlierOutboxGoesOn(t *testing.T) {
	c, r := upgraded(t, "ana")
	tried, err := r.Posts(kept.PostQuery{Only: kept.TriedPost})
	if err != nil || len(tried) != 1 || tried[0].Seq != 8 {
		t.Fatalf("tried %v, %v", tried, err)
	}
	own, err := r.Own(kept.OwnQuery{})
	if err != nil || !slices.EqualFunc(own, []uint32{7, 8, 9}, func(o kept.Own, n uint32) bool { return o.Number == n }) {
		t.Fatalf("own %v, %v", own, err)
	}
	for _, o := range own {
		if o.Author != c.Own() {
			t.Errorf("number %d is signed by %v", o.Number, o.Author)
		}
	}
	w, err := c.Write(record.Text("after the upgrade"), time.Now())
	if err != nil || w.Number != 10 {
		t.Errorf("number %d, %v", w.Number, err)
	}
	if lines := history(t, c); len(lines) != 16 || lines[len(lines)-2] != "0 ana 9: tried, and n" {
		t.Errorf("the history: %q", lines)
	}
}

// A name belongs to the key that the user has compared, whoever used it first; a key that was forgotten does not get its
// name back, and who else has used it has it.
func TestEarlierNames(t *testing.T) {
	for name, c := range map[string]struct {
		change string
		want   string
	}{
		"compared": {
			`UPDATE authors SET verified_ms = iif(hex(key) LIKE 'CCBC%', 1, 0);
			 UPDATE pins SET key = x'ccbc3da2c4267cc8553be0c7b5790cc75a121297528462c3d2cc679d16eb8684' WHERE folded = 'ana'`,
			"ana f4fec19742da68da (ana), ana ccbc3da2c4267cc8 pinned",
		},
		"forgotten": {
			`UPDATE authors SET verified_ms = 0, forgotten_ms = iif(hex(key) LIKE 'F4FE%', 1, 0);
			 DELETE FROM pins WHERE folded = 'ana'`,
			"ana f4fec19742da68da (ana), ana ccbc3da2c4267cc8 pinned",
		},
		"forgotten and taken": {
			`UPDATE authors SET verified_ms = 0, forgotten_ms = iif(hex(key) LIKE 'F4FE%', 1, 0);
			 UPDATE pins SET key = x'ccbc3da2c4267cc8553be0c7b5790cc75a121297528462c3d2cc679d16eb8684' WHERE folded = 'ana'`,
			"ana f4fec19742da68da (ana), ana ccbc3da2c4267cc8 pinned",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := earlierHome(t, "bo", dir)
			if err := archive.Script(filepath.Join(dir, "lab.db"), c.change); err != nil {
				t.Fatal(err)
			}
			talk, err := room.Open(open(t, dir), o)
			if err != nil {
				t.Fatal(err)
			}
			people, err := talk.People()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range people {
				if p.Nick != "ana" {
					continue
				}
				pinned := "(ana)"
				if len(p.Names) > 0 {
					pinned = "pinned"
				}
				got = append(got, fmt.Sprintf("ana %.16s %s", p.Key, pinned))
			}
			slices.SortFunc(got, func(a, b string) int { return strings.Compare(b, a) })
			if d := cmp.Diff(c.want, strings.Join(got, ", ")); d != "" {
				t.Error(d)
			}
		})
	}
}

// A key that comes after the upgrade opens what the older version has kept unopened, also where a clear or the relay has
// taken it away: nobody can read that again.
func TestEarlierUnopenedTokensAwaitTheirKey(t *testing.T) {
	next := fernet.GenerateKey()
	ring, err := fernet.NewRing(next)
	if err != nil {
		t.Fatal(err)
	}
	var tokens []byte
	for field, text := range []string{"before the clear", "wiped since"} {
		sealed, err := ring.Seal([]byte(text), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.URLEncoding.DecodeString(sealed)
		if err != nil {
			t.Fatal(err)
		}
		tokens = kept.AppendToken(tokens, field+1, raw)
	}
	for name, change := range map[string]string{
		"before the clear": `UPDATE room SET clears = 1`,
		"wiped":            `UPDATE entries SET wiped = 1 WHERE place = 30`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := earlierHome(t, "bo", dir)
			if err := archive.Script(filepath.Join(dir, "lab.db"), fmt.Sprintf(
				"INSERT INTO entries (place, posted_s, tokens, unopened, wiped) VALUES (30, 5, x'%x', 1, 0); %s", tokens, change)); err != nil {
				t.Fatal(err)
			}
			r := open(t, dir)
			if _, err := room.Open(r, o); err != nil {
				t.Fatal(err)
			}
			o.Keys = append([]fernet.Key{next}, o.Keys...)
			for _, fresh := range []int{2, 0} {
				c, err := room.Open(r, o)
				if err != nil {
					t.Fatal(err)
				}
				in, err := c.Receive(10)
				if err != nil {
					t.Fatal(err)
				}
				got, err := in.Finish(room.Facts{})
				if err != nil || got.Fresh != fresh || got.TooLate > 0 {
					t.Errorf("%d messages, want %d; %d entries too late, %v", got.Fresh, fresh, got.TooLate, err)
				}
				lines := history(t, c)
				want := []string{"30 unsigned: before the clear", "30 unsigned: wiped since"}
				if d := cmp.Diff(want, lines[len(lines)-2:]); d != "" {
					t.Error(d)
				}
			}
			left := 0
			if err := r.Entries(kept.EntryQuery{Last: kept.Highest(), Unopened: true}, func(e kept.Entry) error {
				left += map[bool]int{true: 1}[e.At.Entry == 30]
				return nil
			}); err != nil || left > 0 {
				t.Errorf("%d entries are kept unopened, %v", left, err)
			}
		})
	}
}
