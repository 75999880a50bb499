package room_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// What verify keeps of a token that belongs to no record is a few times its size: an insider who posts halves of records
// does not fill the memory, and who repeats them takes none.
func TestVerifyTakesLittleForWhatIsNoRecord(t *testing.T) {
	testenv.Unwatched(t)
	key := fernet.GenerateKey()
	halves := crowd(t, key, 1, 1500)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, once, twice := heap(), uint64(0), uint64(0)
	feed := func(yield func(*thingspeak.Entry, error) bool) {
		for round := range 2 {
			for i := range halves {
				e := with(halves[i], int64(1+i+round*len(halves)))
				if !yield(&e, nil) {
					return
				}
			}
			for id := range int64(4096) { // so that all of it is taken in
				if !yield(&thingspeak.Entry{ID: 10_000 + id}, nil) {
					return
				}
			}
			if once, twice = twice, heap(); round == 0 {
				once = twice
			}
		}
	}
	if _, err := room.Verify(t.Context(), []fernet.Key{key}, salt, room.Feed{Entries: feed, View: func() record.View { return record.View{} }}, time.Now()); err != nil {
		t.Fatal(err)
	}
	const each = 2000
	if tokens := uint64(8 * len(halves)); once > before+each*tokens {
		t.Errorf("%d bytes for each of %d tokens, want at most %d", (once-before)/tokens, tokens, each)
	}
	if twice > once+(once-before)/4 {
		t.Errorf("the heap grew from %d to %d bytes by repeats", once, twice)
	}
}
