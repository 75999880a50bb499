package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/fernpost/fernpost/internal/attachment"
	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// recvMark is the name under which the archive remembers which findings recv has shown.
	recvMark = "recv"
	// lateMark is the name under which it remembers up to where recv has looked for messages that came late.
	lateMark = "recv late"
)

// recvRoom prints the newest messages of a room.
func (a *app) recvRoom(ctx context.Context, r model.Room, o recvOptions) (err error) {
	defer func() { err = inRoom(err, r.Name) }()
	c, err := a.openConversation(r)
	if err != nil {
		return err
	}
	defer c.Close()
	c.strict = o.strict
	arrivals, readErr := c.Read(ctx)
	if o.all && readErr == nil { // after what is new, which no watch is to miss
		arrivals, readErr, err = c.readWhole(ctx, arrivals)
	}
	if err != nil {
		return err
	}
	news, _ := c.News()
	c.lacking, c.last = news.Position.Gaps, news.Position.Last
	// What a reading that goes on brings next is older and not late.
	late := lateOnes{c: c, whole: readErr == nil && c.cut() == ""}
	shown, aged, err := c.printHistory(c, o, late.print)
	if err == nil {
		err = late.keep()
	}
	if err != nil {
		return err
	}
	c.tellAll(item.OfCounts(aged), o.asJSON)
	if err := c.tellFound(&arrivals, readErr == nil && c.cut() == "", &o); err != nil {
		return err
	}
	c.tellWaiting(arrivals.Waiting, o.asJSON)
	c.tellAll(messenger.OfArrivals(&arrivals), o.asJSON)
	if err := c.sayLeftBehind(&arrivals, shown); err != nil {
		return err
	}
	c.tellRelay(&news, &arrivals, c.cut(), o.asJSON)
	if o.strict || o.newest == 0 || shown < o.newest {
		c.tellAll(messenger.OfPassed(c.Passed()), o.asJSON)
	}
	if readErr == nil && c.cut() != "" {
		readErr = partlyError{errors.New("not all of the room was read")}
	}
	if readErr != nil {
		return a.recvEnded(readErr, shown, o.strict)
	}
	return c.endRecv(&news, shown, aged, o.strict)
}

// tellFound tells what was found out besides messages; whole tells that all was read.
func (c *conversation) tellFound(arrivals *model.Arrivals, whole bool, o *recvOptions) error {
	if err := c.printNewFindings(recvMark, o.asJSON); err != nil {
		return err
	}
	if err := c.tellElsewhere(o.asJSON); err != nil {
		return err
	}
	if err := c.tellKeyGone(o.strict, o.asJSON); err != nil || !o.strict {
		return err
	}
	return c.tellStrictly(arrivals, whole, o.asJSON)
}

// tellStrictly tells what only whoever asks for a verdict is told; whole tells that all was read.
func (c *conversation) tellStrictly(arrivals *model.Arrivals, whole, asJSON bool) error {
	if err := c.tellStanding(asJSON); err != nil {
		return err
	}
	if err := c.tellNotCleared(asJSON); err != nil {
		return err
	}
	c.tellLacking(asJSON)
	if err := c.tellUnopened(arrivals, asJSON); err != nil {
		return err
	}
	return c.tellNotReadBack(whole, asJSON)
}

// recvEnded is what a reading comes to that did not reach the end.
func (a *app) recvEnded(err error, shown int, strict bool) error {
	if shown > 0 {
		err = partlyError{fmt.Errorf("what stands above is what this device has kept; %w", err)}
	}
	if wrong, _, _ := a.verdict.Counts(); strict && wrong > 0 {
		err = errors.Join(judged(&a.verdict), err)
	}
	return err
}

