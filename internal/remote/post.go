package remote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// maxRefusals is how many times in a row an update may come too soon.
	maxRefusals = 5
	// maxLost is how many times an update may be lost.
	maxLost = 3
	// minSettle is the shortest wait before a lost update is looked for: relays show new entries a moment later only.
	minSettle = 5 * time.Second
	// maxObeyed is the longest pause that Post waits out when a relay asks for it.
	maxObeyed = 10 * time.Minute
)

// Wait tells why Post waits, and for how long.
type Wait struct {
	Reason WaitReason
	For    time.Duration
	// Round counts the refusals or the lost replies so far, from 1; 0 for OwnInterval.
	Round int
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

// Post posts one entry and returns its number. It keeps the channel's interval after our own last update; waits and
// tries again when the relay says that the update comes too soon, up to five times; and where the reply is lost, reads
// the channel back to the entry number known, which was its last before the post, and posts again only what is not
// there, up to three times. With known below 0, Post asks for that number first. If others post the very same texts,
// their entry passes for ours.
//
// The errors are those of [Client.Update] for an update that was certainly not stored, and [*UnknownError] for one of
// which that stayed unknown. Progress, if not nil, is told of each wait before it begins.
func (c *Client) Post(
	ctx context.Context, fields thingspeak.Fields, known int64, progress func(Wait),
) (id int64, err error) {
	p := poster{c: c, fields: fields, known: known, progress: progress}
	if _, err := updateForm(fields); err != nil {
		return 0, fmt.Errorf("%s: %w", c.posting(), err)
	}
	if known < 0 {
		if p.known, err = c.lastID(ctx); err != nil {
			return 0, err
		}
	}
	id, err = p.post(ctx)
	if err == nil {
		c.mu.Lock()
		c.nextPost = time.Now().Add(c.postInterval)
		c.mu.Unlock()
	}
	return id, err
}

// poster is one call of Post.
type poster struct {
	c        *Client
	fields   thingspeak.Fields
	known    int64
	progress func(Wait)

	refused, lost int
	// inDoubt tells that the update was lost at least once, so that it may be stored.
	inDoubt bool
}

func (p *poster) post(ctx context.Context) (int64, error) {
	p.c.mu.Lock()
	own := time.Until(p.c.nextPost)
	p.c.mu.Unlock()
	if own > 0 {
		if err := p.wait(ctx, Wait{Reason: OwnInterval, For: own}); err != nil {
			return 0, err
		}
	}
	for {
		id, err := p.c.Update(ctx, p.fields)
		if err == nil {
			return id, nil
		}
		if !p.inDoubt && p.isNoRelay(ctx, err) {
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
			id, err = p.lookBack(ctx)
			switch {
			case err == nil && id > 0:
				return id, nil
			case err == nil && p.lost >= maxLost:
				return 0, p.final(lost)
			}
			missing = err == nil
		}
	}
}

// pause waits as the failure of an update, or of looking for it, demands. If there is no use in going on, it returns an
// error instead.
func (p *poster) pause(ctx context.Context, failure error) error {
	if refused, ok := errors.AsType[*RefusedError](failure); ok && refused.Reason == TooSoon {
		p.refused++
		if p.refused >= maxRefusals || refused.Wait > maxObeyed {
			refused.Rounds = p.refused
			return refused
		}
		return p.wait(ctx, Wait{Reason: ChannelBusy, For: p.c.refusedWait(refused.Wait), Round: p.refused})
	}
	if _, away := errors.AsType[*UnreachableError](failure); !mayBeStored(failure) && !(p.inDoubt && away) {
		return failure
	}
	p.inDoubt = true
	if p.lost++; p.lost > maxLost {
		return failure
	}
	asked, _ := passing(failure)
	return p.wait(ctx, Wait{
		Reason: ReplyLost, For: max(p.c.set.Interval, minSettle, min(asked, maxObeyed)), Round: p.lost,
	})
}

// mayBeStored reports whether an update that failed like this may have been stored: it was sent, and what came back
// says neither yes nor no.
func mayBeStored(err error) bool {
	if e, ok := errors.AsType[*UnreachableError](err); ok {
		return e.Sent
	}
	e, ok := errors.AsType[*UnexpectedError](err)
	return ok && (e.Temporary() || e.Status/100 == 2)
}

// isNoRelay reports whether a senseless answer to an update is no wonder, since other questions get senseless answers
// there as well: a wrong address, or the log-in page of a network. Nobody can have stored anything there.
func (p *poster) isNoRelay(ctx context.Context, err error) bool {
	if e, ok := errors.AsType[*UnexpectedError](err); !ok || e.Status/100 != 2 {
		return false
	}
	_, err = p.c.LastID(ctx)
	e, ok := errors.AsType[*UnexpectedError](err)
	return ok && !e.Temporary()
}

// final turns the error that ends a post into one that tells what is known: after a lost reply, nothing is.
func (p *poster) final(err error) error {
	if !p.inDoubt || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &UnknownError{Doing: p.c.posting(), Rounds: min(p.lost, maxLost), Last: err}
}

func (p *poster) wait(ctx context.Context, w Wait) error {
	if p.progress != nil {
		p.progress(w)
	}
	if err := sleep(ctx, w.For); err != nil {
		return fmt.Errorf("%s: %w", p.c.posting(), err)
	}
	return nil
}

// refusedWait returns how long to wait after an update came too soon: as long as the relay says, if it does. The
// channel opens for one writer at a time, so with others about we come at a random moment of as many intervals. Without
// a word of the relay's, four waits last an interval at least, after which a channel without other writers is open.
func (c *Client) refusedWait(retryAfter time.Duration) time.Duration {
	writers := 1
	if c.set.Writers != nil {
		writers = max(c.set.Writers(), 1)
	}
	interval := c.interval()
	if retryAfter > 0 {
		return retryAfter + rand.N(time.Duration(writers-1)*interval+1)
	}
	least := interval / (maxRefusals - 1)
	return least + rand.N(time.Duration(writers)*interval-least+1)
}

// errFound ends a search.
var errFound = errors.New("found")

// lookBack looks for our update among the entries after the one known, and returns its number, 0 if it is not there.
func (p *poster) lookBack(ctx context.Context) (id int64, err error) {
	scan := p.c.Scan()
	// partial are entries that hold our values except for some fields, which the channel may not show.
	type candidate struct {
		id      int64
		lacking thingspeak.FieldSet
	}
	var partial []candidate
	visit := func(e *thingspeak.Entry) error {
		if e.ID <= p.known && scan.last >= p.known || e.ID > maxStored { // below what is known the channel was cleared since
			return nil
		}
		equal, lacking := matchFields(&p.fields, &e.Fields)
		switch {
		case equal && lacking == 0:
			id = e.ID
			return errFound
		case equal:
			partial = append(partial, candidate{e.ID, lacking})
		}
		return nil
	}
	for n := 10; ; n = thingspeak.MaxResults {
		more, err := scan.Back(ctx, n, visit)
		if err == errFound {
			return id, nil
		}
		if err != nil {
			return 0, err
		}
		for _, c := range partial {
			if c.lacking&scan.r.header.Fields == 0 {
				return c.id, nil
			}
		}
		if !more || scan.last >= p.known && scan.floor() <= p.known {
			return 0, nil
		}
	}
}

// matchFields reports whether an entry has the whole text of at least one of our values, and no other text in place of
// any; lacking are the fields in which it has none.
func matchFields(ours, theirs *thingspeak.Fields) (equal bool, lacking thingspeak.FieldSet) {
	for i, v := range ours {
		switch theirs[i].Text {
		case v.Text:
			equal = equal || v.Text != ""
		case "":
			lacking |= thingspeak.FieldsOf(i + 1)
		default:
			if v.Given {
				return false, 0
			}
		}
	}
	return equal, lacking
}

// Find looks for an update of which it is not known whether the relay stored it, among the entries after the number
// known, and returns its entry number, 0 if it is not there. It looks once: an entry may show a moment later only
// (contract section 15, quirk 13), so whoever posts again waits first: see [Client.AwaitSent].
func (c *Client) Find(ctx context.Context, fields thingspeak.Fields, known int64) (int64, error) {
	p := poster{c: c, fields: fields, known: known}
	return p.lookBack(ctx)
}

// AwaitSent waits as long as an update may be on its way whose sender is gone, such as a process that was killed: the
// channel's interval, five seconds at least. Progress, if not nil, is told.
func (c *Client) AwaitSent(ctx context.Context, progress func(Wait)) error {
	p := poster{c: c, progress: progress}
	return p.wait(ctx, Wait{Reason: ReplyLost, For: max(c.set.Interval, minSettle), Round: 1})
}
