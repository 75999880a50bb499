package gateway

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGrants: what was given out is listed without itself, numbers are not used again, and two rooms of one channel number have
// no keys at once.
func TestGrants(t *testing.T) {
	home := t.TempDir()
	g, err := OpenGrants(home)
	if err != nil {
		t.Fatal(err)
	}
	key, made, err := g.Add(Grant{Room: "lab", Channel: 7, Scopes: []Scope{Read, Write}, Wait: 1500 * 1000 * 1000})
	if err != nil || len(key) != 16 || strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" || made.ID != 1 {
		t.Fatalf("%q %+v %v", key, made, err)
	}
	if _, _, err := g.Add(Grant{Room: "copy", Channel: 7, Scopes: []Scope{Read}}); !errors.Is(err, ErrSharedChannel) {
		t.Errorf("a key of another room with that channel: %v", err)
	}
	if _, _, err := g.Add(Grant{Token: true, Room: "copy", Channel: 7, Scopes: []Scope{Read}}); err != nil {
		t.Errorf("a token of it: %v", err)
	}
	if _, _, err := g.Add(Grant{Room: "lab", Channel: 7}); !errors.Is(err, ErrNoScope) {
		t.Errorf("a key for nothing: %v", err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if g, err = OpenGrants(home); err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	all, err := g.List(false)
	if d := cmp.Diff([]Grant{made}, all); d != "" || err != nil {
		t.Error(d, err)
	}
	if _, err := g.Revoke(made.ID, true); !errors.Is(err, ErrNoGrant) {
		t.Errorf("a key is revoked as a token: %v", err)
	}
	if _, err := g.Revoke(made.ID, false); err != nil {
		t.Error(err)
	}
	if _, found, err := g.Find(key, false); found || err != nil {
		t.Errorf("it is found after it was revoked, %v", err)
	}
	if _, again, err := g.Add(made); err != nil || again.ID <= made.ID+1 {
		t.Errorf("the next one is %+v, %v", again, err)
	}
}

// TestFirstUseByMany: commands that begin at once make one home, and lose no key.
func TestFirstUseByMany(t *testing.T) {
	home := t.TempDir()
	var many sync.WaitGroup
	for range 8 {
		many.Go(func() {
			g, err := OpenGrants(home)
			if err != nil {
				t.Error(err)
				return
			}
			if _, _, err := g.Add(Grant{Room: "lab", Channel: 7, Scopes: []Scope{Write}}); err != nil {
				t.Error(err)
			}
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	many.Wait()
	g, err := OpenGrants(home)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if all, err := g.List(false); len(all) != 8 || err != nil {
		t.Errorf("%d keys, %v", len(all), err)
	}
}

// TestForget: with a room go its keys and what waits for it, and nothing of another one; whoever serves gives up what is gone.
func TestForget(t *testing.T) {
	all, home := newRooms(t), t.TempDir()
	g := startGateway(t, home, all)
	attic := g.add(t, "attic", 0, Write)
	g.stop(t) // and nobody hands over
	r, grants, s := openLab(t, all, home)
	mustCommit(t, r, s, "1", "2")
	other, err := r.open("attic", atticChannel)
	if err != nil {
		t.Fatal(err)
	}
	mustCommit(t, r, other, "3")
	if keys, readings, _, err := grants.Left("lab"); keys != 2 || readings != 2 || err != nil {
		t.Errorf("of the room are there %d keys and %d readings, %v", keys, readings, err)
	}
	if gone, err := r.isGone(s); gone || err != nil {
		t.Errorf("a room that is there is gone: %v, %v", gone, err)
	}
	if err := grants.Forget("lab"); err != nil {
		t.Fatal(err)
	}
	if keys, readings, _, err := grants.Left("lab"); keys != 0 || readings != 0 || err != nil {
		t.Errorf("then there are %d keys and %d readings, %v", keys, readings, err)
	}
	if _, ok, err := grants.Find(attic, false); !ok || err != nil {
		t.Errorf("another room's key is gone, %v", err)
	}
	if gone, err := r.isGone(s); !gone || err != nil || r.all() != 1 {
		t.Errorf("whoever serves: %v, %v; %d wait", gone, err, r.all())
	}
}

// TestRenamedRoom: keys and tokens are for a room, not for its name.
func TestRenamedRoom(t *testing.T) {
	g, err := OpenGrants(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	key, _, err := g.Add(Grant{Room: "lab", RoomID: "lab", Channel: 7, Scopes: []Scope{Read}})
	if err != nil {
		t.Fatal(err)
	}
	g.Name = func(roomID string) string { return map[string]string{"lab": "school", "lab-2": "lab"}[roomID] }
	found, ok, err := g.Find(key, false)
	if err != nil || !ok || found.Room != "school" || found.RoomID != "lab" || !found.May(Read, "school") || found.May(Read, "lab") {
		t.Errorf("%+v, %v, %v", found, ok, err)
	}
}
