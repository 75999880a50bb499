package messenger

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/model"
)

// What an invitation knows better is taken over; what this device knows better stays.
func TestAnInvitationMendsARoom(t *testing.T) {
	const relay, moved = "http://relay.example", "http://other.example"
	has := model.Room{
		Name: "lab", Relay: relay, Channel: 7, Fields: []int{1, 2}, Profile: "fernpost", Keys: []model.Secret{"k2", "k1"},
		Interval: "15s", Wrote: true, Introduced: []string{"aa"},
	}
	for name, c := range map[string]struct {
		invited model.Room
		mends   []Mend
		older   bool
		want    func(*model.Room)
	}{
		"the same": {invited: model.Room{Relay: relay, Keys: []model.Secret{"k2"}}},
		"a newer key": {
			invited: model.Room{Relay: relay, Keys: []model.Secret{"k3"}}, mends: []Mend{MendKey},
			want: func(r *model.Room) { r.Keys = []model.Secret{"k3", "k2", "k1"} },
		},
		"an older key": {invited: model.Room{Relay: relay, Keys: []model.Secret{"k1"}}, older: true},
		// It put back the write key, and the relay, that the room had before.
		"an older key, with what was so then": {
			invited: model.Room{Relay: moved, Keys: []model.Secret{"k1"}, WriteKey: "w", ReadKey: "r"}, older: true,
		},
		"keys of before this device came": {
			invited: model.Room{Relay: relay, Keys: []model.Secret{"k2", "k1", "k0"}}, mends: []Mend{MendOlderKeys},
			want: func(r *model.Room) { r.Keys = []model.Secret{"k2", "k1", "k0"} },
		},
		"no key": {invited: model.Room{Relay: relay}},
		"keys of the channel": {
			invited: model.Room{Relay: relay, WriteKey: "w", ReadKey: "r"}, mends: []Mend{MendWriteKey, MendReadKey},
			want: func(r *model.Room) { r.WriteKey, r.ReadKey, r.Unproven = "w", "r", true },
		},
		"the relay has moved": {
			invited: model.Room{Relay: moved, Keys: []model.Secret{"k2"}}, mends: []Mend{MendRelay},
			want: func(r *model.Room) { r.Relay = moved },
		},
		"the same relay, written otherwise": {invited: model.Room{Relay: "HTTP://Relay.Example:80/", Keys: []model.Secret{"k2"}}},
		"another inviter": {
			invited: model.Room{Relay: relay, Introduced: []string{"aa", "bb"}}, mends: []Mend{MendPeople},
			want: func(r *model.Room) { r.Introduced = []string{"aa", "bb"} },
		},
	} {
		want := has
		want.Keys, want.Introduced = slices.Clone(has.Keys), slices.Clone(has.Introduced)
		if c.want != nil {
			c.want(&want)
		}
		got := mended(has, c.invited, byPlace)
		if diff := cmp.Diff(want, got.Room); diff != "" || !slices.Equal(got.Mends, c.mends) || got.Older != c.older || !got.Has {
			t.Errorf("%s: mends %v, older %v; room (-want +got):\n%s", name, got.Mends, got.Older, diff)
		}
	}
	// A channel's keys may have been replaced: a link with the new ones mended nothing.
	has.WriteKey, has.ReadKey = "old", "old"
	got := mended(has, model.Room{Relay: relay, WriteKey: "w", ReadKey: "r"}, byPlace)
	if !slices.Equal(got.Mends, []Mend{MendWriteKey, MendReadKey}) || got.Room.WriteKey != "w" || got.Room.ReadKey != "r" || !got.Room.Unproven {
		t.Errorf("of keys that were replaced: %v, %+v", got.Mends, got.Room)
	}
	if got := mended(has, model.Room{Relay: relay}, byPlace); len(got.Mends) > 0 || got.Room.WriteKey != "old" || got.Room.ReadKey != "old" {
		t.Errorf("of none: %v, %+v", got.Mends, got.Room)
	}
}