// endRecv is what a reading comes to that did.
func (c *conversation) endRecv(news *exchange.News, shown int, aged model.Findings, strict bool) error {
	unopened, err := c.HasUnopened()
	if err != nil {
		return err
	}
	if shown == 0 && unopened && news.Doubtful { // or it would be called a wrong passphrase
		return partlyError{errors.New("nothing opens of what was read before, and what the relay shows now is not read yet: run it again in a minute")}
	}
	if shown += c.LeftOut() + aged.Expired + aged.Future; shown == 0 && !unopened {
		c.say("no messages yet")
	}
	return c.concludeRecv(c.Settings(), shown, unopened, strict)
}

// readWhole reads what of a room of texts was passed over. A watch that has printed all that had come before does not
// print what is older.
func (c *conversation) readWhole(ctx context.Context, before model.Arrivals) (arrivals model.Arrivals, readErr, err error) {
	now, err := c.Now()
	if err != nil {
		return before, nil, err
	}
	mark, ok, err := c.Shown(watchMark)
	if err != nil {
		return before, nil, err
	}
	c.ReadWhole()
	arrivals, readErr = c.Read(ctx)
	arrivals.AddCounts(&before)
	if ok && mark == now {
		if now, err = c.Now(); err == nil {
			err = c.SetShown(watchMark, now)
		}
	}
	return arrivals, readErr, err
}

// tellRelay tells what a reading found out about the relay, and what waits.
func (c *conversation) tellRelay(news *exchange.News, arrivals *model.Arrivals, stopped string, asJSON bool) {
	c.lacking = news.Position.Gaps
	c.last = news.Position.Last
	waiting := len(arrivals.Waiting)
	since := record.WaitingAfter
	if c.strict {
		since = 0 // a verdict says what it is about
	}
	if !c.Signed() { // nothing else shows that entries are lacking
		c.tellLost(news.Lost, asJSON)
	}
	if !c.Signed() || c.strict {
		for i := range news.Position.Gaps {
			if !news.Position.Gaps[i].Asked() {
				waiting++
			}
		}
	}
	c.relay.tell(c.app, c.Passing(news, arrivals, stopped, since), waiting, asJSON)
}

// recvCSV reads a downloaded feed afresh, and keeps nothing.
func (a *app) recvCSV(ctx context.Context, r model.Room, o recvOptions) error {
	// A short life with much short-lived memory: collecting less often saves a fifth of the time for 8,000 messages and
	// costs 10 MB at most.
	debug.SetGCPercent(400)
	var end feedEnd
	done := func() {}
	talk, readErr := a.engine().ReadFile(r, func(visit func(*thingspeak.Entry) error) (_ channel.End, err error) {
		end, err = a.readCSV(ctx, o.csv, visit)
		done = a.computing(func() string { return "working on what was read" })
		return end.End, err
	})
	done()
	if _, ok := errors.AsType[*messenger.UnfinishedError](readErr); readErr != nil && !ok {
		return readErr
	}
	arrivals := &talk.Arrivals
	shown, aged, err := a.printHistory(&talk, o, nil)
	if err != nil {
		return err
	}
	a.tellAll(item.OfCounts(aged), o.asJSON)
	lines := findings{a: a, asJSON: o.asJSON}
	for i := range arrivals.Told {
		lines.tell(&arrivals.Told[i], false)
	}
	lines.end()
	a.tellWaiting(arrivals.Waiting, o.asJSON)
	new(relayTeller).tell(a, messenger.Untried(arrivals), len(arrivals.Waiting), o.asJSON)
	a.tellAll(messenger.OfArrivals(arrivals), o.asJSON)
	a.tellNotShown(&talk.Feed, end.file, true, o.asJSON)
	a.tellUnread(r, &end, o.asJSON)
	if readErr != nil && shown > 0 {
		return partlyError{readErr}
	}
	if readErr != nil {
		return readErr
	}
	if end.Rows == 0 && end.Skipped > 0 {
		return end.incomplete()
	}
	if shown += aged.Expired + aged.Future; shown == 0 && arrivals.NotOurs == 0 {
		a.sayNoMessages(arrivals.Entries, &end)
	}
	if err := a.concludeRecv(r, shown, arrivals.NotOurs > 0, o.strict); err != nil {
		return err
	}
	return end.incomplete()
}

