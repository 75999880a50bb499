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
