package relay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// blockBudget is what the encoded entries may take that are kept for those who watch channels, in bytes.
	blockBudget = 8 << 20
	// blockEntries is how many entries are kept, and read, together.
	blockEntries = 64
	// blockPatience is how long reading a block may take.
	blockPatience = 15 * time.Second
)

// Events are consecutive entries of a feed, each as JSON (contract section 10.3) and a line end. The bytes are shared with
// other readers: do not change them.
type Events struct {
	// First is the number of the first one.
	First int64
	text  []byte
	// ends are where each one ends in what text begins in, begin where the first one begins there.
	ends  []int
	begin int
}

// Len is how many there are.
func (e *Events) Len() int { return len(e.ends) }

// Last is the number of the last one.
func (e *Events) Last() int64 { return e.First + int64(len(e.ends)) - 1 }

// Text is all of them, one after the other.
func (e *Events) Text() []byte { return e.text }

// All are the numbers, with the line of each.
func (e *Events) All() iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		from := e.begin
		for i, end := range e.ends {
			if !yield(e.First+int64(i), e.text[from-e.begin:end-e.begin]) {
				return
			}
			from = end
		}
	}
}

// blockKey names the entries of a generation from blockEntries*place+1 on.
type blockKey struct{ generation, place int64 }

// eventBlock holds the first so many entries of a block. What is in text and ends is never written again, so parts of it
// may be handed out.
type eventBlock struct {
	// mu guards what follows. It is held while entries are read from the store: whoever waits wants the same ones.
	mu   sync.Mutex
	text []byte
	ends []int
}

// events returns entries of a view from a number on that it has: at most a block, and none if the channel was cleared
// meanwhile. Each is read and encoded once for all who watch.
func (r *Relay) events(v *View, first int64) (Events, error) {
	key := blockKey{v.State.Generation, (first - 1) / blockEntries}
	kept := r.blocks.get(key)
	b := &kept.value
	b.mu.Lock()
	defer b.mu.Unlock()
	begin := key.place*blockEntries + 1
	last := min(v.State.Last, begin+blockEntries-1)
	if next := begin + int64(len(b.ends)); next <= last {
		err := elsewhere(func() error { return r.fillBlock(v, b, begin, last) })
		// What came before an error is kept as well.
		r.blocks.account(kept, cap(b.text)+8*cap(b.ends))
		if err != nil {
			return Events{}, err
		}
	}
	from, to := int(first-begin), min(len(b.ends), int(last-begin)+1)
	if from >= to {
		return Events{}, nil
	}
	e := Events{First: first, ends: b.ends[from:to:to]}
	if from > 0 {
		e.begin = b.ends[from-1]
	}
	e.text = b.text[e.begin:b.ends[to-1]:b.ends[to-1]]
	return e, nil
}

// fillBlock adds to a block that begins with a number what is lacking of it. The caller holds its mu.
func (r *Relay) fillBlock(v *View, b *eventBlock, begin, last int64) error {
	// Others wait for the same entries: that one of them goes away does not end the reading.
	ctx, cancel := context.WithTimeout(context.Background(), blockPatience)
	defer cancel()
	return r.entries(ctx, v, begin+int64(len(b.ends)), last, func(e *thingspeak.Entry) error {
		if want := begin + int64(len(b.ends)); e.ID != want {
			return fmt.Errorf("reading channel %d: entry %d is in the place of entry %d: %w",
				v.State.Channel, e.ID, want, ErrUnavailable)
		}
		b.text = append(thingspeak.AppendUpdateJSON(b.text, v.State.Channel, e, 0, nil), '\n')
		b.ends = append(b.ends, len(b.text))
		return nil
	})
}

// errPanicked is a mistake of ours, found out while something was read for several who watch.
var errPanicked = errors.New("panic")

// elsewhere runs work on a goroutine of its own and waits for it. A goroutine's stack stays as large as its deepest call
// needed, and the store's calls are deep: those who mostly wait, of which there are thousands, must not make them. A panic
// becomes an error, as it would end the whole process.
func elsewhere(work func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("%w: %v", errPanicked, p)
			}
		}()
		done <- work()
	}()
	return <-done
}
