package exchange

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Via is the way by which entries come.
type Via int

// The ways.
const (
	// Polling: the relay is asked again and again.
	Polling Via = iota
	// Stream: the relay sends events over a connection that stays open.
	Stream
	// MQTT: a broker hands on what it was told. It says nothing of bulk updates.
	MQTT
)

func (v Via) String() string { return [...]string{"polling", "a stream", "MQTT"}[v] }

// viaNames are what settings call the ways.
var viaNames = [...]string{Polling: "polling", Stream: "stream", MQTT: "mqtt"}

// ParseVia reads what settings call a way: polling, stream or mqtt.
func ParseVia(name string) (Via, error) {
	if i := slices.Index(viaNames[:], name); i >= 0 {
		return Via(i), nil
	}
	return 0, fmt.Errorf("%q is none of %s", name, strings.Join(viaNames[:], ", "))
}

// beside is how often the relay is asked while entries come in a way, though that tells of nothing: it may leave out some.
func (v Via) beside() time.Duration {
	if v == MQTT { // bulk updates are found by this alone
		return 30 * time.Second
	}
	return time.Minute
}

const (
	// refusedFor is how long a relay that has answered may refuse to until there is no use in asking again: one that is
	// restarted or stands behind others may do so for a moment.
	refusedFor = time.Minute
	// firstRedial and lastRedial are the pauses until a line that was cut is tried again; each is twice the one before.
	firstRedial = time.Second
	lastRedial  = time.Minute
)

// Watch says when a channel is read that somebody follows, and by which lines entries are to come besides. It asks for nothing
// and waits for nothing: it is told what came, and when.
type Watch struct {
	// Via is by which way entries come now.
	Via Via

	lines []line
	read  time.Time     // when the channel was read last
	pause time.Duration // until it is read again, if entries come by no other way
	soon  bool          // something was pushed that is not known and was not taken, or might have been
	hurry bool          // it is to be read now
	// away tells that the relay does not answer as it should, and answered that it ever did.
	away, answered bool
	refused        time.Time // since when it refuses
}

// line is a way of pushing.
type line struct {
	via    Via
	never  bool // it is not to be had
	opened time.Time
	heard  time.Time // zero while nothing was heard over it
	redial time.Time
	pause  time.Duration
}

// NewWatch returns what says when to read a channel of which entries may be pushed in some ways, the best one first.
func NewWatch(vias ...Via) *Watch {
	w := &Watch{}
	for _, via := range vias {
		w.lines = append(w.lines, line{via: via})
	}
	return w
}

// Turn is what a reading has turned of what is known of the relay.
type Turn struct {
	// Away and Back tell that it does not answer as it should from now on, or does again.
	Away, Back bool
	// Refuses tells of one that is away that it says no. Then it is asked again for a minute only.
	Refuses bool
	// Over tells that there is no use in asking it again.
	Over bool
}

// Answered notes how many entries a reading has brought, or with which failure it has ended, in a channel that is to be read
// so often after activity and while nothing comes. An error that is not the relay's is no failure to be noted.
func (w *Watch) Answered(entries int, f Failure, fastest, slowest time.Duration, now time.Time) (t Turn) {
	failed := f.Kind != NoFailure
	switch w.pause = max(w.pause, fastest); {
	case failed:
		w.pause = min(2*w.pause, slowest)
	case entries > 0 || w.Via != Polling && !w.soon:
		w.pause = fastest
	default:
		w.pause = min(w.pause*3/2, slowest)
	}
	w.read, w.soon, w.hurry = now, false, false
	if !failed {
		t.Back = w.away
		w.away, w.answered, w.refused = false, true, time.Time{}
		return t
	}
	if t.Refuses = f.Kind == Refused || f.Kind == NoSuchEntry; !t.Refuses {
		w.refused = time.Time{}
	} else if w.refused.IsZero() {
		w.refused = now
	}
	t.Over = t.Refuses && (!w.answered || now.Sub(w.refused) >= refusedFor)
	t.Away = !w.away && !t.Over
	w.away = !t.Over
	return t
}

// Hurry has the channel read now.
func (w *Watch) Hurry() { w.hurry = true }

// Missed has the channel read soon, with [Visitor.Look]: what was pushed was not taken. Whoever pushes for nothing gains no
// more readings than by naming numbers.
func (w *Watch) Missed() { w.soon = true }

// Look reports whether the next reading is because of something that was not taken.
func (w *Watch) Look() bool { return w.soon }

// Wants reports whether a line is to be listened to: none that is better is alive, and it is not to be left alone for now.
func (w *Watch) Wants(i int, now time.Time) bool {
	for _, better := range w.lines[:i] {
		if !better.heard.IsZero() {
			return false
		}
	}
	return !w.lines[i].never && !now.Before(w.lines[i].redial)
}

// Opened notes that a line is listened to from now on.
func (w *Watch) Opened(i int, now time.Time) { w.lines[i].opened = now }

// Heard notes a sign of life over a line. After the first one the channel is read: something may have come in between.
func (w *Watch) Heard(i int, now time.Time) {
	w.soon = w.soon || w.lines[i].heard.IsZero()
	w.lines[i].heard = now
	w.choose()
}

// Cut notes that a line is listened to no more: it was cut, nothing was to be had there at all, or a better one is alive.
func (w *Watch) Cut(i int, never bool, now time.Time) {
	l := &w.lines[i]
	w.soon = w.soon || !l.heard.IsZero()
	if l.heard.Sub(l.opened) >= lastRedial {
		l.pause = 0
	}
	l.pause = min(max(2*l.pause, firstRedial), lastRedial)
	l.never, l.heard, l.redial = l.never || never, time.Time{}, now.Add(l.pause)
	w.choose()
}

// NotOffered reports whether the relay has none of the ways of pushing that it was asked for.
func (w *Watch) NotOffered() bool {
	return len(w.lines) > 0 && !slices.ContainsFunc(w.lines, func(l line) bool { return !l.never })
}

func (w *Watch) choose() {
	w.Via = Polling
	for _, l := range w.lines {
		if !l.heard.IsZero() {
			w.Via = l.via
			return
		}
	}
}

// ReadAt returns when the channel is to be read next.
func (w *Watch) ReadAt() time.Time {
	switch {
	case w.hurry:
		return w.read
	case w.Via != Polling && !w.soon && !w.away:
		return w.read.Add(max(w.pause, w.Via.beside()))
	}
	return w.read.Add(w.pause)
}

// RedialAt returns when a line is to be tried again that is wanted then, the zero time if there is none.
func (w *Watch) RedialAt(now time.Time) (at time.Time) {
	for i, l := range w.lines {
		if w.Wants(i, l.redial) && l.redial.After(now) && (at.IsZero() || l.redial.Before(at)) {
			at = l.redial
		}
	}
	return at
}
