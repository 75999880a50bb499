package room

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// ErrReadElsewhere means that another process has noticed meanwhile that the channel was cleared. What was read before
// is kept; the rest is to be read again, from the position that the archive has now.
var ErrReadElsewhere = errors.New("another process has read the room meanwhile")

// Facts are what a reader of the feed knows once it has read as far as it wants.
type Facts struct {
	// View tells what is lacking. Numbers that were given up belong among its holes.
	View record.View
	// Position is where reading goes on, to be kept beside what was read; nil leaves the one before.
	Position []byte
	// LastID is the channel's last entry number, 0 if it is not known.
	LastID int64
	// Rewritten are entries that the relay was seen to lack, or to have rewritten.
	Rewritten []int64
	// Now is the reader's clock; the zero time stands for the present.
	Now time.Time
}

// Arrivals are what a reading has brought. All of it is kept already.
type Arrivals struct {
	// Items are the newest of the messages that came, as many as were asked for, by place; Fresh is how many came. How far
	// those of our own have come only [Conversation.History] tells.
	Items []Item
	Fresh int
	// Told are new findings, TakenBack findings that were told and turned out otherwise, and Waiting what may be missing
	// but may still come. Of more than 10,000 told only the first are here.
	Told, TakenBack, Waiting []record.Finding
	// Receipts say who has seen messages of our own.
	Receipts []record.Receipt
	// Findings counts rows and what is no message. Rows that were known before count as entries only.
	Findings
	// LeftOver and Refused count cells that belong to no record, see [record.Result].
	LeftOver, Refused int
	// Elsewhere are the numbers of records of our own key that this archive has not written: there is a copy of it, or
	// this is an old one.
	Elsewhere []uint32
}

// maxFindings bounds the findings that are handed out at a time.
const maxFindings = 10_000

// entriesAtOnce is how many entries are read in one transaction: enough to keep all processors busy.
const entriesAtOnce = 4096

// Intake is one reading of the feed: entries are added in any order, and Finish says what came of them. While entries
// come in, those before them are opened, judged and kept in the background; from the first one until Finish, which must
// be called then, the Conversation must not be used.
type Intake struct {
	c     *Conversation
	keep  int
	state kept.State // as it was when the reading began
	// ids are those of the keys that there were when the reading began.
	ids []record.KeyID
	// clears counts the clears before the entries that are added.
	clears uint32

	batch   []thingspeak.Entry
	entries int // that were added
	refused int // those of them with a number that no relay gives

	// working is closed when the batch under way is done. Until then what follows belongs to it.
	working chan struct{}
	err     error
	out     Arrivals
}

// Receive begins a reading. Of the messages that come the newest are handed out, as many as keep says.
func (c *Conversation) Receive(keep int) (*Intake, error) {
	if err := c.renewKeys(); err != nil {
		return nil, fmt.Errorf("reading the room: %w", err)
	}
	state, err := c.store.State()
	if err != nil {
		return nil, fmt.Errorf("reading the room: %w", err)
	}
	return &Intake{c: c, keep: max(keep, 0), state: state, ids: c.sortedIDs(), clears: state.Clears}, nil
}

// Position returns what the reading before was finished with: where to go on.
func (in *Intake) Position() []byte { return in.state.Position }

// Add hands in an entry. The error is one of a batch before: the reading is to be ended with Finish.
func (in *Intake) Add(e *thingspeak.Entry) error {
	in.entries++
	if e.ID < 1 || e.ID > kept.MaxEntry {
		in.refused++
		return nil
	}
	in.batch = append(in.batch, *e)
	if len(in.batch) < entriesAtOnce {
		return nil
	}
	if err := in.wait(); err != nil {
		return err
	}
	batch := in.batch
	in.batch = make([]thingspeak.Entry, 0, entriesAtOnce)
	done := make(chan struct{})
	in.working = done
	go func() {
		defer close(done)
		in.err = in.take(batch, nil)
	}()
	return nil
}

