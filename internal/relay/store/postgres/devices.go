package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
)

// CreateDevice is part of [relay.Store].
func (s *Store) CreateDevice(ctx context.Context, d *relay.Device) error {
	return s.write(ctx, "creating a device", func(t *transaction) error {
		t.last.Queue(store.InsertDevice, d.ID, d.Password, d.CreatedAt.Unix())
		queueRights(&t.last, d)
		return nil
	})
}

func queueRights(b *pgx.Batch, d *relay.Device) {
	for _, r := range d.Rights {
		b.Queue(store.InsertRight, d.ID, r.Channel, r.Publish, r.Subscribe)
	}
}

// lockDevice makes sure that a device is there and stays as it is.
func (t *transaction) lockDevice(id string) error {
	found := false
	err := t.query(func(row) error {
		found = true
		return nil
	}, "SELECT id FROM devices WHERE id = $1 FOR UPDATE", id)
	if err == nil && !found {
		err = refusal{relay.ErrNotFound}
	}
	return err
}

// ChangeDevice is part of [relay.Store]. It may call change again, with the device as it is then, if the database fails
// meanwhile.
func (s *Store) ChangeDevice(ctx context.Context, id string, change func(*relay.Device) error) error {
	if !isText(id) {
		return relay.ErrNotFound
	}
	return s.write(ctx, "changing a device", func(t *transaction) error {
		if err := t.lockDevice(id); err != nil {
			return err
		}
		var found []*relay.Device
		if err := t.query(func(r row) error {
			found = store.ScanDevice(r, found)
			return nil
		}, store.SelectDevice, id); err != nil {
			return err
		}
		d := found[0]
		if err := change(d); err != nil {
			return refusal{err}
		}
		t.last.Queue(store.RenewDevice, d.Password, id)
		t.last.Queue(store.DeleteRights, id)
		queueRights(&t.last, d)
		return nil
	})
}

// RemoveDevice is part of [relay.Store].
func (s *Store) RemoveDevice(ctx context.Context, id string) error {
	if !isText(id) {
		return relay.ErrNotFound
	}
	return s.write(ctx, "removing a device", func(t *transaction) error {
		if err := t.lockDevice(id); err != nil {
			return err
		}
		t.last.Queue("DELETE FROM devices WHERE id = $1", id)
		return nil
	})
}

// Device is part of [relay.Store].
func (s *Store) Device(ctx context.Context, id string) (*relay.Device, error) {
	if !isText(id) {
		return nil, relay.ErrNotFound
	}
	found, err := s.devices(ctx, "looking up a device", store.SelectDevice, id)
	if err == nil && len(found) == 0 {
		return nil, relay.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// Devices is part of [relay.Store].
func (s *Store) Devices(ctx context.Context) ([]*relay.Device, error) {
	return s.devices(ctx, "listing devices", store.SelectDevices)
}

func (s *Store) devices(ctx context.Context, doing, text string, args ...any) (found []*relay.Device, err error) {
	err = s.try(ctx, doing, func(ctx context.Context, c *conn) error {
		found = nil
		return c.read(ctx, func(r row) error {
			found = store.ScanDevice(r, found)
			return nil
		}, text, args...)
	})
	return found, err
}
