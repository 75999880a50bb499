package exchange

import "time"

// VainHour is what a feed has brought within an hour that no key of the room opens, or that was there before. It is kept
// beside the position, so that a flood costs no more in a thousand calls than in one.
type VainHour struct {
	Since time.Time `json:"since,omitzero"` // when the hour began
	Bytes int64     `json:"bytes,omitzero"`
	// Looked is when a reading brought something last.
	Looked time.Time `json:"looked,omitzero"`
}

const (
	vainPeriod = time.Hour
	// vainLeast is what a reading may bring without being counted: a look at a channel without news.
	vainLeast = 16 << 10
	// lookWorth is what a look at the newest rows may bring once an hour's bytes have come, and lookPause the time from one
	// reading to it: a flood that has ended hides nothing, and one that goes on brings 4 MiB an hour.
	lookWorth = 128 << 10
	lookPause = 2 * time.Minute
	// tokenWorth is how many bytes of a feed a token that a key opens stands for: more than its own, with what stands
	// around it in its row.
	tokenWorth = 512
)

// Left returns how many bytes the next reading may bring, of a budget for each reading and for each hour. 0 is no limit,
// here and there. Once they have come it is enough for a look at the newest rows, every two minutes.
func (b *VainHour) Left(budget int64, now time.Time) int64 {
	// A clock that was set back must not make the hour longer.
	if budget == 0 || now.Sub(b.Since) >= vainPeriod || now.Before(b.Since) {
		return budget
	}
	left := max(budget-b.Bytes, 1)
	if left < lookWorth && (now.Sub(b.Looked) >= lookPause || now.Before(b.Looked)) {
		left = min(lookWorth, budget)
	}
	return left
}

// Add counts a reading that brought so many bytes, without the newest rows that every look compares, and so many tokens
// that a key has opened for the first time. Looked tells that it has looked for them, which costs something by itself.
func (b *VainHour) Add(bytes int64, opened int, looked bool, now time.Time) {
	if bytes > 0 {
		b.Looked = now
	}
	bytes -= tokenWorth * int64(opened)
	if bytes <= 0 || looked && bytes < vainLeast {
		return
	}
	if now.Sub(b.Since) >= vainPeriod || now.Before(b.Since) {
		*b = VainHour{Since: now, Looked: b.Looked}
	}
	b.Bytes += bytes
}

// Stop says why a reading did not come to the feed's end; the zero Stop, that it did.
type Stop struct {
	Why StopReason
	// Until is when reading goes on, for [InVain].
	Until time.Time
}

// StopReason is a reason to end a reading before the feed's end.
type StopReason int

// The reasons. Whatever it is, the next reading goes on where this one has ended.
const (
	// AtTheEnd: it has come to the feed's end, so there was none.
	AtTheEnd StopReason = iota
	// AtBudget: the reading has brought as many bytes as one may.
	AtBudget
	// InVain: so much that no key opens, or that was there before, came within an hour.
	InVain
	// Scattered: the numbers that the relay shows have too many gaps.
	Scattered
)

// StopOf tells why a reading has ended: left is how many bytes it might bring, all how many one may.
func StopOf(news *News, left, all int64, b *VainHour) Stop {
	switch {
	case !news.Stopped:
		return Stop{}
	case news.Scattered:
		return Stop{Why: Scattered}
	case left < all:
		return Stop{Why: InVain, Until: b.Since.Add(vainPeriod)}
	}
	return Stop{Why: AtBudget}
}
