package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/fernpost/fernpost/internal/capture"
	"github.com/fernpost/fernpost/internal/screen"
)

// eavesdropPcap shows what everybody in a network could read of the requests in a recording of it.
func (a *app) eavesdropPcap(ctx context.Context, o eavesdropOptions) error {
	if o.csv.name != "" || o.channel != 0 || o.room != "" || o.raw || o.readKeyFile != "" {
		return hint(usagef("--pcap reads a recording and nothing else: it goes with -n and --json"), "see \"fernpost eavesdrop --help\"")
	}
	src, err := a.openCapture(ctx, o.pcap)
	if err != nil {
		return err
	}
	defer src.Close()
	var all []*capture.Exchange
	s, err := capture.Read(src, func(x *capture.Exchange) error {
		all = append(all, x)
		return ctx.Err()
	})
	if errors.Is(err, capture.ErrFormat) {
		return hint(usagef("--pcap: %s: %w", screen.Line(o.pcap), err), "Wireshark, tshark and tcpdump write one: tcpdump -i any -w FILE tcp")
	}
	if err != nil && len(all) == 0 {
		return fmt.Errorf("--pcap: reading %s: %w", screen.Line(o.pcap), err)
	}
	fillChannels(all)
	slices.SortStableFunc(all, func(x, y *capture.Exchange) int { return x.At.Compare(y.At) })
	shown := all
	if o.newest > 0 && len(all) > o.newest {
		shown = all[len(all)-o.newest:]
	}
	if printed := a.showExchanges(shown, o.asJSON); printed != nil {
		return printed
	}
	if !o.asJSON {
		if printed := a.showClients(all); printed != nil {
			return printed
		}
	}
	a.sayCapture(&s, len(all), len(shown))
	switch {
	case err != nil:
		return partlyError{fmt.Errorf("--pcap: reading %s: %w", screen.Line(o.pcap), err)}
	case s.Cut:
		return partlyError{errors.New("the recording ends in the middle of a packet")}
	}
	return nil
}

// fillChannels notes the channel of updates, which do not name it, where another request with the same key does. Only what the relay
// has taken proves something, and keys that go with several channels go with none. A key that has written is the write key, whatever
// else it was used for.
func fillChannels(all []*capture.Exchange) {
	type proven struct {
		channel int64 // -1 where there are several
		use     capture.Use
	}
	known := map[string]proven{}
	for _, x := range all {
		if x.Outcome != capture.Taken {
			continue
		}
		for _, k := range x.Keys {
			p := known[k.Text]
			switch {
			case p.channel == 0:
				p.channel = x.Channel
			case x.Channel != 0 && x.Channel != p.channel:
				p.channel = -1
			}
			if p.use != capture.ForWriting {
				p.use = k.Use
			}
			known[k.Text] = p
		}
	}
	for _, x := range all {
		for i := range x.Keys {
			k := &x.Keys[i]
			p := known[k.Text]
			k.Use = cmp.Or(p.use, k.Use)
			if x.Channel == 0 {
				x.Channel = max(p.channel, 0)
			}
		}
	}
}

func (a *app) openCapture(ctx context.Context, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(io.MultiReader(a.input)), nil
	}
	f, err := openFile(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("--pcap: %w", err)
	}
	return f, nil
}

func (a *app) showExchanges(all []*capture.Exchange, asJSON bool) error {
	var rows [][]string
	for _, x := range all {
		if asJSON {
			if err := a.printJSON(exchangeJSONOf(x)); err != nil {
				return err
			}
			continue
		}
		asked := screen.Line(x.Method + " " + x.Path)
		if x.Cut {
			asked += " (cut)"
		}
		rows = append(rows, []string{
			clock(x.At), x.Client.Addr().String(), asked, numberOrNone(x.Channel), answerText(x), keysText(x.Keys, x.MoreKeys),
			orDash(screen.Line(x.Agent)),
		})
	}
	if len(rows) == 0 {
		return nil
	}
	return a.showTable([]string{"ASKED (UTC)", "CLIENT", "REQUEST", "CHANNEL", "ANSWER", "KEYS", "PROGRAM"}, rows)
}

func answerText(x *capture.Exchange) string {
	switch {
	case x.Status == 0:
		return "none"
	case x.Entry > 0:
		return fmt.Sprintf("%d, entry %d", x.Status, x.Entry)
	case x.Outcome == capture.Refused:
		return fmt.Sprintf("%d, refused", x.Status)
	}
	return fmt.Sprint(x.Status)
}