// shower prints messages and remembers which.
type shower struct {
	*app

	o       recvOptions
	table   *table // nil unless one is wanted
	out     *bufio.Writer
	files   *attachment.Dir // nil if none are to be saved
	line    []byte
	printed model.Printed
	// shown and hidden count messages, hidden those that nobody has signed.
	shown, hidden int
}

func (a *app) newShower(o recvOptions) (*shower, error) {
	s := &shower{app: a, o: o, out: bufio.NewWriterSize(a.stdout, 64<<10)}
	var err error
	if o.save != "" {
		s.files, err = attachment.OpenDir(o.save)
	}
	if err == nil && o.asTable {
		s.table, err = a.newTable(s.out)
	}
	return s, err
}

func (s *shower) close() {
	if s.files != nil {
		s.files.Close()
	}
}

// show prints a message, unless that is for nobody.
func (s *shower) show(it *model.Item) error {
	if !s.o.policy.shows(it) {
		if it.Unsigned != nil {
			s.hidden++
		}
		return nil
	}
	s.shown++
	s.printed.Add(it)
	s.moveShown = s.moveShown || it.Notice != ""
	var saved string
	var failed error
	if s.files != nil && it.Record != nil {
		if f, ok := it.Record.Body.(record.File); ok {
			if saved, _, failed = s.files.Save(f); failed != nil {
				saved = ""
				s.unsaved++
			}
		}
	}
	if s.table != nil {
		return s.table.add(it)
	}
	if s.o.asJSON {
		return errors.Join(writeJSON(s.out, jsonOf(it, saved, s.o.numbers)), tellUnsaved(s.out, it, failed))
	}
	s.line = s.appendItem(s.line[:0], it, s.o.policy, fateOf(saved, failed))
	_, err := s.out.Write(s.line)
	return err
}

// talk is what a room, or a file, has of messages.
type talk interface {
	History(newest int, visit func(*model.Item) error) error
	SetPrinted(model.Printed) error
}

// lateOnes are messages that came late, and stand in front of the newest.
type lateOnes struct {
	c     *conversation
	whole bool // all of the room was read
	left  int  // that were not printed
	shown func() error
}

// print prints those that stand below the first of the newest messages, which is printed next: at most as many as of
// those.
func (l *lateOnes) print(o recvOptions, first record.Spot, show func(*model.Item) error) (err error) {
	if !l.whole {
		return nil
	}
	limit := messenger.AgeLimit{TTL: o.ttl, Now: time.Now()}
	l.left, l.shown, err = l.c.Late(lateMark, first, o.newest, func(it *model.Item) error {
		if expired, future := limit.Hides(it.Sealed); o.ttl > 0 && (expired || future) {
			return nil
		}
		return show(it)
	})
	return err
}

// keep remembers that they were printed.
func (l *lateOnes) keep() error {
	if l.left > 0 {
		l.c.say("%s", l.c.style.warn(count(l.left, "more message")+" came late: the next \"fernpost recv\" prints some of them, -n 0 prints all"))
	}
	if l.shown == nil {
		return nil
	}
	return l.shown()
}

// printHistory prints the newest messages that are kept and returns how many, and what --ttl has hidden. Unless it is
// nil, late prints what is to stand in front of the first of them.
func (a *app) printHistory(
	talk talk, o recvOptions, late func(recvOptions, record.Spot, func(*model.Item) error) error,
) (shown int, aged model.Findings, err error) {
	s, err := a.newShower(o)
	if err != nil {
		return 0, aged, err
	}
	defer s.close()
	done := a.computing(func() string { return "reading what this device holds" })
	defer done()
	show := func(it *model.Item) error {
		if a.stdoutTerminal {
			done() // what is printed would stand behind it
		}
		if before := late; before != nil {
			late = nil
			if err := before(o, it.At, s.show); err != nil {
				return err
			}
		}
		return s.show(it)
	}
	if o.ttl == 0 {
		err = talk.History(o.newest, show)
	} else {
		var young []model.Item
		young, aged, err = youngest(talk, o)
		for i := 0; i < len(young) && err == nil; i++ {
			err = show(&young[i])
		}
	}
	if err := errors.Join(err, s.out.Flush()); err != nil {
		return s.shown, aged, err
	}
	if err := talk.SetPrinted(s.printed); err != nil {
		return s.shown, aged, err
	}
	if s.hidden > 0 {
		a.say("%s", a.style.warn(count(s.hidden, "unsigned message")+" hidden (--unsigned balanced shows them)"))
	}
	return s.shown, aged, nil
}

