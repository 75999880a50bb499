package cli

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/capture"
)

// TestRefusedRequestsTeachNothing: a request that the relay refused gave a key a channel and a use that it does not have.
func TestRefusedRequestsTeachNothing(t *testing.T) {
	ask := func(key string, use capture.Use, channel int64, outcome capture.Outcome) *capture.Exchange {
		return &capture.Exchange{Channel: channel, Outcome: outcome, Keys: []capture.Key{{Use: use, Text: key}}}
	}
	const w, r, taken, refused = capture.ForWriting, capture.ForReading, capture.Taken, capture.Refused
	all := []*capture.Exchange{
		ask("A", w, 0, taken), ask("A", r, 666, refused), ask("A", r, 667, ""), // its channel does not show
		ask("B", r, 12, taken), ask("B", w, 0, refused), // a read key, of channel 12
		ask("C", w, 0, taken), ask("C", r, 5, taken), // the write key of channel 5
		ask("D", w, 0, taken), ask("D", r, 5, taken), ask("D", r, 6, taken), // whoever reads public channels may send any key
		ask("E", w, 0, refused), ask("E", r, 9, refused),
	}
	fillChannels(all)
	var got strings.Builder
	for _, x := range all {
		fmt.Fprintf(&got, "%s %s %d, ", x.Keys[0].Text, x.Keys[0].Use, x.Channel)
	}
	const want = "A write 0, A write 666, A write 667, B read 12, B read 12, C write 5, C write 5, D write 0, D write 5, D write 6, " +
		"E write 0, E read 9, "
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Error(d)
	}
}

// TestRefusedAndCutAreSaid: a key that was refused, a request that is cut and keys that were left out looked like any other.
func TestRefusedAndCutAreSaid(t *testing.T) {
	var stdout strings.Builder
	a := &app{stdout: &stdout, width: 200}
	client := netip.MustParseAddrPort("192.0.2.7:50000")
	ask := func(method, key string, outcome capture.Outcome) *capture.Exchange {
		keys := []capture.Key{{Use: capture.ForWriting, Text: key}}
		return &capture.Exchange{Client: client, Method: method, Path: "/update", Outcome: outcome, Keys: keys}
	}
	good, bad, cut := ask("GET", "GOOD", capture.Taken), ask("GET", "BAD", capture.Refused), ask("POST", "GOOD", "")
	good.Status, good.Entry, bad.Status, cut.Cut, cut.MoreKeys = 200, 7, 400, true, 3
	all := []*capture.Exchange{good, bad, cut}
	if err := a.showExchanges(all, false); err != nil {
		t.Fatal(err)
	}
	if err := a.showClients(all); err != nil {
		t.Fatal(err)
	}
	out := strings.Join(strings.Fields(stdout.String()), " ")
	for _, want := range []string{
		"GET /update - 200, entry 7 write GOOD", "GET /update - 400, refused write BAD", "POST /update (cut) - none write GOOD, … 3 more",
		"keys write GOOD, … 3 more refused keys write BAD",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q lacks %q", out, want)
		}
	}
}

// TestEntriesOfChannelsStayApart: the numbers of entries of several channels and servers ran together as if they were of one.
func TestEntriesOfChannelsStayApart(t *testing.T) {
	var stdout strings.Builder
	a := &app{stdout: &stdout, width: 200}
	one, two := netip.MustParseAddrPort("192.0.2.1:80"), netip.MustParseAddrPort("192.0.2.2:80")
	write := func(client string, server netip.AddrPort, channel, entry int64) *capture.Exchange {
		return &capture.Exchange{
			Client: netip.MustParseAddrPort(client), Server: server, Channel: channel, Entry: entry, Outcome: capture.Taken,
		}
	}
	const first, second = "192.0.2.7:50000", "192.0.2.8:50000"
	err := a.showClients([]*capture.Exchange{
		write(first, one, 5, 1), write(first, one, 6, 2), write(first, one, 5, 3), write(first, two, 5, 4), write(first, one, 0, 5),
		write(second, one, 5, 6), write(second, one, 5, 7), write(second, one, 6, 8),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(stdout.String()) {
		if strings.Contains(line, "wrote") {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
	}
	want := []string{
		"wrote entry 5 of a channel that does not show on 192.0.2.1:80", "wrote entries 1, 3 of channel 5 on 192.0.2.1:80",
		"wrote entry 2 of channel 6 on 192.0.2.1:80", "wrote entry 4 of channel 5 on 192.0.2.2:80",
		"wrote entries 6 to 7 of channel 5", "wrote entry 8 of channel 6",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
