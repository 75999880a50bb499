package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// maxRefusals is how many times an update may come too soon before Post gives up.
	maxRefusals = 5
	// maxLost is how many times an update may be lost.
	maxLost = 3
	// minLostReplyWait is the shortest wait before a lost update is looked for: relays show new entries a moment later only.
	minLostReplyWait = 5 * time.Second
	// maxPostRetryAfter is the longest Retry-After that Post waits out; at a longer one it gives up at once.
	maxPostRetryAfter = 10 * time.Minute
)

// Wait tells why Post waits, and for how long.
type Wait struct {
	Reason WaitReason
	For    time.Duration
	// Round counts the refusals or the lost replies so far, from 1; 0 for OwnInterval.
	Round int
	// Writers is for how many the wait leaves room, if that makes it longer: of OwnInterval by an interval that is left to the
	// others, of ChannelBusy up to a random moment. Otherwise it is 0.
	Writers int
}

// WaitReason is why Post waits.
type WaitReason int

// The reasons to wait.
const (
	// OwnInterval: our own last update is too recent.
	OwnInterval WaitReason = iota
	// ChannelBusy: the relay refused the update as too soon, since somebody else has just posted.
	ChannelBusy
	// ReplyLost: it is unknown whether the update was stored, so the channel will be read after this.
	ReplyLost
)

// Post is [Exchange.PostEntry] of an entry that has no status.
func (x *Exchange) Post(ctx context.Context, fields thingspeak.Fields, known int64, progress func(Wait)) (id int64, err error) {
	return x.PostEntry(ctx, &thingspeak.Entry{Fields: fields}, known, progress)
}

// PostEntry posts the fields and the status of one entry and returns its number. It keeps the channel's interval after our own last update, twice that if others
// write as well. An update that comes too soon for the relay is tried five times in all. Where the reply is lost, Post reads
// the channel back to the entry number known, which was its last before the post, for its fields, and posts again only what is not there,
// three times in all. With known below 0, Post asks for that number first. If others post the very same texts, their entry
// passes for ours.
//
// The errors are those of the port for an update that was certainly not stored; a [*BusyError] after five refusals, or one that
// asks for a pause of more than ten minutes; and [*UnknownError] for an update of which it stayed unknown. Progress, if not nil, is told of each wait before it begins.
func (x *Exchange) PostEntry(
	ctx context.Context, e *thingspeak.Entry, known int64, progress func(Wait),
) (id int64, err error) {
	p := poster{x: x, fields: e.Fields, status: e.Status, known: known, progress: progress}
	if err := CheckUpdate(e); err != nil {
		return 0, fmt.Errorf("%s: %w", x.posting(), err)
	}
	if known < 0 {
		if p.known, err = x.newCall(noBudget).lastNumber(ctx); err != nil {
			return 0, err
		}
	}
	if err = p.await(ctx, &x.updates); err != nil {
		return 0, err
	}
	id, err = p.post(ctx)
	if err == nil {
		x.posted(&x.updates)
	}
	return id, err
}

// LastNumber returns the number of the channel's newest entry, 0 if it is empty.
func (x *Exchange) LastNumber(ctx context.Context) (int64, error) {
	return x.newCall(noBudget).lastNumber(ctx)
}

// await waits until our own last call is no longer too recent. Whoever posts entry after entry would come at the very moment
// that the channel opens, each time, before all who were refused and come at random: with others about we leave them one
// interval in between.
func (p *poster) await(ctx context.Context, of *pace) error {
	p.x.mu.Lock()
	own, pause, known := time.Until(of.next), of.pause, p.x.writers
	p.x.mu.Unlock()
	if own <= 0 {
		return nil
	}
	w := Wait{Reason: OwnInterval, For: own}
	if of == &p.x.updates && known != nil && pause > 0 {
		if n := known(); n > 1 {
			w.For, w.Writers = own+pause, n
		}
	}
	return p.wait(ctx, w)
}

func (x *Exchange) posted(of *pace) {
	x.mu.Lock()
	defer x.mu.Unlock()
	of.next = time.Now().Add(of.pause)
}

// poster is one call of Post.
type poster struct {
	x        *Exchange
	fields   thingspeak.Fields
	status   thingspeak.Value
	known    int64
	progress func(Wait)

	failure       Failure // of the last request that failed
	refused, lost int
	// sent tells that the relay has had the update, and inDoubt that it was lost at least once, so that it may be stored.
	sent, inDoubt bool
}