// youngest returns the newest messages of those that --ttl does not hide, and counts those that it does.
func youngest(talk talk, o recvOptions) (young []model.Item, aged model.Findings, err error) {
	limit := messenger.AgeLimit{TTL: o.ttl, Now: time.Now()}
	err = talk.History(0, func(it *model.Item) error {
		switch expired, future := limit.Hides(it.Sealed); {
		case expired:
			aged.Expired++
		case future:
			aged.Future++
		default:
			young = append(young, *it)
		}
		return nil
	})
	if n := len(young) - o.newest; o.newest > 0 && n > 0 {
		young = young[n:]
	}
	return young, aged, err
}

// fateOf says in words what became of a file, nothing if it was not to be saved.
func fateOf(saved string, failed error) string {
	switch {
	case failed != nil:
		return "not saved: " + failed.Error()
	case saved != "":
		return "saved as " + saved
	}
	return ""
}

// tellUnsaved tells programs why the file of a message was not saved, if it was not.
func tellUnsaved(out io.Writer, it *model.Item, failed error) error {
	if failed == nil {
		return nil
	}
	m := it.Record
	return writeJSON(out, findingJSON{
		Finding: "not saved", Text: failed.Error(), Author: &m.Name, Key: &m.Author, Number: &m.Number, Entry: known(it.At.Entry),
	})
}

// printNewFindings prints the findings that came since they were printed last under this name, whichever command has
// read them, and remembers it.
func (c *conversation) printNewFindings(name string, asJSON bool) error {
	lines := findings{a: c.app, asJSON: asJSON}
	shown, err := c.NewFindings(name, func(f messenger.Found) error {
		lines.tell(&f.Finding, f.TakenBack)
		return c.unprinted
	})
	lines.end()
	if err = cmp.Or(err, c.unprinted); err != nil {
		return err
	}
	return shown()
}

// tellElsewhere tells what of our own key was not written here, unless it was told before, whichever command has read
// it.
func (c *conversation) tellElsewhere(asJSON bool) error {
	found, told, err := c.FreshElsewhere()
	if err != nil || len(found) == 0 {
		return err
	}
	if c.tellAll(found, asJSON); c.unprinted != nil {
		return c.unprinted
	}
	return told()
}

// tellKeyGone tells of messages that are kept and cannot be shown, since a key is gone: if some of those that were to
// be shown are among them, or in any case.
func (c *conversation) tellKeyGone(anyCase, asJSON bool) error {
	if !anyCase && c.LeftOut() == 0 {
		return nil
	}
	gone, err := c.KeyGone()
	if err == nil && gone.Messages > 0 {
		c.tell(keyGoneJSON(gone, c.Settings().Name), asJSON)
	}
	return err
}

func keyGoneJSON(gone model.Unchecked, name string) findingJSON {
	where := "in "
	if gone.First < gone.Last {
		where = "among "
	}
	return findingJSON{
		Finding: "key gone", Count: &gone.Messages, Entry: &gone.First, LastEntry: &gone.Last,
		Text: fmt.Sprintf("%s that this device has read (%s%s) %s sealed with a key that is not here any more: "+
			"\"fernpost key add --room %s\" adds it, out of its passphrase", count(gone.Messages, "message"),
			where, record.Entries(gone.First, gone.Last), isOrAre(gone.Messages), name),
	}
}

