package gateway

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// reading is one with these values in the first fields.
func reading(values ...string) record.Reading {
	var r record.Reading
	for i, v := range values {
		r.Values[i] = record.Value{Text: v, Given: true}
	}
	return r
}

// openDoor opens ThingSpeak's door of a house, with a key that reads and writes.
func (x *house) openDoor() (key string) {
	x.t.Helper()
	r, err := openReadings(filepath.Join(x.home, "door"), newDeviceRooms(x.followed.engine, x.followed), discard)
	if err != nil {
		x.t.Fatal(err)
	}
	if x.h.door, err = newDoor(x.grants, r, x.h.clients, x.h.figures, discard); err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() {
		x.h.door.close()
		if err := r.Close(); err != nil {
			x.t.Error(err)
		}
	})
	key, _, err = x.grants.Add(Grant{Room: "lab", RoomID: "lab", Channel: x.room.Channel, Scopes: []Scope{Read, Write}})
	if err != nil {
		x.t.Fatal(err)
	}
	if err := x.h.door.followAll(); err != nil {
		x.t.Fatal(err)
	}
	return key
}

// shownFeed is what the door answers.
type shownFeed struct {
	Channel struct{ Findings int }
	Feeds   []struct {
		CreatedAt time.Time `json:"created_at"`
		Number    int64     `json:"entry_id"`
		Field1    string
		Status    string
	}
}

func (x *house) feed(key, choice string) (f shownFeed) {
	x.t.Helper()
	w := x.record("GET", fmt.Sprintf("/channels/%d/feeds.json?status=true&api_key=%s%s", x.room.Channel, key, choice), "")
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil {
		x.t.Fatalf("%v in %s", err, w.Body)
	}
	return f
}

// TestARelayThatCheats: whatever a relay withholds, repeats, forges, reorders or wipes, the door shows as signed only what somebody has
// signed, once; and says that something is wrong where that is so.
func TestARelayThatCheats(t *testing.T) {
	noticed := cheat.Drop | cheat.Alter
	for _, lies := range []cheat.Lies{
		0, cheat.Drop, cheat.Repeat, cheat.Reorder, cheat.Alter, cheat.Fork, cheat.Backdate, cheat.Wipe, cheat.All,
	} {
		t.Run(cmp.Or(lies.String(), "none"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newHouse(t, "fernpost", relaytest.Cheat(lies))
				key := x.openDoor()
				began := time.Now().Add(-time.Minute)
				const posts = 14
				var bodies []record.Body
				for n := range posts {
					bodies = append(bodies, reading(fmt.Sprint("value", n)))
				}
				x.bo(bodies...)
				time.Sleep(10 * time.Minute)
				f := x.feed(key, "&signed=true")
				seen := map[string]bool{}
				for _, e := range f.Feeds {
					var n int
					if _, err := fmt.Sscanf(e.Field1, "value%d", &n); err != nil || n < 0 || n >= posts || e.Field1 != fmt.Sprint("value", n) {
						t.Errorf("%q is shown as signed, and nobody has", e.Field1)
					}
					if seen[e.Field1] {
						t.Errorf("%s is shown twice", e.Field1)
					}
					seen[e.Field1] = true
					if !strings.HasPrefix(e.Status, "signed by bo") || e.CreatedAt.Before(began) {
						t.Errorf("%s of %v is %q", e.Field1, e.CreatedAt, e.Status)
					}
				}
				if all := x.feed(key, ""); len(all.Feeds) != len(f.Feeds) {
					t.Errorf("%d readings are shown, of which %d are signed", len(all.Feeds), len(f.Feeds))
				}
				if lies&(cheat.Drop|cheat.Alter|cheat.Fork|cheat.Wipe) == 0 && len(seen) != posts {
					t.Errorf("%d of %d are shown", len(seen), posts)
				}
				if lies&noticed != 0 && f.Channel.Findings == 0 || lies == 0 && f.Channel.Findings > 0 {
					t.Errorf("%d findings", f.Channel.Findings)
				}
				if v := x.feed(key, "&verified=true"); len(v.Feeds) > 0 {
					t.Errorf("%d are verified, and no words were compared", len(v.Feeds))
				}
			})
		})
	}
}

// TestAClockThatIsAhead: a reading of the year 9999 stayed the newest of results=N for good.
func TestAClockThatIsAhead(t *testing.T) {
	r, _, s := openLab(t, newRooms(t), t.TempDir())
	now := time.Now()
	for i, tt := range []struct{ clock, posted, want time.Time }{
		{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), now.Add(-time.Hour), now.Add(-time.Hour)},
		{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9998, 1, 1, 0, 0, 0, 0, time.UTC), now},
		{now.Add(time.Hour), now, now.Add(time.Hour)},
		{now.Add(-48 * time.Hour), now, now.Add(-48 * time.Hour)},
	} {
		e := newEntries("1")[0]
		e.CreatedAt = tt.clock
		if err := r.take(s, &news{arrivals: []arrival{newArrival([]byte{byte(i)}, e, tt.posted)}}); err != nil {
			t.Fatal(err)
		}
		if got := time.Unix(s.rows[i].date, 0); got.Sub(tt.want).Abs() > time.Minute {
			t.Errorf("a reading of %v, posted %v, is shown with %v", tt.clock, tt.posted, got)
		}
	}
	// What was taken here is known by its date when it comes back, whatever that is.
	e := newEntries("own")
	e[0].CreatedAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := commit(r, s, e); err != nil {
		t.Fatal(err)
	}
	a := newArrival([]byte("own"), e[0], now)
	a.own = true
	if err := r.take(s, &news{arrivals: []arrival{a}}); err != nil || len(s.rows) != 5 {
		t.Errorf("one that was taken here is there %d times, %v", len(s.rows)-4, err)
	}
}