// wait waits for the batch that is under way.
func (in *Intake) wait() error {
	if in.working != nil {
		<-in.working
		in.working = nil
	}
	return in.err
}

// Cleared tells that the channel was cleared: what is added from here on comes after all that was read before, and its
// numbers have begun anew.
func (in *Intake) Cleared() error {
	if err := in.wait(); err != nil {
		return err
	}
	in.err = in.take(in.batch, nil)
	in.batch = nil
	if in.err == nil {
		in.err = in.clear()
	}
	return in.err
}

// clear notes the clear, unless another process has done so since the reading began.
func (in *Intake) clear() error {
	var told []record.Finding
	err := in.c.transact(func() error {
		state, err := in.c.store.State()
		if err != nil {
			return err
		}
		if state.Clears != in.clears {
			in.clears = state.Clears
			return nil
		}
		first, last, err := in.c.store.Span(state.Clears)
		if err != nil {
			return err
		}
		if first.Entry > 0 {
			told = []record.Finding{wiped(first, last.Entry)}
		}
		if state.Clears == kept.MaxClear {
			return errors.New("the channel was cleared too often")
		}
		state.Clears++
		state.Position = nil
		in.clears = state.Clears
		if err := in.c.store.Apply(&record.Change{Told: told}); err != nil {
			return err
		}
		return in.c.store.SetState(state)
	})
	if err != nil {
		return fmt.Errorf("noting that the channel was cleared: %w", err)
	}
	in.out.tell(told)
	return nil
}

// Finish ends the reading: what is left is opened, judged by all that was read, and kept with the facts.
func (in *Intake) Finish(facts Facts) (Arrivals, error) {
	if facts.Now.IsZero() {
		facts.Now = time.Now()
	}
	err := in.wait()
	if err == nil {
		err = in.reopen()
	}
	if err == nil {
		err = in.take(in.batch, &facts)
	}
	in.out.Entries, in.out.Refused = in.entries, in.out.Refused+in.refused
	if err != nil {
		return in.out, err
	}
	c := in.c
	c.read = true
	c.newest = record.Place{Clear: in.clears, Entry: min(max(facts.LastID, 0), kept.MaxEntry)}
	return in.out, nil
}

// reopen reads what was kept unopened, if a key has come since.
func (in *Intake) reopen() error {
	c := in.c
	if len(in.state.Keys) == 0 || !slices.ContainsFunc(in.ids, func(id record.KeyID) bool {
		return !slices.Contains(in.state.Keys, id)
	}) {
		return nil
	}
	at := record.Place{}
	for {
		var pages []*page
		err := c.store.Unopened(at, entriesAtOnce, func(e kept.Entry) error {
			at = e.At
			pages = append(pages, &page{at: e.At, posted: e.Posted, tokens: e.Tokens})
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading with a new key: %w", err)
		}
		if len(pages) == 0 {
			return nil
		}
		c.openAll(pages)
		b := batch{in: in, again: pages}
		if err := b.keep(nil); err != nil {
			return fmt.Errorf("reading with a new key: %w", err)
		}
	}
}

// take reads a batch of entries; with facts it is the last one.
func (in *Intake) take(entries []thingspeak.Entry, facts *Facts) error {
	pages := make([]page, len(entries))
	parallel(len(entries), func(i int) { pages[i].read(&entries[i], in.clears) })
	slices.SortStableFunc(pages, func(a, b page) int { return a.at.Compare(b.at) })
	pages = slices.CompactFunc(pages, func(a, b page) bool { return a.at == b.at })

	b := batch{in: in}
	if err := b.compare(pages); err != nil {
		return fmt.Errorf("reading the room: %w", err)
	}
	in.c.openAll(b.fresh)
	for i := range b.changed {
		in.c.opener.open(b.changed[i].now)
	}
	if err := b.keep(facts); err != nil {
		return fmt.Errorf("reading the room: %w", err)
	}
	return nil
}
