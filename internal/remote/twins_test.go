package remote_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// A relay has shown two rows of one number, and later only one of them: nothing was said, whichever had gone.
func TestARowOfTwoThatIsGoneIsAltered(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		for name, age := range map[string]time.Duration{"of one date": 0, "far apart": time.Hour} {
			for _, stays := range []string{"text 15", "second"} {
				t.Run(fmt.Sprintf("%s/%s stays/ranges %t", name, stays, ranges), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						relay := newFakeRelay()
						relay.ranges = ranges
						if stays == "text 15" { // then the other one may stand below the newest rows
							relay.pageSize = 12
						}
						relay.fill(20)
						relay.put(15, relay.rows[14].CreatedAt.Add(-age), "second")
						c, pos := newClient(t, relay), &keeper{}
						for range 3 { // as long as it shows both, and other rows come, nothing is wrong
							relay.add(time.Now(), "new")
							if _, news := since(t, c, pos); len(news.Altered)+len(news.Left) > 0 {
								t.Fatalf("news of an honest relay: %+v", news)
							}
							time.Sleep(time.Minute)
						}
						relay.rows = slices.DeleteFunc(relay.rows, func(e thingspeak.Entry) bool {
							return e.ID == 15 && e.Fields[0].Text != stays
						})
						var altered []int64
						var left []string
						for range 3 {
							relay.add(time.Now(), "newer")
							_, news := since(t, c, pos)
							altered = append(altered, news.Altered...)
							for i := range news.Left {
								left = append(left, news.Left[i].Fields[0].Text)
							}
							time.Sleep(time.Minute)
						}
						if !slices.Equal(altered, []int64{15}) || !slices.Equal(left, []string{stays}) {
							t.Errorf("altered %v, left %q", altered, left)
						}
					})
				})
			}
		}
	}
}

// Which rows of a number are there is not known where an answer may have left some out, or ignores what it was asked for.
func TestATwinThatWasNotAskedForIsNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.ranges, relay.pageSize = false, 8
		at := time.Now()
		for n := range 30 {
			relay.add(at, fmt.Sprint("text ", n+1))
		}
		c, pos := newClient(t, relay), &keeper{}
		rows := 0
		for range 15 {
			ids, news := since(t, c, pos)
			if len(news.Altered) > 0 {
				t.Fatalf("news %+v", news)
			}
			rows += len(ids)
			time.Sleep(time.Minute)
			switch rows {
			case 30:
				relay.put(1, at, "second")
				fallthrough
			case 32:
				relay.add(time.Now(), "new")
			}
		}
		if rows != 33 {
			t.Errorf("%d rows were read of 33", rows)
		}
	})
}

// A relay that ignores dates could hide a row of two: its answer had the whole channel, and nothing was concluded from it.
func TestARowOfTwoThatIsGoneIsAlteredWhereDatesAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(20)
		relay.put(15, relay.rows[14].CreatedAt, "second")
		c, pos := newClient(t, relay), &keeper{}
		since(t, c, pos)
		relay.endless = true
		relay.rows = slices.DeleteFunc(relay.rows, func(e thingspeak.Entry) bool { return e.Fields[0].Text == "second" })
		var altered []int64
		for range 3 {
			relay.add(time.Now(), "newer")
			_, news := since(t, c, pos)
			altered = append(altered, news.Altered...)
			time.Sleep(time.Minute)
		}
		if !slices.Equal(altered, []int64{15}) {
			t.Errorf("altered %v", altered)
		}
	})
}
