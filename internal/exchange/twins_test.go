package exchange_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// A row that was shown with a wrong date first was taken for the same one when it came as it was read before, and so the
// relay was told to have lost it.
func TestARowShownUnderTwoDatesIsNotAltered(t *testing.T) {
	for name, late := range map[string]time.Duration{"wrong date later": time.Hour, "wrong date earlier": -2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				relay := &memoryRelay{}
				relay.fill(3)
				x := exchange.New(relay, settings)
				var ids []int64
				follow := func(news exchange.News) exchange.News {
					news, err := x.Follow(t.Context(), news.Position, exchange.Visitor{Entry: collect(&ids)})
					if err != nil {
						t.Fatal(err)
					}
					return news
				}
				news := follow(exchange.News{})
				time.Sleep(time.Minute)
				twin := relay.rows[1]
				twin.CreatedAt = twin.CreatedAt.Add(late)
				// The page has the oldest first; of rows with one date, those that come first here.
				relay.rows = append([]thingspeak.Entry{twin}, relay.rows...)
				relay.add(time.Now(), oneField("new"))
				relay.rows[len(relay.rows)-1].ID = 4
				for range 3 {
					if news = follow(news); len(news.Altered) > 0 {
						t.Errorf("altered: %v", news.Altered)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}
