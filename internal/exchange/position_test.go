package exchange_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// FuzzPosition has a follower go on from whatever a file may hold. An honest relay's new row comes all the same, within
// minutes, and once it has come the position is one that can be kept.
func FuzzPosition(f *testing.F) {
	f.Add([]byte(`{"last":5,"row":{"fields":1,"sum":"0db02ef654a259e3478b32872272be05"},"at":"2000-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"last":3,"waiting":[{"first":4,"last":9007199254740992,"asked":"2000-01-01T00:00:00Z"}],"low":"2000-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"last":9,"gaps":[[1,3,946684800000,0,0,0,0,0],[2,900,1,2,3,4,5,6]],"claims":[[16,1],[12,9]],"named":8}`))
	f.Add([]byte(`{"last":5,"rows":"AAAAAAAAAAUAAAAAOG1DgAENsC72VKJZ40eLMociBr4F","looked":"2999-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"last":-7,"absent":{"entry":3,"since":"2999-01-01T00:00:00Z"}}`))
	f.Fuzz(func(t *testing.T, kept []byte) {
		var pos exchange.Position
		if json.Unmarshal(kept, &pos) != nil {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			relay := &memoryRelay{}
			relay.fill(5)
			x := exchange.New(relay, settings)
			seen := map[string]bool{}
			for range 6 {
				relay.add(time.Now(), oneField("new"))
				news, err := x.Follow(t.Context(), pos, exchange.Visitor{Entry: func(e *thingspeak.Entry) error {
					seen[e.Fields[0].Text] = true
					return nil
				}})
				if err != nil {
					t.Fatal(err)
				}
				b, err := json.Marshal(news.Position)
				if err != nil {
					t.Fatal(err)
				}
				pos = exchange.Position{}
				if err := json.Unmarshal(b, &pos); err != nil {
					t.Fatalf("%s: %v", b, err)
				}
				time.Sleep(time.Minute)
			}
			if !seen["new"] {
				t.Errorf("nothing new was visited: %+v", pos)
			}
		})
	})
}