func exchangeJSONOf(x *capture.Exchange) exchangeJSON {
	j := exchangeJSON{
		At: x.At, Client: x.Client.String(), Hardware: known(x.Hardware), Server: x.Server.String(), Method: x.Method, Path: x.Path,
		Host: known(x.Host), Agent: known(x.Agent), Channel: known(x.Channel), Fields: append([]int{}, x.Fields...), Status: known(x.Status),
		Entry: known(x.Entry), Outcome: known(string(x.Outcome)), Cut: x.Cut, Keys: []wireKeyJSON{}, MoreKeys: x.MoreKeys,
	}
	for _, k := range x.Keys {
		j.Keys = append(j.Keys, wireKeyJSON{string(k.Use), k.Text})
	}
	return j
}

func numberOrNone(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func orDash(s string) string { return cmp.Or(s, "-") }

// keysText lists keys, and says how many more there are.
func keysText(keys []capture.Key, more int) string {
	var all []string
	for _, k := range keys {
		all = append(all, fmt.Sprintf("%s %s", k.Use, screen.Line(k.Text)))
	}
	if more > 0 {
		all = append(all, fmt.Sprintf("… %d more", more))
	}
	return orDash(strings.Join(all, ", "))
}

// seenClient is what a recording shows of an address.
type seenClient struct {
	address  netip.Addr
	hardware string
	asked    int
	wrote    map[feedOf][]int64 // numbers of entries
	agents   map[string]bool
	keys     map[capture.Key]bool // those that were refused only are false
	more     int                  // keys that were left out
}

// feedOf is where entries have their numbers: a channel of a server, 0 where it does not show.
type feedOf struct {
	server  netip.AddrPort
	channel int64
}

func compareFeeds(x, y feedOf) int {
	return cmp.Or(x.server.Compare(y.server), cmp.Compare(x.channel, y.channel))
}

// showClients says of each address what it gave away beyond what stands in the feed: which entries are its own, and its keys.
func (a *app) showClients(all []*capture.Exchange) error {
	by := map[netip.Addr]*seenClient{}
	for _, x := range all {
		c := by[x.Client.Addr()]
		if c == nil {
			c = &seenClient{
				address: x.Client.Addr(), wrote: map[feedOf][]int64{}, agents: map[string]bool{}, keys: map[capture.Key]bool{},
			}
			by[c.address] = c
		}
		c.asked++
		c.hardware = cmp.Or(c.hardware, x.Hardware)
		if x.Entry > 0 {
			in := feedOf{x.Server, x.Channel}
			c.wrote[in] = append(c.wrote[in], x.Entry)
		}
		if x.Agent != "" {
			c.agents[screen.Line(x.Agent)] = true
		}
		for _, k := range x.Keys {
			c.keys[k] = c.keys[k] || x.Outcome != capture.Refused
		}
		c.more += x.MoreKeys
	}
	var b strings.Builder
	clients := slices.SortedFunc(maps.Values(by), func(x, y *seenClient) int { return x.address.Compare(y.address) })
	for _, c := range clients[:min(len(clients), mostClients)] {
		b.WriteString("\n" + a.style.bold(c.address.String()) + "\n")
		if c.hardware != "" {
			b.WriteString("  network card   " + c.hardware + "\n")
		}
		b.WriteString("  requests       " + fmt.Sprint(c.asked) + "\n")
		if agents := slices.Sorted(maps.Keys(c.agents)); len(agents) > 0 {
			b.WriteString("  programs       " + firstOf(agents, ", ") + "\n")
		}
		b.WriteString(wroteLines(c.wrote))
		b.WriteString(clientKeys("  keys           ", c, true))
		b.WriteString(clientKeys("  refused keys   ", c, false))
	}
	if n := len(clients) - mostClients; n > 0 {
		b.WriteString("\n… and " + count(n, "more client") + "\n")
	}
	return a.printLines(b.String())
}

// clientKeys lists the keys of a client: those that were refused whenever they were sent, or the others.
func clientKeys(title string, c *seenClient, good bool) string {
	var keys []capture.Key
	for k, taken := range c.keys {
		if taken == good {
			keys = append(keys, k)
		}
	}
	more := max(len(keys)-mostListed, 0)
	slices.SortFunc(keys, func(x, y capture.Key) int { return cmp.Or(cmp.Compare(x.Use, y.Use), cmp.Compare(x.Text, y.Text)) })
	keys = keys[:len(keys)-more]
	if good {
		more += c.more
	}
	if len(keys) == 0 {
		return ""
	}
	return title + keysText(keys, more) + "\n"
}

// mostClients is how many addresses are described, and mostListed how many programs, keys and ranges of each.
const (
	mostClients = 100
	mostListed  = 20
)

func firstOf(all []string, between string) string {
	if n := len(all) - mostListed; n > 0 {
		return strings.Join(all[:mostListed], between) + between + fmt.Sprintf("… %d more", n)
	}
	return strings.Join(all, between)
}

// wroteLines says what a client wrote into each channel, and on which server where there are several.
func wroteLines(wrote map[feedOf][]int64) string {
	var b strings.Builder
	feeds := slices.SortedFunc(maps.Keys(wrote), compareFeeds)
	for _, f := range feeds[:min(len(feeds), mostListed)] {
		b.WriteString("  " + wroteText(wrote[f]))
		switch {
		case f.channel > 0:
			b.WriteString(fmt.Sprintf(" of channel %d", f.channel))
		case len(feeds) > 1:
			b.WriteString(" of a channel that does not show")
		}
		if feeds[0].server != feeds[len(feeds)-1].server {
			b.WriteString(" on " + f.server.String())
		}
		b.WriteString("\n")
	}
	if n := len(feeds) - mostListed; n > 0 {
		b.WriteString(fmt.Sprintf("  … and those of %s\n", count(n, "more channel")))
	}
	return b.String()
}

// wroteText says which entries somebody wrote: entry 2, or entries 1 to 5, 7. Without the singular, a number by itself reads as how many.
func wroteText(numbers []int64) string {
	numbers = slices.Compact(slices.Sorted(slices.Values(numbers)))
	what := "wrote entries  "
	if len(numbers) == 1 {
		what = "wrote entry    "
	}
	var all []string
	for i := 0; i < len(numbers); {
		first := i
		for i++; i < len(numbers) && numbers[i] == numbers[i-1]+1; i++ {
		}
		text := fmt.Sprint(numbers[first])
		if i-first > 1 {
			text += fmt.Sprintf(" to %d", numbers[i-1])
		}
		all = append(all, text)
	}
	return what + firstOf(all, ", ")
}

// sayCapture says how much there was, and what could not be read.
func (a *app) sayCapture(s *capture.Summary, told, shown int) {
	a.say("%s in %s: %s of plain http, that everybody in that network could read", count(s.Packets, "packet"), count(s.Connections, "connection"),
		count(s.Exchanges, "request"))
	if shown < told {
		a.say("above are the newest %d; -n 0 shows all", shown)
	}
	if n := s.Exchanges - told; n > 0 {
		a.say("%s more were left out: a recording of more than %d is to be read in pieces", count(n, "request"), capture.MostExchanges)
	}
	if s.TLS > 0 {
		a.say("%s of TLS: of these only the addresses show, when, and how much", count(s.TLS, "connection"))
	}
	if s.Others > 0 {
		a.say("%s of something else than http, not looked into", count(s.Others, "connection"))
	}
	a.sayUnread(s)
	if s.Lost > 0 {
		a.say("the recording lacks %d bytes of its connections", s.Lost)
	}
}

// sayUnread says which packets could not be read, and what to do about it.
func (a *app) sayUnread(s *capture.Summary) {
	if s.Sealed > 0 {
		a.say("%s of a Wi-Fi with a password, which is encrypted: record it on a device that is in that Wi-Fi, or at the access point",
			count(s.Sealed, "frame"))
	}
	if s.Fragments > 0 {
		a.say("%s of IP packets, which are not put together", count(s.Fragments, "fragment"))
	}
	if s.Foreign > 0 {
		a.say("%s of a kind of network that is not known here: record Ethernet, Wi-Fi or \"any\"", count(s.Foreign, "packet"))
	}
	if rest := s.Unread - s.Sealed - s.Fragments - s.Foreign; rest > 0 {
		a.say("%s of something else than TCP, or damaged", count(rest, "packet"))
	}
}
