package relay

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxDeviceChannels is how many channels one device may have rights to (contract section 10.1).
const MaxDeviceChannels = 10

// Device is what connects by MQTT: its ID is client ID and user name alike, and it may publish to some channels and
// subscribe to some (contract section 10.1). What the rules return is shared: do not change it.
type Device struct {
	// ID has 23 letters and digits, the most that MQTT 3.1 allows.
	ID string
	// Password is the SHA-256 of the password in hexadecimal digits. The password itself is nowhere: it is random, so a
	// slow hash would protect it no better.
	Password  string
	CreatedAt time.Time
	// Rights are in order of channel.
	Rights []Right
}

// Right is what a device may do with a channel.
type Right struct {
	Channel            int64
	Publish, Subscribe bool
}

// NewDevice returns a device without rights, and its password.
func NewDevice() (d *Device, password string) {
	d = &Device{ID: randomText(23), CreatedAt: time.Now().UTC().Truncate(time.Second)}
	return d, d.Renew()
}

// Renew gives a device another password and returns it: 24 letters and digits, 142 bits.
func (d *Device) Renew() (password string) {
	password = randomText(24)
	d.Password = hashed(password)
	return password
}

// Allow sets what a device may do with a channel; nothing takes the channel away. It fails with ErrFull beyond
// MaxDeviceChannels.
func (d *Device) Allow(r Right) error {
	rights := slices.DeleteFunc(slices.Clone(d.Rights), func(had Right) bool { return had.Channel == r.Channel })
	if r.Publish || r.Subscribe {
		rights = append(rights, r)
	}
	if len(rights) > MaxDeviceChannels {
		return fmt.Errorf("%d channels, at most %d: %w", len(rights), MaxDeviceChannels, ErrFull)
	}
	slices.SortFunc(rights, func(a, b Right) int { return cmp.Compare(a.Channel, b.Channel) })
	d.Rights = rights
	return nil
}

// right returns what a device may do with a channel.
func (d *Device) right(channel int64) Right {
	for _, r := range d.Rights {
		if r.Channel == channel {
			return r
		}
	}
	return Right{Channel: channel}
}

// MaySubscribe reports whether a device may follow a channel.
func (d *Device) MaySubscribe(channel int64) bool { return d.right(channel).Subscribe }

// Device returns the device that a client ID, a user name and a password belong to, or ErrKey if they are not all one
// device's.
func (r *Relay) Device(ctx context.Context, id, username, password string) (*Device, error) {
	if id == "" || id != username {
		return nil, ErrKey
	}
	d, err := r.store.Device(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrKey
	}
	if err != nil {
		return nil, err
	}
	if !sameKey(hashed(password), d.Password) {
		return nil, ErrKey
	}
	return d, nil
}

// Still returns what a device is now. It is ErrKey if it was removed or has another password.
func (r *Relay) Still(ctx context.Context, d *Device) (*Device, error) {
	now, err := r.store.Device(ctx, d.ID)
	if errors.Is(err, ErrNotFound) || err == nil && now.Password != d.Password {
		return nil, ErrKey
	}
	return now, err
}

// StillAll is [Relay.Still] for many devices with one look at the store. Where that is ErrKey stands nil.
func (r *Relay) StillAll(ctx context.Context, devices []*Device) ([]*Device, error) {
	all, err := r.store.Devices(ctx)
	if err != nil {
		return nil, err
	}
	now := make(map[string]*Device, len(all))
	for _, d := range all {
		now[d.ID] = d
	}
	still := make([]*Device, len(devices))
	for i, d := range devices {
		if n := now[d.ID]; n != nil && n.Password == d.Password {
			still[i] = n
		}
	}
	return still, nil
}

// UpdateBy is [Relay.Update] for a device, which needs no key of the channel: what it may do now decides.
func (r *Relay) UpdateBy(ctx context.Context, d *Device, u Update) (Accepted, error) {
	d, err := r.Still(ctx, d)
	if err != nil {
		return Accepted{}, err
	}
	if !d.right(u.Channel).Publish {
		return Accepted{}, ErrKey
	}
	for range 2 {
		v, err := r.view(ctx, u.Channel)
		if err != nil {
			return Accepted{}, hidden(u.Channel, err)
		}
		u.Key = v.State.WriteKey
		accepted, err := r.Update(ctx, u)
		// The channel may have got another key since the view. That happens once.
		if !errors.Is(err, ErrKey) {
			return accepted, err
		}
	}
	return Accepted{}, ErrKey
}

// hashed is what is kept of a password.
func hashed(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// randomText returns n random characters out of A-Z, a-z and 0-9: programs that take MQTT credentials from a command line
// or a URL stumble over the other ones of base64.
func randomText(n int) string {
	text := make([]byte, 0, n)
	for len(text) < n {
		var b [24]byte
		rand.Read(b[:])
		for _, c := range base64.StdEncoding.EncodeToString(b[:]) {
			if c != '+' && c != '/' && len(text) < n {
				text = append(text, byte(c))
			}
		}
	}
	return string(text)
}
