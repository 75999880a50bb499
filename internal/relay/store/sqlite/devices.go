package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// CreateDevice is part of [relay.Store].
func (s *Store) CreateDevice(_ context.Context, d *relay.Device) error {
	return s.write("creating a device", func(c *sqlite.Conn) error {
		if err := c.Exec(store.InsertDevice, d.ID, d.Password, d.CreatedAt.Unix()); err != nil {
			return err
		}
		return insertRights(c, d)
	})
}

func insertRights(c *sqlite.Conn, d *relay.Device) error {
	for _, r := range d.Rights {
		if err := c.Exec(store.InsertRight, d.ID, r.Channel, r.Publish, r.Subscribe); err != nil {
			return err
		}
	}
	return nil
}

// ChangeDevice is part of [relay.Store].
func (s *Store) ChangeDevice(_ context.Context, id string, change func(*relay.Device) error) error {
	return s.write("changing a device", func(c *sqlite.Conn) error {
		d, err := findDevice(c, id)
		if err != nil {
			return err
		}
		if err := change(d); err != nil {
			return err
		}
		if err := c.Exec(store.RenewDevice, d.Password, id); err != nil {
			return err
		}
		if err := c.Exec(store.DeleteRights, id); err != nil {
			return err
		}
		return insertRights(c, d)
	})
}

// RemoveDevice is part of [relay.Store].
func (s *Store) RemoveDevice(_ context.Context, id string) error {
	return s.write("removing a device", func(c *sqlite.Conn) error {
		return onOneRow(c, "DELETE FROM devices WHERE id = ? RETURNING id", id)
	})
}

// Device is part of [relay.Store].
func (s *Store) Device(ctx context.Context, id string) (d *relay.Device, err error) {
	err = s.read(ctx, "looking up a device", func(c *sqlite.Conn) error {
		d, err = findDevice(c, id)
		return err
	})
	return d, err
}

func findDevice(c *sqlite.Conn, id string) (*relay.Device, error) {
	found, err := scanDevices(c, store.SelectDevice, id)
	if err == nil && len(found) == 0 {
		return nil, relay.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// Devices is part of [relay.Store].
func (s *Store) Devices(ctx context.Context) (all []*relay.Device, err error) {
	err = s.read(ctx, "listing devices", func(c *sqlite.Conn) error {
		all, err = scanDevices(c, store.SelectDevices)
		return err
	})
	return all, err
}

func scanDevices(c *sqlite.Conn, text string, args ...driver.Value) (all []*relay.Device, err error) {
	err = c.Query(text, func(r sqlite.Row) error {
		all = store.ScanDevice(row(r), all)
		return nil
	}, args...)
	return all, err
}
