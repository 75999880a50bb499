package store

import "github.com/fernpost/fernpost/internal/relay"

const selectDevices = `SELECT d.id, d.password, d.created_s,
	coalesce(r.channel, 0), coalesce(r.publish, FALSE), coalesce(r.subscribe, FALSE)
	FROM devices AS d LEFT JOIN device_rights AS r ON r.device = d.id`

// Statements for devices. InsertDevice and InsertRight take the values in the order in which they name them.
const (
	SelectDevice  = selectDevices + " WHERE d.id = $1 ORDER BY r.channel"
	SelectDevices = selectDevices + " ORDER BY d.id, r.channel"
	InsertDevice  = "INSERT INTO devices (id, password, created_s) VALUES ($1, $2, $3)"
	RenewDevice   = "UPDATE devices SET password = $1 WHERE id = $2"
	DeleteRights  = "DELETE FROM device_rights WHERE device = $1"
	InsertRight   = "INSERT INTO device_rights (device, channel, publish, subscribe) VALUES ($1, $2, $3, $4)"
)

// ScanDevice reads a row of devices, of which there is one for each right, in order of device.
func ScanDevice[R Row](r R, all []*relay.Device) []*relay.Device {
	if len(all) == 0 || all[len(all)-1].ID != r.Text(0) {
		all = append(all, &relay.Device{ID: r.Text(0), Password: r.Text(1), CreatedAt: seconds(r.Number(2))})
	}
	if channel := r.Number(3); channel != 0 {
		d := all[len(all)-1]
		d.Rights = append(d.Rights, relay.Right{Channel: channel, Publish: r.Truth(4), Subscribe: r.Truth(5)})
	}
	return all
}
