package sqlite_test

import (
	"errors"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func TestAccountsAreRenewedAndRemoved(t *testing.T) {
	s := open(t, t.TempDir())
	ana := relay.Account{Name: "ana", Key: "A", CreatedAt: time.Now()}
	bo := relay.Account{Name: "bo", Key: "B", CreatedAt: time.Now()}
	for _, a := range []*relay.Account{&ana, &bo} {
		if err := s.CreateAccount(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.RenewAccount(t.Context(), ana.ID, "B"); !errors.Is(err, relay.ErrTaken) {
		t.Errorf("renewing with a key that is in use: %v", err)
	}
	if err := s.RenewAccount(t.Context(), ana.ID, "A2"); err != nil {
		t.Error(err)
	}
	if _, err := s.AccountByKey(t.Context(), "A"); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("the old key: %v", err)
	}
	if a, err := s.AccountByKey(t.Context(), "A2"); err != nil || a.Name != "ana" {
		t.Errorf("the new key opens %+v, %v", a, err)
	}
	err := s.CreateChannel(t.Context(), &relay.Channel{
		Owner: ana.ID, Channel: thingspeak.Channel{ID: 7, Keys: []thingspeak.Key{{Text: "W", Write: true}}},
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id   int64
		want error
	}{
		{ana.ID, relay.ErrTaken},
		{relay.LocalAccountID, relay.ErrTaken},
		{99, relay.ErrNotFound},
		{bo.ID, nil},
		{bo.ID, relay.ErrNotFound},
	} {
		if err := s.RemoveAccount(t.Context(), tt.id); !errors.Is(err, tt.want) {
			t.Errorf("removing account %d: %v, want %v", tt.id, err, tt.want)
		}
	}
	if err := s.RenewAccount(t.Context(), bo.ID, "B3"); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("renewing an account that is gone: %v", err)
	}
}
