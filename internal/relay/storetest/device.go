package storetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay"
)

func testDevices(t *testing.T, s relay.Store) {
	newChannel(t, s, 7)
	newChannel(t, s, 8)
	a := &relay.Device{
		ID: "a", Password: "hash of a", CreatedAt: second(1),
		Rights: []relay.Right{{Channel: 7, Publish: true}, {Channel: 8, Publish: true, Subscribe: true}},
	}
	b := &relay.Device{ID: "B", Password: "hash of b", CreatedAt: second(2)}
	for _, d := range []*relay.Device{a, b} {
		if err := s.CreateDevice(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Device(t.Context(), "a"); err != nil || !cmp.Equal(got, a) {
		t.Errorf("the device is %+v, %v; want %+v", got, err, a)
	}
	if all, err := s.Devices(t.Context()); err != nil || !cmp.Equal(all, []*relay.Device{b, a}) {
		t.Errorf("devices are %+v, %v", all, err)
	}
	for _, id := range []string{"A", "a ", "", "a\x00", "\xff"} {
		_, err := s.Device(t.Context(), id)
		wantErr(t, "an unknown device", err, relay.ErrNotFound)
		wantErr(t, "removing an unknown device", s.RemoveDevice(t.Context(), id), relay.ErrNotFound)
	}
	wantErr(t, "an ID in use", s.CreateDevice(t.Context(), &relay.Device{ID: "a", Password: "x"}), relay.ErrTaken)
	wantErr(t, "a right to no channel", s.CreateDevice(t.Context(), &relay.Device{
		ID: "c", Password: "x", Rights: []relay.Right{{Channel: 9, Publish: true}},
	}), relay.ErrTaken)
	if _, err := s.Device(t.Context(), "c"); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("a refused device is there: %v", err)
	}
	if err := s.DeleteChannel(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Device(t.Context(), "a"); err != nil || !cmp.Equal(got.Rights, a.Rights[1:]) {
		t.Errorf("without the channel its rights are %+v, %v", got, err)
	}
	if err := s.RemoveDevice(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Device(t.Context(), "a")
	wantErr(t, "a removed device", err, relay.ErrNotFound)
	if err := s.CreateDevice(t.Context(), &relay.Device{ID: "a", Password: "x", CreatedAt: second(3)}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Device(t.Context(), "a"); err != nil || len(got.Rights) > 0 {
		t.Errorf("a new device of an old name is %+v, %v", got, err)
	}
}

func testChangeDevice(t *testing.T, s relay.Store) {
	newChannel(t, s, 7)
	newChannel(t, s, 8)
	want := &relay.Device{
		ID: "a", Password: "old", CreatedAt: second(1), Rights: []relay.Right{{Channel: 7, Publish: true}},
	}
	if err := s.CreateDevice(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	change := func(rights []relay.Right, err error) error {
		return s.ChangeDevice(t.Context(), "a", func(d *relay.Device) error {
			d.Password, d.Rights = "new", rights
			return err
		})
	}
	kept := func(when string) {
		t.Helper()
		if got, err := s.Device(t.Context(), "a"); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s it is %+v, %v; want %+v", when, got, err, want)
		}
	}
	wantErr(t, "a change that fails", change(nil, stop), stop)
	kept("after a change that failed")
	wantErr(t, "a right to no channel", change([]relay.Right{{Channel: 9, Publish: true}}, nil), relay.ErrTaken)
	kept("after a refused change")
	wantErr(t, "an unknown device",
		s.ChangeDevice(t.Context(), "b", func(*relay.Device) error { return nil }), relay.ErrNotFound)
	rights := []relay.Right{{Channel: 7, Subscribe: true}, {Channel: 8, Publish: true}}
	if err := change(rights, nil); err != nil {
		t.Fatal(err)
	}
	want.Password, want.Rights = "new", rights
	kept("after a change")
}
