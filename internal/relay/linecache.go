package relay

import (
	"context"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// lineBudget is what the cached lines of all channels may take, in bytes.
	lineBudget = 16 << 20
	// lineShare is the most that one feed may take of it; what is larger is read from the store each time.
	lineShare = lineBudget / 2
	// lineSample is how many bytes of lines tell what the rest will take.
	lineSample = 16 << 10
)

// Lines returns the CSV lines of a window in one or two parts, without the header and with dates in UTC, as [Relay.Rows]
// chooses them. The bytes are shared with other readers: do not change them.
//
// The lines of a channel's newest rows are kept, so that a reader who comes again costs one look at the state and the
// encoding of what is new. Lines of one generation never go stale, they only become too few.
func (r *Relay) Lines(ctx context.Context, v *View, w Window, columns thingspeak.Header) (lines [2][]byte, err error) {
	if v.State.Last == 0 {
		return lines, nil // a window up to entry 0 would be one without an end, and show what others have added since
	}
	w = w.within(&r.limits)
	kept := r.lines.get(lineKey{v.State.Channel, columns})
	f := &kept.value
	lines, found, err := f.get(ctx, r, v, w, columns)
	r.lines.account(kept, f.held())
	if err == nil && !found {
		err = r.Rows(ctx, v, w, func(e *thingspeak.Entry) error {
			lines[0] = thingspeak.AppendCSVRow(lines[0], e, columns.Fields, columns.Location, columns.Status, nil)
			return nil
		})
	}
	return lines, err
}

// lineKey names one way to write a channel's feed.
type lineKey struct {
	channel int64
	columns thingspeak.Header
}
