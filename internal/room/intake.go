package room

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/model"
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
	// Position returns where reading goes on, to be kept beside what was read, when it is told what to go by; nil leaves
	// the position before.
	Position func(Learnt) ([]byte, error)
	// LastID is the channel's last entry number, 0 if it is not known.
	LastID int64
	// Rewritten are entries that the relay was seen to lack, or to have rewritten. Of one that it has shown again as it was
	// that is taken back.
	Rewritten []int64
	// Twins are entries of which the relay has shown the row that was read before, and another one.
	Twins []int64
	// Doubled are entries that were shown with two contents, and Redated those that were shown with two dates.
	Doubled, Redated []int64
	// Now is the reader's clock; the zero time stands for the present.
	Now time.Time
	// Failed means that the relay could not be read: whoever sends has not read the room.
	Failed bool
}

// Learnt is what a reading says about how to go on.
type Learnt struct {
	// Opened is how many of its tokens were opened that had not come before.
	Opened int
	// Needed are the holes of the view that are to be asked for first.
	Needed []record.Hole
	// Missing means that something was found to be missing: what is suspect, see [Intake.Suspect], is to be read again.
	Missing bool
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
	// clears counts the clears before the entries that are added.
	clears uint32
	// again are entries to be read once more, with a key that has come since.
	again []kept.Range
	// letGo are entries to be read once more, since there is room again for what they hold.
	letGo entrySet
	// known is up to where entries may be read once more because something is missing: what is no token there is not counted.
	known record.Place
	// came are the entries that were added, lacking those of them without tokens that are kept, and back those that were lost
	// and are there again.
	came          entrySet
	lacking, back map[record.Place]bool

	batch   []thingspeak.Entry
	entries int // that were added
	refused int // those of them with a number that no relay gives
	opened  int // tokens that had not come before, of the batches that are kept

	// trying reports whether chains that were left untried may be tried still, see mayTry.
	trying func() bool

	// working is closed when the batch under way is done. Until then what follows belongs to it.
	working chan struct{}
	err     error
	out     model.Arrivals
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
	in := &Intake{c: c, keep: max(keep, 0), state: state, clears: state.Clears}
	in.lacking, in.back = map[record.Place]bool{}, map[record.Place]bool{}
	if err := in.begin(); err != nil {
		return nil, fmt.Errorf("reading the room: %w", err)
	}
	return in, nil
}

// begin notes the keys with which the room is read from now on. What no key has opened is to be read again if there is
// a new one among them.
func (in *Intake) begin() error {
	store, ids := in.c.store, in.c.sortedIDs()
	if !slices.Equal(ids, in.state.Keys) {
		err := in.c.note(func() error {
			state, err := store.State()
			if err != nil {
				return err
			}
			if slices.ContainsFunc(ids, func(id record.KeyID) bool { return !slices.Contains(state.Keys, id) }) {
				if err := in.readAgain(state.Clears); err != nil {
					return err
				}
				if err := in.openUnopened(); err != nil {
					return err
				}
			}
			state.Keys = ids
			in.state = state
			return store.Apply(&kept.Change{State: &state})
		})
		if err != nil {
			return err
		}
		in.clears = in.state.Clears
	}
	again, err := store.Ranges(kept.Again)
	if err != nil {
		return err
	}
	in.again, _ = within(again, in.clears)
	return in.takeUpLetGo()
}

// takeUpLetGo has what the archive has let go of read again, once it may be larger: with the same size it would be let go of again,
// in every reading.
func (in *Intake) takeUpLetGo() error {
	mark, ok, err := in.c.store.Mark(letGoMark)
	if size := in.c.o.ArchiveSize; err != nil || !ok || size > 0 && size <= mark.Message {
		return err
	}
	gone, err := in.c.store.Ranges(kept.LetGo)
	gone, _ = within(gone, in.clears)
	in.letGo = entrySet{all: gone}
	return err
}

// readAgain notes that the entries with tokens that no key opens are to be read again. Those before a clear can be no
// more.
func (in *Intake) readAgain(clears uint32) error {
	foreign, err := in.c.store.Ranges(kept.Foreign)
	if err != nil {
		return err
	}
	foreign, in.out.TooLate = within(foreign, clears)
	return in.c.store.Apply(&kept.Change{Ranges: map[int][]kept.Range{kept.Foreign: foreign, kept.Again: foreign}})
}

// Position returns what the reading before was finished with: where to go on.
func (in *Intake) Position() []byte { return in.state.Position }

