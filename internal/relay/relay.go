// Package relay holds the rules of a ThingSpeak-shaped relay: who may write and read a channel, how often, which number
// an entry gets and which entries a read shows. It knows neither HTTP nor SQL. Doors (package httpapi) turn requests
// into calls of a [Relay]; engines (the packages below store) keep what it decides, behind the [Store] interface.
//
// A relay stores text that it cannot read. It has no use for keys of messages, and imports nothing that has.
//
// What the rest rests on: an entry never changes. It is named by the generation of its feed, which a clear replaces,
// and its number in it, so whoever knows how far a generation reaches may read it later, piecewise and from a copy,
// without a transaction. No state that matters lives in a Relay: what it caches is checked against the store's
// (generation, last number, settings) at each read, so several may serve one store.
//
// "Contract" in comments names the numbered section of our notes on the service's REST API.
package relay

import lru "github.com/hashicorp/golang-lru/v2"

// Relay applies the rules to what a store keeps. Its methods may be called from several goroutines.
type Relay struct {
	store      Store
	limits     Limits
	queue      queue
	lines      sizedCache[lineKey, feedLines]
	blocks     sizedCache[blockKey, eventBlock]
	live       liveFeeds
	largeReads largeReads

	writers *lru.Cache[string, int64] // write key → channel; Decide checks the key again
	views   *lru.Cache[int64, *View]  // channel → what it was; the position tells whether it still is
}

// How many of them a relay remembers.
const (
	maxWriters = 50_000
	maxViews   = 2048
)

// New returns a relay on a store. Closing the store is the caller's business, after [Relay.Close].
func New(store Store, limits Limits) *Relay {
	return &Relay{
		store:      store,
		limits:     limits,
		queue:      queue{commit: store.Commit},
		lines:      sizedCache[lineKey, feedLines]{budget: lineBudget},
		blocks:     sizedCache[blockKey, eventBlock]{budget: blockBudget},
		largeReads: newLargeReads(),
		writers:    newCache[string, int64](maxWriters),
		views:      newCache[int64, *View](maxViews),
	}
}

// Close ends what the relay does in the background, and waits for it: there is no news for watches from then on.
func (r *Relay) Close() { r.live.close() }

func newCache[K comparable, V any](size int) *lru.Cache[K, V] {
	c, err := lru.New[K, V](size)
	if err != nil {
		panic(err) // unreachable: the sizes are constants above 0
	}
	return c
}

// Limits returns the limits that the relay was made with.
func (r *Relay) Limits() Limits { return r.limits }
