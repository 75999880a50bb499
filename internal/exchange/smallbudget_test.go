package exchange_test

import (
	"testing"
	"testing/synctest"

	"github.com/fernpost/fernpost/internal/exchange"
)

// At a relay that knows no ranges a reading whose budget was smaller than a whole page asked for the same page in each call, cut
// it at the same place, and never came any further.
func TestASmallBudgetGetsFurtherInEachCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rows, rowBytes, budget = 12_000, 500, 1 << 20 // a whole page has four times that
		for _, noRanges := range []bool{true, false} {
			m := &memoryRelay{noRanges: noRanges, rowBytes: rowBytes}
			m.fill(rows)
			var pos exchange.Position
			var ids []int64
			calls, bytes := 0, int64(0)
			for ; len(ids) < rows && calls < 40; calls++ {
				news, err := exchange.New(m, settings).Follow(t.Context(), pos, exchange.Visitor{Entry: collect(&ids), Budget: budget})
				if err != nil {
					t.Fatal(err)
				}
				pos, bytes = news.Position, bytes+news.Bytes
				if before := len(ids); news.Stopped && before == 0 {
					t.Fatal("the first call brings nothing")
				}
			}
			wantCount(t, ids, rows)
			if calls > 20 || bytes > 2*rows*rowBytes {
				t.Errorf("without ranges %v: %d calls brought %d bytes, of rows that have %d", noRanges, calls, bytes, rows*rowBytes)
			}
		}
	})
}
