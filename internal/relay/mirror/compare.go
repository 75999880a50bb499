package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// DifferenceError tells in what two stores differ.
type DifferenceError struct {
	// First are the first differences, at most ten; Count is how many there are. Of a channel only the first one is
	// told.
	First []string
	Count int
}

func (e *DifferenceError) Error() string {
	text := "the copy differs: " + strings.Join(e.First, "; ")
	if more := e.Count - len(e.First); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

func (e *DifferenceError) add(format string, args ...any) {
	const most = 10
	if e.Count++; e.Count <= most {
		e.First = append(e.First, fmt.Sprintf(format, args...))
	}
}

// Compare holds everything that two stores keep against each other, and returns how much that is. If they differ the
// error is a *[DifferenceError]. Tell is told how many entries were compared.
func Compare(ctx context.Context, from, to relay.Store, tell func(done, all int64)) (Counts, error) {
	a, err := list(ctx, from)
	if err != nil {
		return Counts{}, err
	}
	b, err := list(ctx, to)
	if err != nil {
		return Counts{}, err
	}
	var found DifferenceError
	compareAccounts(&found, a, b)
	compareDevices(&found, a, b)
	for _, c := range b.channels {
		if a.channel(c.ID) == nil {
			found.add("channel %d is there, and was not before", c.ID)
		}
	}
	done := int64(0)
	for _, c := range a.channels {
		other := b.channel(c.ID)
		if other == nil {
			found.add("channel %d is missing", c.ID)
			continue
		}
		if !sameSettings(c, other) || a.owner(c) != b.owner(other) {
			found.add("channel %d has other settings", c.ID)
			continue
		}
		difference, err := compareEntries(ctx, from, to, c.ID)
		if err != nil {
			return a.Counts, fmt.Errorf("comparing channel %d: %w", c.ID, err)
		}
		if difference != "" {
			found.add("channel %d: %s", c.ID, difference)
		}
		done += c.LastEntryID
		tell(done, a.Entries)
	}
	if found.Count > 0 {
		return a.Counts, &found
	}
	return a.Counts, nil
}

func compareDevices(found *DifferenceError, a, b *listing) {
	for _, d := range a.devices {
		switch other := b.device(d.ID); {
		case other == nil:
			found.add("the device %q is missing", d.ID)
		case !sameDevice(d, other):
			found.add("the device %q has another password or other rights", d.ID)
		}
	}
	for _, d := range b.devices {
		if a.device(d.ID) == nil {
			found.add("the device %q is there, and was not before", d.ID)
		}
	}
}

func sameDevice(a, b *relay.Device) bool {
	return a.Password == b.Password && slices.Equal(a.Rights, b.Rights)
}

func compareAccounts(found *DifferenceError, a, b *listing) {
	for _, account := range a.accounts {
		other, ok := b.account(account.Name)
		switch {
		case !ok:
			found.add("the account %q is missing", account.Name)
		case other.Key != account.Key:
			found.add("the account %q has another key", account.Name)
		case other.ID != relay.LocalAccountID && !other.CreatedAt.Equal(account.CreatedAt):
			found.add("the account %q is of another time", account.Name)
		}
	}
	for _, account := range b.accounts {
		if _, ok := a.account(account.Name); !ok {
			found.add("the account %q is there, and was not before", account.Name)
		}
	}
}

// compareEntries returns the first difference between the entries of a channel, "" if there is none.
func compareEntries(ctx context.Context, from, to relay.Store, channel int64) (difference string, err error) {
	_, a, err := from.Channel(ctx, channel)
	if errors.Is(err, relay.ErrNotFound) {
		return "it was deleted meanwhile", nil
	}
	if err != nil {
		return "", err
	}
	_, b, err := to.Channel(ctx, channel)
	if err != nil {
		return "", err
	}
	if a.Last != b.Last {
		return fmt.Sprintf("%d entries instead of %d", b.Last, a.Last), nil
	}
	// Back is left out: where an earlier version has written it may be a later one than has to be.
	if a.LastOf != b.LastOf || a.Unordered != b.Unordered || !a.Newest.Equal(b.Newest) {
		return "it is in another state", nil
	}
	for first := int64(1); first <= a.Last; first += rowsAtOnce {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		last := min(first+rowsAtOnce-1, a.Last)
		before, err := window(ctx, from, a.Generation, first, last)
		if err != nil {
			return "", err
		}
		after, err := window(ctx, to, b.Generation, first, last)
		if err != nil {
			return "", err
		}
		if int64(len(before)) != last-first+1 {
			return "it was cleared meanwhile, or its data is damaged", nil
		}
		for i := range before {
			if i >= len(after) || !sameEntry(&before[i], &after[i]) {
				return fmt.Sprintf("entry %d is another one", before[i].ID), nil
			}
		}
	}
	return "", nil
}

// sameSettings compares all but the owner, whose number may be another one there, and the entries.
func sameSettings(a, b *relay.Channel) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Description == b.Description &&
		a.Latitude == b.Latitude && a.Longitude == b.Longitude && a.Elevation == b.Elevation &&
		a.Labels == b.Labels && a.Metadata == b.Metadata && a.URL == b.URL && slices.Equal(a.Tags, b.Tags) &&
		a.Public == b.Public && slices.Equal(a.Keys, b.Keys) &&
		a.CreatedAt.Equal(b.CreatedAt) && a.UpdatedAt.Equal(b.UpdatedAt)
}

func sameEntry(a, b *thingspeak.Entry) bool {
	return a.ID == b.ID && a.CreatedAt.Equal(b.CreatedAt) && a.Fields == b.Fields && a.Status == b.Status &&
		a.Latitude == b.Latitude && a.Longitude == b.Longitude && a.Elevation == b.Elevation
}