// tellStanding counts what this command has not told and still stands: a verdict is on all that is wrong.
func (c *conversation) tellStanding(asJSON bool) error {
	all, _, err := c.Standing()
	if err != nil {
		return err
	}
	untold := c.verdict.Untold(all)
	n := len(untold)
	switch {
	case n == 0:
	case c.Signed():
		says := "finding from before still stands"
		if n > 1 {
			says = "findings from before still stand"
		}
		c.verdict.Add("told before", n)
		text := fmt.Sprintf("%d %s; \"fernpost verify\" lists what is wrong", n, says)
		c.printTold(findingJSON{Finding: "told before", Text: text, Count: &n}, asJSON)
	default: // "verify" does not list them
		for _, f := range untold {
			c.tellFinding(f, false, asJSON)
		}
	}
	return nil
}

// tellNotCleared tells that a clear is in doubt.
func (c *conversation) tellNotCleared(asJSON bool) error {
	gone, copied, err := c.Cleared()
	if err == nil && gone.Doubted(copied) {
		c.tell(notClearedJSON(gone.Messages, copied), asJSON)
	}
	return err
}

// tellUnopened tells that entries which no key here opens have come before: a verdict is on all that is there.
func (c *conversation) tellUnopened(arrivals *model.Arrivals, asJSON bool) error {
	unopened, err := c.HasUnopened()
	if err == nil && unopened && arrivals.NotOurs == 0 {
		const text = "entries that came before are not for this key: sealed with another one, or altered"
		c.tell(findingJSON{Finding: "not ours", Text: text}, asJSON)
	}
	return err
}

// tellLost tells which entries a reading has come to take for absent.
func (c *conversation) tellLost(lost []exchange.Range, asJSON bool) {
	if !c.verdict.Endless { // a watch without end would remember more and more
		c.lost = append(c.lost, lost...)
	}
	c.tellGaps(each(lost), asJSON)
}

// tellLacking tells which entries are lacking, for a verdict; of a room of texts those that were told by another
// command, and still are.
func (c *conversation) tellLacking(asJSON bool) {
	c.tellGaps(each(c.Lacking(c.lacking, c.lost)), asJSON)
}

// tellNotReadBack tells of our own messages that the relay has accepted and not shown: if all was read a moment ago,
// also of those above what it shows.
func (c *conversation) tellNotReadBack(all, asJSON bool) error {
	queue, err := c.NotReadBack(c.last, all)
	for i := range queue {
		c.tellUnshown(&queue[i], c.last, asJSON)
	}
	return err
}

// tellWaiting tells what may still come.
func (a *app) tellWaiting(waiting []record.Finding, asJSON bool) {
	for i := range waiting {
		a.tellFinding(&waiting[i], false, asJSON)
	}
}

// sayLeftBehind says what to do where entries came that no key opens, and the room has a new key or may have one. Where
// nothing else is shown, that is said with the error.
func (c *conversation) sayLeftBehind(arrivals *model.Arrivals, shown int) error {
	unopened, err := c.HasUnopened()
	if err != nil || !unopened || c.moveShown {
		return err
	}
	moved, err := c.MovedAway()
	if err != nil {
		return err
	}
	name := c.Settings().Name
	if c.sayMoved(name, moved); len(moved) == 0 && arrivals.NotOurs > 0 && arrivals.Fresh == 0 && shown > 0 {
		c.say("if the room has a new passphrase: \"fernpost key add --room %s\" adds it", name)
	}
	return nil
}

// concludeRecv ends a reading of so many messages with what it was worth.
func (a *app) concludeRecv(r model.Room, messages int, unopened, strict bool) error {
	if messages == 0 && unopened {
		return hint(messenger.ErrNoKey, noKeyHint, r.Name, r.Name, r.Channel)
	}
	if strict {
		return judged(&a.verdict)
	}
	return nil
}

// verifyFeed reads a whole feed afresh and judges it.
func (a *app) verifyFeed(ctx context.Context, r model.Room, o messenger.VerifyOptions) (messenger.Verified, error) {
	defer a.triedParts()
	defer a.computing(func() string { return "checking what was read" })()
	return a.engine().Verify(ctx, r, o)
}
