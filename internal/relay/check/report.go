package check

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/screen"
)

// The kinds of findings.
const (
	// KindLost: an entry that was answered, or that a read has shown, is not there.
	KindLost = "lost"
	// KindWrong: under the number of an answer stands another entry.
	KindWrong = "wrong"
	// KindDouble: an update is there more often than it was sent.
	KindDouble = "double"
	// KindReused: two updates were answered with one number.
	KindReused = "reused"
	// KindGap: a number is missing between others.
	KindGap = "gap"
	// KindNumber: there is a number that cannot have been reached.
	KindNumber = "number"
	// KindOrder: an update got a lower number than one that was stored before it was sent.
	KindOrder = "order"
	// KindDates: an entry is dated before the one with the number below.
	KindDates = "dates"
	// KindForeign: an entry holds what nobody sent to the channel, or not all of it.
	KindForeign = "foreign"
	// KindChanged: an entry is not what it was in an earlier read.
	KindChanged = "changed"
	// KindBackwards: a read told of an older newest entry than one before by the same reader.
	KindBackwards = "backwards"
)

// maxFindings is how many findings are told in full.
const maxFindings = 100

// Finding is one broken rule.
type Finding struct {
	// Kind is one of the Kind constants.
	Kind    string `json:"kind" means:"which rule is broken"`
	Channel int64  `json:"channel" means:"the channel's number"`
	Entry   int64  `json:"entry" means:"the entry that it is about, 0 if it is about none"`
	Text    string `json:"text" means:"what was found, in words"`
}

// findings gathers what is found.
type findings struct {
	// mu guards what follows.
	mu    sync.Mutex
	list  []Finding
	kinds map[string]int
	known map[Finding]bool // without Text, for those in list
}

// add notes a finding; of one kind there is one for each entry.
func (f *findings) add(kind string, channel, entry int64, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := Finding{Kind: kind, Channel: channel, Entry: entry}
	if f.known[found] {
		return
	}
	if f.kinds == nil {
		f.kinds, f.known = map[string]int{}, map[Finding]bool{}
	}
	f.kinds[kind]++
	if len(f.list) >= maxFindings {
		return
	}
	f.known[found] = true
	found.Text = fmt.Sprintf(format, args...)
	f.list = append(f.list, found)
}

// Seconds is a time that JSON shows as seconds.
type Seconds time.Duration

// MarshalJSON writes seconds with three places.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", time.Duration(s).Seconds()), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	seconds, err := strconv.ParseFloat(string(text), 64)
	*s = Seconds(math.Round(seconds*1e3)) * Seconds(time.Millisecond)
	return err
}

// String writes a time for people.
func (s Seconds) String() string { return time.Duration(s).Round(time.Millisecond).String() }

// Report is the outcome of a check. The tags say what the fields mean.
type Report struct {
	OK       bool     `json:"ok" means:"whether everything was read back and nothing was found"`
	Relays   []string `json:"relays" means:"addresses of the relays"`
	Channels []int64  `json:"channels" means:"numbers of the channels"`
	Writers  int      `json:"writers" means:"how many wrote"`
	Readers  int      `json:"readers" means:"how many read each channel"`
	Run      string   `json:"run" means:"what all texts of this check begin with"`
	Seed     uint64   `json:"seed" means:"that of the options"`
	Written  Seconds  `json:"written_seconds" means:"how long updates were begun"`
	Took     Seconds  `json:"took_seconds" means:"how long everything took"`
	Updates  Updates  `json:"updates" means:"what was written:"`
	Reads    Reads    `json:"reads" means:"what was read while the writers wrote:"`
	Away     Away     `json:"away" means:"when a relay did not answer:"`

	Broken   int            `json:"broken" means:"how many findings there are"`
	Kinds    map[string]int `json:"kinds" means:"how many of each kind"`
	Findings []Finding      `json:"findings" means:"the first hundred:"`
}

// Updates counts what was written.
type Updates struct {
	Sent          int64 `json:"sent" means:"updates that the relay may have stored"`
	Requests      int64 `json:"requests" means:"how often they were sent in all; refusals do not count"`
	Answered      int64 `json:"answered" means:"updates that got their number"`
	Refused       int64 `json:"refused" means:"requests that were refused as too early"`
	RepliesLost   int64 `json:"replies_lost" means:"requests that may have been acted on and got no answer"`
	Found         int64 `json:"found" means:"updates that were read back after that"`
	Unknown       int64 `json:"unknown" means:"updates that were neither answered nor found"`
	UnknownStored int64 `json:"unknown_stored" means:"how many of these are there all the same"`
	Stored        int64 `json:"stored" means:"entries in the end"`
	Copies        int64 `json:"copies" means:"how many of them repeat an update that was sent again"`
}

