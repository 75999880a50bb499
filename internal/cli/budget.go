package cli

import (
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/exchange"
)

// barren is what a feed has brought within an hour that no key of the room opens, or that was there before. It is kept
// beside the position, so that a flood costs no more in a thousand calls than in one.
type barren struct {
	Since time.Time `json:"since,omitzero"` // when the hour began
	Bytes int64     `json:"bytes,omitzero"`
}

const (
	barrenHour = time.Hour
	// barrenLeast is what a reading may bring without being counted: a look at a channel without news.
	barrenLeast = 16 << 10
	// tokenWorth is how many bytes of a feed a token that a key opens stands for: more than its own, with what stands
	// around it in its row.
	tokenWorth = 512
)

// left returns how many bytes the next reading may bring, of a budget for each reading and for each hour. 0 is no limit,
// here and there.
func (b *barren) left(budget int64, now time.Time) int64 {
	// A clock that was set back must not make the hour longer.
	if budget == 0 || now.Sub(b.Since) >= barrenHour || now.Before(b.Since) {
		return budget
	}
	return max(budget-b.Bytes, 1)
}

// add counts a reading that brought so many bytes, without the newest rows that every look compares, and so many tokens
// that a key has opened for the first time.
func (b *barren) add(bytes int64, opened int, now time.Time) {
	bytes -= tokenWorth * int64(opened)
	if bytes < barrenLeast {
		return
	}
	if now.Sub(b.Since) >= barrenHour || now.Before(b.Since) {
		*b = barren{Since: now}
	}
	b.Bytes += bytes
}

// stopped says why a reading of so large a budget did not come to its end, in a sentence; "" if it did.
func (a *app) stopped(news *exchange.News, budget int64, b *barren) string {
	all := config.FormatSize(int64(a.budget))
	switch {
	case !news.Stopped:
		return ""
	case news.Scattered:
		return "stopped reading: the numbers that the relay shows have too many gaps; the next call goes on"
	case budget < int64(a.budget):
		return fmt.Sprintf("stopped reading: within an hour came %s that no key of this room opens, or that was there "+
			"before; it goes on at %s, or with a higher read_budget", all, b.Since.Add(barrenHour).Local().Format("15:04 MST"))
	}
	return fmt.Sprintf("stopped reading at %s (read_budget); the next call goes on", all)
}
