package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func testPublicChannels(t *testing.T, s relay.Store) {
	bo := relay.Account{Name: "bo", Key: "BOKEY"}
	if err := s.CreateAccount(t.Context(), &bo); err != nil {
		t.Fatal(err)
	}
	add := func(id, owner int64, public bool, latitude, longitude string, tags ...string) {
		t.Helper()
		c := &relay.Channel{Owner: owner, Channel: thingspeak.Channel{
			ID: id, Public: public, Latitude: latitude, Longitude: longitude, Tags: tags,
			CreatedAt: second(0), UpdatedAt: second(0), Keys: []thingspeak.Key{{Text: relay.NewKey(), Write: true}},
		}}
		if err := s.CreateChannel(t.Context(), c, 0); err != nil {
			t.Fatal(err)
		}
		if id == 4 {
			commit(t, s, update(c, "x", time.Time{}))
		}
	}
	const local = relay.LocalAccountID
	add(9, local, true, "48.2082", "16.3738", "temp", "air")    // Vienna
	add(4, bo.ID, true, "48.1486", "17.1077", "temp", "o'tag%") // Bratislava, 55 km to the east
	add(7, local, false, "48.2082", "16.3738", "temp")
	add(2, local, true, "0.0", "0.0")
	add(5, bo.ID, true, "-41.2", "+179.9", "temperature")
	add(6, bo.ID, true, "-41.2", "-179.9", "a b")
	near := func(latitude, longitude, km float64) *relay.Circle {
		return &relay.Circle{Latitude: latitude, Longitude: longitude, Kilometres: km}
	}
	for _, tt := range []struct {
		name    string
		listing relay.Listing
		total   int
		want    []int64
	}{
		{"all", relay.Listing{Limit: 9}, 5, []int64{2, 4, 5, 6, 9}},
		{"the first page", relay.Listing{Limit: 2}, 5, []int64{2, 4}},
		{"the last page", relay.Listing{Skip: 4, Limit: 2}, 5, []int64{9}},
		{"a page behind the last", relay.Listing{Skip: 40, Limit: 2}, 5, nil},
		{"a page of nothing", relay.Listing{}, 5, nil},
		{"an account", relay.Listing{Owner: bo.ID, Limit: 9}, 3, []int64{4, 5, 6}},
		{"an account without channels", relay.Listing{Owner: 99, Limit: 9}, 0, nil},
		{"a tag", relay.Listing{Tag: "temp", Limit: 9}, 2, []int64{4, 9}},
		{"a tag with a blank", relay.Listing{Tag: "a b", Limit: 9}, 1, []int64{6}},
		{"a tag of odd letters", relay.Listing{Tag: "o'tag%", Limit: 9}, 1, []int64{4}},
		{"a pattern is no tag", relay.Listing{Tag: "%", Limit: 9}, 0, nil},
		{"a tag in other letters", relay.Listing{Tag: "TEMP", Limit: 9}, 0, nil},
		{"a tag of an account", relay.Listing{Tag: "temp", Owner: bo.ID, Limit: 9}, 1, []int64{4}},
		{"near Vienna", relay.Listing{Near: near(48.2, 16.4, 30), Limit: 9}, 1, []int64{9}},
		{"around Vienna", relay.Listing{Near: near(48.2, 16.4, 60), Limit: 9}, 2, []int64{4, 9}},
		{"around Vienna, one a page", relay.Listing{Near: near(48.2, 16.4, 60), Skip: 1, Limit: 1}, 2, []int64{9}},
		{"across the date line", relay.Listing{Near: near(-41.2, 180, 20), Limit: 9}, 2, []int64{5, 6}},
		{"everywhere", relay.Listing{Near: near(90, 0, 30_000), Limit: 9}, 5, []int64{2, 4, 5, 6, 9}},
		{"no distance at all", relay.Listing{Near: near(48.2082, 16.3738, -1), Limit: 9}, 1, []int64{9}},
	} {
		page, total, err := s.PublicChannels(t.Context(), tt.listing)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var ids []int64
		for _, c := range page {
			ids = append(ids, c.ID)
			if want := map[int64]int64{4: 1}[c.ID]; c.LastEntryID != want {
				t.Errorf("%s: channel %d has the last entry %d, want %d", tt.name, c.ID, c.LastEntryID, want)
			}
		}
		if !cmp.Equal(ids, tt.want) || total != tt.total {
			t.Errorf("%s: channels %v of %d, want %v of %d", tt.name, ids, total, tt.want, tt.total)
		}
	}
}
