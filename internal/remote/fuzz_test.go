package remote_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// FuzzFeedBody has a relay that answers everything with the same bytes, except for the last entry number. Whatever they
// are: no panic, no end of requests, no entry twice, no key in an error.
func FuzzFeedBody(f *testing.F) {
	f.Add([]byte("created_at,entry_id,field1\n2018-06-12 21:16:46 UTC,17,5\n"), 200, int64(17))
	f.Add([]byte("created_at,entry_id,field1\n2099-06-12 21:16:46 UTC,1,5\n2018-06-12 21:16:46 UTC,9,"), 200, int64(9))
	f.Add([]byte("created_at,entry_id\n0001-01-01 00:00:00 UTC,9007199254740992\n"), 200, int64(3))
	f.Add([]byte("\xef\xbb\xbfentry_id,created_at\r\n3,2018-06-12T21:16:46Z\r\n1,2018-06-12T21:16:46Z\r\n"),
		200, int64(1<<53))
	f.Add([]byte("-1"), 400, int64(0))
	f.Add([]byte("<html>"+writeKey), 503, int64(-1))
	f.Add([]byte(`{"channel":{"id":4242},"feeds":[]}`), 200, int64(5))
	f.Fuzz(func(t *testing.T, body []byte, status int, last int64) {
		synctest.Test(t, func(t *testing.T) {
			requests := 0
			c := clientOver(t, roundTrip(func(r *http.Request) (*http.Response, error) {
				if requests++; requests > 1000 {
					t.Fatal("the requests do not end")
				}
				resp := &http.Response{
					StatusCode: status, Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}},
					Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
				}
				if strings.HasSuffix(r.URL.Path, "last_entry_id.txt") {
					resp.StatusCode = http.StatusOK
					resp.Body = io.NopCloser(strings.NewReader(strconv.FormatInt(last, 10)))
				}
				return resp, nil
			}))
			check := func(err error) {
				if err != nil && strings.Contains(err.Error(), writeKey) {
					t.Errorf("error %q shows a key", err)
				}
			}
			for _, run := range operations {
				check(run(t.Context(), c))
			}
			s := c.Scan()
			for range 5 {
				_, err := s.Back(t.Context(), 10, ignore)
				check(err)
			}
			anchor := exchange.Anchor{Entry: 3, Shows: func(*thingspeak.Entry) bool { return false }}
			for _, v := range []exchange.Visitor{{}, {Anchor: anchor, Seen: ignore}} {
				var pos exchange.Position
				for range 4 {
					seen := map[string]bool{}
					v.Entry = func(e *thingspeak.Entry) error {
						row := fmt.Sprint(e.ID, e.CreatedAt, e.Fields)
						if seen[row] || e.ID <= 0 {
							t.Errorf("entry %d comes twice", e.ID)
						}
						seen[row] = true
						return nil
					}
					v.Cleared = func() error { // then the numbers come again
						clear(seen)
						return nil
					}
					news, err := c.Follow(t.Context(), pos, v)
					check(err)
					pos = news.Position
					time.Sleep(time.Minute)
				}
			}
		})
	})
}