// post posts until the update is known to be stored. Once a reply was lost it looks for the update, again and again with a
// pause before each look, until it is found, or a look that worked has not found it: only then it posts again. A look that
// failed counts as lost, too.
func (p *poster) post(ctx context.Context) (int64, error) {
	for {
		a, err := p.x.port.Ask(ctx, Request{What: Update, Fields: p.fields, Status: p.status}, nil)
		if err == nil {
			return a.Number, nil
		}
		p.failed(a.Failure)
		if !p.inDoubt && p.isNoRelay(ctx) {
			return 0, err
		}
		for missing := false; !missing; {
			lost := err
			if err := p.pause(ctx, err); err != nil {
				return 0, p.final(err)
			}
			if !p.inDoubt {
				break
			}
			var found []int64
			found, p.failure, err = p.x.find(ctx, []thingspeak.Fields{p.fields}, p.known)
			switch {
			case err == nil && found[0] > 0:
				return found[0], nil
			case err == nil && p.lost >= maxLost:
				return 0, p.final(lost)
			}
			missing = err == nil
		}
	}
}

// pause waits as the failure of an update, or of looking for it, demands. If there is no use in going on, it returns an
// error instead.
func (p *poster) pause(ctx context.Context, err error) error {
	f := p.failure
	if f.Kind == TooSoon {
		p.refused++
		if p.refused >= maxRefusals || f.Wait > maxPostRetryAfter {
			return &BusyError{Rounds: p.refused, Last: err}
		}
		w := p.x.refusedWait(f.Wait, p.refused)
		w.Reason, w.Round = ChannelBusy, p.refused
		return p.wait(ctx, w)
	}
	away := f.Kind == NotReached || f.Kind == Cut
	if !f.mayBeStored() && !(p.inDoubt && away) {
		return err
	}
	p.inDoubt = true
	if p.lost++; p.lost > maxLost {
		return err
	}
	return p.wait(ctx, Wait{
		Reason: ReplyLost, For: max(p.x.set.Interval, minLostReplyWait, min(f.Wait, maxPostRetryAfter)), Round: p.lost,
	})
}

// mayBeStored reports whether an update that failed like this may have been stored: it was sent, and what came back
// says neither yes nor no.
func (f Failure) mayBeStored() bool {
	switch f.Kind {
	case ServerFailed:
		return true
	case Senseless, NotReached, Cut:
		return f.Sent
	}
	return false
}

// isNoRelay reports whether a senseless answer to an update is no wonder, since other questions get senseless answers
// there as well: a wrong address, or the log-in page of a network. Nobody can have stored anything there.
func (p *poster) isNoRelay(ctx context.Context) bool {
	if p.failure.Kind != Senseless || !p.failure.Sent {
		return false
	}
	a, err := p.x.port.Ask(ctx, Request{What: LastNumber}, nil)
	return err != nil && a.Failure.Kind == Senseless
}

// failed notes how the update failed.
func (p *poster) failed(f Failure) {
	p.failure = f
	p.sent = p.sent || f.Kind != NotReached || f.Sent
}

// final turns the error that ends a post into one that tells what is known: after a lost reply, nothing is.
func (p *poster) final(err error) error {
	if !p.inDoubt && p.sent && errors.Is(err, ErrNotSent) { // the last time
		return &unstoredError{err, true}
	}
	if !p.inDoubt || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &UnknownError{Doing: p.x.posting(), Rounds: min(p.lost, maxLost), Last: err}
}

func (p *poster) wait(ctx context.Context, w Wait) error {
	if p.progress != nil {
		p.progress(w)
	}
	err := p.x.sleep(ctx, w.For)
	switch {
	case err == nil:
		return nil
	case !p.inDoubt: // all that was sent was refused
		return fmt.Errorf("%s: %w", p.x.posting(), &unstoredError{err, p.sent})
	}
	return fmt.Errorf("%s: %w", p.x.posting(), err)
}

// maxWriters is how many writers Post takes into account.
const maxWriters = 8

