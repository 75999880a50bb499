// Package exchange holds the rules of talking to a channel of a relay, apart from the way in which requests travel: what
// to ask next when entries are read, what to believe of the answers, how long to pause, and what became of an update whose
// reply is lost. It asks through a [Port]: package remote is one over HTTP.
//
// A relay is a stranger. What it says twice is believed, what it says once may be stale (contract section 15).
//
// [Exchange.Follow] follows a channel from a [Position] on, [Scan] reads it backwards from its newest entry, and
// [Exchange.Post] waits out the channel's interval and settles lost replies. [Watch] says when whoever follows a channel reads
// it, and [Exchange.Take] what of the entries that a relay pushes needs no reading. Nothing here sleeps or starts a goroutine.
//
// Of a reading, reader.go pages by date and bynumber.go asks for what pages do not show; gaps.go says when what is lacking
// is asked for again, claims.go what to make of numbers that the relay only names, and anchor.go whether the channel was
// cleared or an answer is stale. Rows that were visited and may have been others are in suspect.go, several rows of one
// number in twins.go, and fields that were hidden in unread.go.
package exchange

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// MaxNumber bounds what is believed to be a channel's or an entry's number: beyond 2^53 JSON would not carry it.
	MaxNumber = 1 << 53
	// MaxStored bounds what is believed to be the number of an entry of ours: what an archive can keep, and no relay comes
	// near.
	MaxStored = 1<<40 - 1
)

// Port asks the relay for an [Exchange].
type Port interface {
	// Begin tells that the requests with the context that it returns belong to one reading, until end is called. A
	// reading within another one is a part of that.
	Begin(ctx context.Context) (of context.Context, end func())
	// Ask makes one request, in one attempt. Each row that the answer shows goes to row, with the fields that the answer
	// has; the entry may be reused. An error of row ends the request and is returned as it is. Beside any other error the
	// answer says what kind of failure it is.
	Ask(ctx context.Context, r Request, row func(*thingspeak.Entry, thingspeak.FieldSet) error) (Answer, error)
	// Wait returns at a time, or with the context's error before.
	Wait(ctx context.Context, until time.Time) error
}

// What asks for what.
type What int

// The requests that there are.
const (
	// FeedRows asks for rows of the feed, those of Request.Query.
	FeedRows What = iota
	// LastNumber asks for the number of the newest entry: a few bytes.
	LastNumber
	// OneEntry asks for the entry with the number Request.Entry.
	OneEntry
	// Update posts one entry, of Request.Fields and Request.Status.
	Update
	// BulkUpdate posts Request.Rows in one call: their fields and status, under dates in whole seconds, all different, since a relay
	// may want that (contract section 3.3). That it succeeds is a promise of the relay's and no receipt.
	BulkUpdate
)

// Request is one request to the relay.
type Request struct {
	What   What
	Query  Query
	Entry  int64
	Fields thingspeak.Fields
	Status thingspeak.Value
	Rows   []thingspeak.Entry
	// KeepCut has a last row shown that has no line end, though its last value may be cut.
	KeepCut bool
	// Most is how many bytes the answer may have; 0 is no limit. Beyond that it ends with a [*BudgetError].
	Most int64
}

// Query says which rows of a feed are wanted (contract section 7.2). The zero Query is the newest 100.
type Query struct {
	// Results is how many rows at most, the newest of those that the rest allows; 0 stands for 100, and more than 8000
	// count as 8000.
	Results int
	// End limits the time of the rows, itself included, in whole seconds.
	End time.Time
	// FirstID and LastID limit the entry numbers, both included; 0 is no limit. Not every relay knows them: others
	// answer as if they were not there.
	FirstID, LastID int64
}

// Answer is what came of a request.
type Answer struct {
	// Number is that of the newest entry, 0 if the channel is empty, and after an Update that of its entry.
	Number int64
	// Header names the fields that the channel shows.
	Header thingspeak.Header
	// Date is the relay's clock, zero if it does not say. Dates of rows are to be compared with nothing else.
	Date time.Time
	// Rows were shown, Skipped could not be read.
	Rows, Skipped int
	// CutShort tells that the feed ended within a row, as a relay or a file gives it that was interrupted.
	CutShort bool
	// Bytes is how much the relay has sent, also beside an error.
	Bytes int64
	// Failure is what kind of error came.
	Failure Failure
}

// Failure is what an error means for what is asked next.
type Failure struct {
	Kind FailureKind
	// Sent tells that the request may have reached a relay, which may have done what it asks for.
	Sent bool
	// Wait is the pause that the relay asked for, 0 if it named none.
	Wait time.Duration
}

// FailureKind is a kind of error.
type FailureKind int

// The kinds of errors.
const (
	// NoFailure: there was no error, or one that is not the relay's.
	NoFailure FailureKind = iota
	// NoSuchEntry: the channel shows no entry of that number.
	NoSuchEntry
	// Refused: a clear no.
	Refused
	// TooSoon: a clear no, because of too many requests or another update within the interval.
	TooSoon
	// Senseless: an answer that no relay should give.
	Senseless
	// ServerFailed: the relay has a fault, and says so.
	ServerFailed
	// NotReached: there was no connection, or no answer in time.
	NotReached
	// Cut: the connection ended before the answer did.
	Cut
)