// EntryRange is the entries from First to Last.
type EntryRange struct{ First, Last int64 }

// Again returns the entries of which a key that has come since they were read may open more, or for which there is room again:
// they are to be read once more, and are returned until they were.
func (in *Intake) Again() (all []EntryRange) {
	for _, r := range slices.Concat(in.again, in.letGo.all) {
		all = append(all, EntryRange{r.First.Entry, r.Last.Entry})
	}
	return all
}

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
	in.came = entrySet{}
	clear(in.lacking)
	clear(in.back)
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
		first, last, err := in.c.span(state.Clears)
		if err != nil {
			return err
		}
		if first.Entry > 0 {
			told = []record.Finding{lost(record.Cleared, first, last.Entry)}
		}
		if state.Clears == kept.MaxClear {
			return errors.New("the channel was cleared too often")
		}
		state.Clears++
		state.Position = nil
		state.Full = kept.Full{} // what comes from here on is not what there was no room for
		in.clears = state.Clears
		return in.c.store.Apply(&kept.Change{
			State: &state, Learnt: &record.Change{Told: told}, Ranges: map[int][]kept.Range{kept.Copied: nil},
		})
	})
	if err != nil {
		return fmt.Errorf("noting that the channel was cleared: %w", err)
	}
	tell(&in.out, told)
	return nil
}

// span returns the lowest and the highest entry kept with this number of clears before it; zero if there is none.
func (c *Conversation) span(clears uint32) (first, last record.Place, err error) {
	q := kept.EntryQuery{
		First: record.Place{Clear: clears}, Last: record.Place{Clear: clears, Entry: kept.MaxEntry}, Limit: 1,
	}
	err = c.store.Entries(q, func(e kept.Entry) error {
		first = e.At
		return nil
	})
	if q.Newest = true; err != nil {
		return first, last, err
	}
	err = c.store.Entries(q, func(e kept.Entry) error {
		last = e.At
		return nil
	})
	return first, last, err
}

// Finish ends the reading: what is left is opened, judged by all that was read, and kept with the facts.
func (in *Intake) Finish(facts Facts) (model.Arrivals, error) {
	if facts.Now.IsZero() {
		facts.Now = time.Now()
	}
	err := in.wait()
	if err == nil {
		err = in.take(in.batch, &facts)
	}
	in.out.Entries, in.out.Refused = in.entries, in.out.Refused+in.refused
	c := in.c
	if _, full := errors.AsType[*model.FullError](err); facts.Failed || err != nil && !full { // whose archive is full may send all the same
		return in.out, err
	}
	c.read = true
	c.newest = record.Place{Clear: in.clears, Entry: min(max(facts.LastID, 0), kept.MaxEntry)}
	return in.out, err
}

// take reads a batch of entries; with facts it is the last one.
func (in *Intake) take(entries []thingspeak.Entry, facts *Facts) error {
	if facts == nil && len(entries) == 0 {
		return nil
	}
	b := batch{in: in, pages: pagesOf(entries, in.clears, in.c.o.Texts)}
	err := b.prepare()
	if err == nil {
		err = b.keep(facts)
	}
	if err != nil {
		return fmt.Errorf("reading the room: %w", err)
	}
	b.compareRows(in.lacking)
	b.comeBack(in.back)
	for i := range b.pages {
		in.came.add(b.pages[i].at)
	}
	return nil
}

// pagesOf returns entries in order, with their status or without. Of a number that the relay has given twice all rows are one entry.
func pagesOf(entries []thingspeak.Entry, clears uint32, status bool) []page {
	pages := make([]page, len(entries))
	parallel(len(entries), func(i int) { pages[i].read(&entries[i], clears, status) })
	slices.SortStableFunc(pages, func(a, b page) int { return a.at.Compare(b.at) })
	merged := pages[:0]
	for i := 0; i < len(pages); {
		p := pages[i]
		var others [][]byte
		for i++; i < len(pages) && pages[i].at == p.at; i++ {
			others = append(others, pages[i].tokens)
			p.damaged = p.damaged || pages[i].damaged
			p.disguise = cmp.Or(p.disguise, pages[i].disguise)
			p.content = p.content || pages[i].content
			p.dates = p.dates || !pages[i].posted.Equal(p.posted)
		}
		if len(others) > 0 {
			p.tokens = addTokens(p.tokens, others...)
		}
		merged = append(merged, p)
	}
	return merged
}
