package relay

import (
	"context"
	"math"
	"slices"
	"strconv"
)

// Listing chooses among the public channels (contract section 8).
type Listing struct {
	// Owner is the ID of an account, 0 for all.
	Owner int64
	// Tag is one that a channel has, to the letter; empty for any.
	Tag string
	// Near is nil for anywhere.
	Near *Circle
	// Skip and Limit cut a page out of what is left, in order of number.
	Skip, Limit int
}

// Holds reports whether a channel is in the listing, whatever page it is on.
func (l *Listing) Holds(c *Channel) bool {
	return c.Public && (l.Owner == 0 || c.Owner == l.Owner) && (l.Tag == "" || slices.Contains(c.Tags, l.Tag)) &&
		(l.Near == nil || l.Near.holds(c.Latitude, c.Longitude))
}

// Circle is a place and what is around it.
type Circle struct {
	// Latitude and Longitude are in degrees.
	Latitude, Longitude float64
	// Kilometres is the radius.
	Kilometres float64
}

// earthRadius is the mean one, in kilometres.
const earthRadius = 6371.0088

// Haversine is what the haversine of the angle between the middle and a place inside may be at most: with it a store
// can choose by sines and cosines alone.
func (c *Circle) Haversine() float64 {
	half := c.Kilometres / earthRadius / 2
	if half >= math.Pi/2 {
		return math.Inf(1)
	}
	return math.Pow(math.Sin(max(0, half)), 2)
}

// holds reports whether a place, given in decimal degrees, is inside.
func (c *Circle) holds(latitude, longitude string) bool {
	lat, err := strconv.ParseFloat(latitude, 64)
	if err != nil {
		return false
	}
	long, err := strconv.ParseFloat(longitude, 64)
	if err != nil {
		return false
	}
	const radian = math.Pi / 180
	h := math.Pow(math.Sin((lat-c.Latitude)*radian/2), 2) + math.Cos(lat*radian)*math.Cos(c.Latitude*radian)*
		math.Pow(math.Sin((long-c.Longitude)*radian/2), 2)
	return h <= c.Haversine()
}

// PublicChannels returns a page of public channels in order of number, with LastEntryID set, and how many there are on
// all pages.
func (r *Relay) PublicChannels(ctx context.Context, l Listing) (page []*Channel, total int, err error) {
	return r.store.PublicChannels(ctx, l)
}

// AccountByName returns an account by its name, or ErrNotFound.
func (r *Relay) AccountByName(ctx context.Context, name string) (Account, error) {
	all, err := r.store.Accounts(ctx)
	if err != nil {
		return Account{}, err
	}
	for _, a := range all {
		if a.Name == name {
			return a, nil
		}
	}
	return Account{}, ErrNotFound
}

// AccountNames returns the names of all accounts by ID.
func (r *Relay) AccountNames(ctx context.Context) (map[int64]string, error) {
	all, err := r.store.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[int64]string, len(all))
	for _, a := range all {
		names[a.ID] = a.Name
	}
	return names, nil
}