// Reads counts what was read while the writers wrote. Late reads are what a relay with caches may do; ours never does.
type Reads struct {
	By   map[string]int64 `json:"by" means:"how many in each way to read"`
	Late int64            `json:"late" means:"reads that did not show what had been answered, or shown to somebody else, before"`
}

// Away tells of the times when a relay did not answer.
type Away struct {
	Times   int     `json:"times" means:"how often a request got no answer when the one before had got one"`
	Longest Seconds `json:"longest_seconds" means:"the longest time from then until an answer"`
}

// report sums up.
func (c *Check) report(written time.Duration) *Report {
	r := &Report{
		Relays: c.options.Relays, Writers: c.options.Writers, Readers: c.options.Readers,
		Run: c.texts.run, Seed: c.options.Seed, Written: Seconds(written),
		Reads: Reads{By: map[string]int64{}, Late: c.late.Load()},
		Kinds: map[string]int{},
	}
	for _, ch := range c.channels {
		r.Channels = append(r.Channels, ch.id)
		if ch.final != nil {
			r.Updates.Stored += int64(ch.final.found)
		}
	}
	u := &r.Updates
	u.Refused, u.RepliesLost = c.refused.Load(), c.lost.Load()
	for _, w := range c.writers {
		for _, log := range w.log {
			if log.times == 0 {
				continue
			}
			u.Sent++
			u.Requests += int64(log.times)
			switch {
			case log.answered:
				u.Answered++
			case log.number != 0:
				u.Found++
			default:
				u.Unknown++
				u.UnknownStored += int64(min(log.stored, 1))
			}
			u.Copies += int64(max(0, log.stored-1))
		}
	}
	for kind, name := range readKinds {
		r.Reads.By[name] = c.reads[kind].Load()
	}
	var longest time.Duration
	r.Away.Times, longest = c.client.away()
	r.Away.Longest = Seconds(longest)
	c.findings.mu.Lock()
	defer c.findings.mu.Unlock()
	maps.Copy(r.Kinds, c.findings.kinds)
	for _, n := range r.Kinds {
		r.Broken += n
	}
	r.Findings = append([]Finding{}, c.findings.list...)
	return r
}

// WriteJSON writes the report as one JSON object and a line end.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// WriteText writes the report in words.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	u := &r.Updates
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s "+format+"\n", append([]any{name}, args...)...)
	}
	line("relay", "%s, %s", strings.Join(r.Relays, ", "), screen.Count(len(r.Channels), "channel"))
	line("updates", "%d sent in %v, %d answered (%.0f/s), %d refused as too early",
		u.Sent, r.Written, u.Answered, float64(u.Answered)/max(time.Duration(r.Written).Seconds(), 1e-3), u.Refused)
	line("", "%s lost: %s read back, %s sent again, %d left open, of which %d are there",
		replies(u.RepliesLost), updates(u.Found), updates(u.Requests-u.Sent), u.Unknown, u.UnknownStored)
	line("stored", "%d entries, of which %d repeat an update that was sent again", u.Stored, u.Copies)
	var by []string
	for _, name := range slices.Sorted(maps.Keys(r.Reads.By)) {
		by = append(by, fmt.Sprintf("%d %s", r.Reads.By[name], name))
	}
	line("reads", "%s; %d came too late to show what was known", strings.Join(by, ", "), r.Reads.Late)
	line("away", "%s, longest %v", screen.Count(r.Away.Times, "time"), r.Away.Longest)
	line("seed", "%d, took %v", r.Seed, r.Took)
	switch {
	case r.OK:
		b.WriteString("ok: every answered entry is there once under its number, whole; the numbers have no gap, " +
			"nothing is there that nobody sent, and no read went back\n")
	case r.Broken == 0:
		b.WriteString("no verdict: the check could not be finished\n")
	default:
		fmt.Fprintf(&b, "FAILED: %s\n", screen.Count(r.Broken, "finding"))
		for _, f := range r.Findings {
			fmt.Fprintf(&b, "  %s: channel %d: %s\n", f.Kind, f.Channel, f.Text)
		}
		if more := r.Broken - len(r.Findings); more > 0 {
			fmt.Fprintf(&b, "  and %d more\n", more)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func replies(n int64) string {
	if n == 1 {
		return "1 reply"
	}
	return fmt.Sprintf("%d replies", n)
}

func updates(n int64) string { return screen.Count(int(n), "update") }