// refusedWait returns how long to wait after an update came too soon, for which time in a row: as long as the relay says, if
// it does. The channel opens for one writer at a time, so with others about we come at a random moment of as many intervals.
// Where none are known, as in a room of texts, each further refusal stands for twice as many. Without a word of the relay's,
// four waits last an interval at least, after which a channel without other writers is open.
func (x *Exchange) refusedWait(retryAfter time.Duration, refusals int) (w Wait) {
	x.mu.Lock()
	known, interval := x.writers, x.updates.pause
	x.mu.Unlock()
	interval = cmp.Or(interval, thingspeak.DefaultInterval) // a relay that says "too soon" has one
	writers := 1 << (refusals - 1)
	if known != nil {
		writers = max(writers, known())
	}
	writers = min(writers, maxWriters)
	if retryAfter > 0 {
		// All that were refused are told the same moment. Who came back at it would meet the same writers again.
		w.For = retryAfter + rand.N(time.Duration(writers-1)*interval+1)
	} else {
		least := interval / (maxRefusals - 1)
		w.For = least + rand.N(time.Duration(writers)*interval-least+1)
	}
	if writers > 1 {
		w.Writers = writers
	}
	return w
}

// find looks for updates among the entries after the number known, in one reading, and returns their entry numbers, 0
// for those that are not there. An entry is an update if, in the fields that the answer shows, it has all its values and
// no others: a channel may hide some. Where entries are the same, the one with the lowest number counts. Beside an error,
// the failure is that of the last request.
func (x *Exchange) find(ctx context.Context, updates []thingspeak.Fields, known int64) ([]int64, Failure, error) {
	ctx, end := x.port.Begin(ctx)
	defer end()
	found := make([]int64, len(updates))
	left := len(updates)
	wanted := map[thingspeak.FieldSet]map[string][]int{}
	scan := x.Scan()
	visit := func(e *thingspeak.Entry) error {
		if e.ID <= known && scan.last >= known || e.ID > MaxStored { // below what is known the channel was cleared since
			return nil
		}
		shown := scan.r.fields
		if wanted[shown] == nil {
			wanted[shown] = byText(updates, shown)
		}
		for _, i := range wanted[shown][joined(&e.Fields, shown)] {
			if found[i] == 0 {
				left--
			}
			if found[i] == 0 || e.ID < found[i] {
				found[i] = e.ID
			}
		}
		return nil
	}
	for n := min(max(len(updates), 10), thingspeak.MaxResults); ; n = thingspeak.MaxResults {
		more, err := scan.Back(ctx, n, visit)
		switch {
		case err != nil && left > 0:
			return nil, scan.r.failure, err
		case err != nil || !more || scan.last >= known && scan.floor() <= known:
			return found, Failure{}, nil
		case left == 0 && scan.last < known: // cleared since: there is no end to look for lower copies up to
			return found, Failure{}, nil
		}
	}
}

// byText returns the indices of updates by what is shown of them, without those of which nothing is.
func byText(updates []thingspeak.Fields, shown thingspeak.FieldSet) map[string][]int {
	by := make(map[string][]int, len(updates))
	for i := range updates {
		if text := joined(&updates[i], shown); strings.Trim(text, "\x00") != "" {
			by[text] = append(by[text], i)
		}
	}
	return by
}

// joined is what stands in some fields as one text. A value holds no byte 0 that a relay would keep.
func joined(f *thingspeak.Fields, fields thingspeak.FieldSet) string {
	var b strings.Builder
	for n := range fields.All() {
		b.WriteString(f[n-1].Text)
		b.WriteByte(0)
	}
	return b.String()
}

func (x *Exchange) posting() string {
	if x.set.Channel == 0 {
		return "posting"
	}
	return fmt.Sprintf("posting to channel %d", x.set.Channel)
}

// CheckUpdate checks the limits of the service (contract section 3.2), beyond which a relay might cut values silently. The
// error is [ErrTooLong], or the update is empty.
func CheckUpdate(e *thingspeak.Entry) error {
	total, given := 0, false
	check := func(name string, v thingspeak.Value) error {
		given = given || v.Given
		total += len(v.Text)
		if len(v.Text) > thingspeak.MaxValueBytes {
			return fmt.Errorf("%s has %d bytes, at most %d are possible: %w", name, len(v.Text), thingspeak.MaxValueBytes, ErrTooLong)
		}
		return nil
	}
	for i, v := range e.Fields {
		if err := check(fmt.Sprint("field", i+1), v); err != nil {
			return err
		}
	}
	if err := check("status", e.Status); err != nil {
		return err
	}
	if total > thingspeak.MaxMessageBytes {
		return fmt.Errorf("%d bytes, at most %d are possible: %w", total, thingspeak.MaxMessageBytes, ErrTooLong)
	}
	if !given {
		return errors.New("there is nothing in the update")
	}
	return nil
}