// passing reports whether the same request may succeed soon. Silence does not count, since it has taken the whole time-out
// already, and neither does a relay that is not there: whoever follows a channel comes back by himself.
func (f Failure) passing() bool { return f.Kind == TooSoon || f.Kind == ServerFailed || f.Kind == Cut }

// ofOneEntry reports whether the failure says something of the entry that was asked for only, which the relay does not
// show or not in a readable form.
func (f Failure) ofOneEntry() bool {
	return f.Kind == NoSuchEntry || f.Kind == Refused || f.Kind == Senseless
}

// Settings tell which channel is talked about, and how.
type Settings struct {
	// Address is the relay's, and Channel the number of the channel.
	Address string
	Channel int64
	// Budget is how many bytes a reading may bring; 0 means that there is no limit. Beyond it the reading ends with a
	// [*BudgetError].
	Budget int64
	// Interval is the channel's pause between two updates, shared by all who write to it, and BulkInterval that between
	// two bulk calls. 0 means that the relay has none.
	Interval, BulkInterval time.Duration
}

// Exchange is what is remembered of a relay and one channel of it between requests. Its methods may be called from several
// goroutines, as far as its port may; a Scan belongs to one.
type Exchange struct {
	port Port
	set  Settings

	rangeReads atomic.Int32 // what was learnt about reads by range of numbers; rangesUntried and what follows it
	// settled tells that what an earlier process has sent before it ended has come by now, if it comes at all.
	settled atomic.Bool

	mu sync.Mutex // guards what follows
	// nextAsk is when the next entry may be asked for by itself.
	nextAsk time.Time
	// updates and bulk are for updates of our own and for bulk calls.
	updates, bulk pace
	// writers is what SetWriters was given.
	writers func() int
}

// pace is the pause between two calls, as far as we know, and when the last one of ours stops being too recent.
type pace struct {
	pause time.Duration
	next  time.Time
}

// New returns an exchange over a port. It asks nothing yet.
func New(port Port, s Settings) *Exchange {
	return &Exchange{port: port, set: s, updates: pace{pause: s.Interval}, bulk: pace{pause: s.BulkInterval}}
}

// SetPosted tells when an update of ours was last taken, by another exchange: Post keeps the interval after it.
func (x *Exchange) SetPosted(at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if next := at.Add(x.updates.pause); next.After(x.updates.next) {
		x.updates.next = next
	}
}

// SetIntervals tells which pauses the relay grants, for Post and PostBulk to keep from now on.
func (x *Exchange) SetIntervals(post, bulk time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.updates.pause, x.bulk.pause = post, bulk
}

// SetWriters has Post and PostBulk ask, before an update and after a refusal, how many authors have been heard of lately, ourselves included: the
// more they are, the longer the wait. Without it they know of none.
func (x *Exchange) SetWriters(count func() int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.writers = count
}

// reading is what all requests attempt that bring rows.
func (x *Exchange) reading() string { return fmt.Sprintf("reading channel %d", x.set.Channel) }

// requestCost is what a request counts for besides its answer. Without it a relay that answers with next to nothing
// could have us ask for ever.
const requestCost = 1 << 10

// call is the requests of one reading, and what they bring together.
type call struct {
	x      *Exchange
	budget int64 // bytes; none unless above 0
	bytes  int64 // of all answers
	rows   int64 // in them, also those that cannot be read
	cost   int64 // the bytes, and requestCost for each request
	// failure is that of the last request.
	failure Failure
}

// noBudget is the budget of a call that may bring whatever its answers may.
const noBudget = -1

// newCall returns a call of the given budget in bytes; 0 stands for that of the settings.
func (x *Exchange) newCall(budget int64) *call {
	if budget == 0 {
		budget = x.set.Budget
	}
	return &call{x: x, budget: budget}
}

// fits returns how many of n rows, 100 at least, an answer may have so that it comes to its end within the budget, by the rows
// that came so far. An answer that is cut has rows above the cut, and the next call would ask for it once more.
func (k *call) fits(n int) int {
	if k.budget <= 0 || k.rows == 0 {
		return n
	}
	left := (k.budget - k.cost - requestCost) / 4 * 3 / max(k.bytes/k.rows, 1)
	return int(min(max(left, thingspeak.DefaultResults), int64(n)))
}

// ask makes a request, unless the budget is used up.
func (k *call) ask(
	ctx context.Context, r Request, row func(*thingspeak.Entry, thingspeak.FieldSet) error,
) (Answer, error) {
	if k.budget > 0 && k.cost >= k.budget {
		return Answer{}, &BudgetError{Doing: k.x.reading(), Budget: k.budget}
	}
	k.cost += requestCost
	if k.budget > 0 {
		r.Most = max(k.budget-k.cost, 1)
	}
	a, err := k.x.port.Ask(ctx, r, row)
	k.bytes += a.Bytes
	k.rows += int64(a.Rows + a.Skipped)
	k.cost += a.Bytes
	k.failure = a.Failure
	if spent, ok := errors.AsType[*BudgetError](err); ok {
		spent.Budget = k.budget // the whole, of which the last request had only the rest
	}
	return a, err
}
