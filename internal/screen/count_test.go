package screen

import "testing"

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"1 entry": Count(1, "entry"), "2 entries": Count(2, "entry"), "0 keys": Count(0, "key"), "2 relays": Count(2, "relay"),
		"18446744073709551615 more claims": Count(^uint64(0), "more claim"), "-1 rows": Count(-1, "row"),
		"12 replies": Count(12, "reply"), "2 days": Count(2, "day"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
