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

// fillChannels notes the channel of updates, which do not name it, where another request with the same key does. A key that has written
// is the write key, whatever else it was used for.
func fillChannels(all []*capture.Exchange) {
	channels, wrote := map[string]int64{}, map[string]bool{}
	for _, x := range all {
		for _, k := range x.Keys {
			if x.Channel > 0 {
				channels[k.Text] = x.Channel
			}
			wrote[k.Text] = wrote[k.Text] || k.Use == capture.ForWriting
		}
	}
	for _, x := range all {
		for i := range x.Keys {
			k := &x.Keys[i]
			if wrote[k.Text] {
				k.Use = capture.ForWriting
			}
			if x.Channel == 0 {
				x.Channel = channels[k.Text]
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
		answer := "none"
		if x.Status > 0 {
			answer = fmt.Sprint(x.Status)
		}
		if x.Entry > 0 {
			answer += fmt.Sprintf(", entry %d", x.Entry)
		}
		rows = append(rows, []string{
			clock(x.At), x.Client.Addr().String(), screen.Line(x.Method + " " + x.Path), numberOrNone(x.Channel), answer, keysText(x.Keys),
			orDash(screen.Line(x.Agent)),
		})
	}
	if len(rows) == 0 {
		return nil
	}
	return a.showTable([]string{"ASKED (UTC)", "CLIENT", "REQUEST", "CHANNEL", "ANSWER", "KEYS", "PROGRAM"}, rows)
}

func exchangeJSONOf(x *capture.Exchange) exchangeJSON {
	j := exchangeJSON{
		At: x.At, Client: x.Client.String(), Hardware: known(x.Hardware), Server: x.Server.String(), Method: x.Method, Path: x.Path,
		Host: known(x.Host), Agent: known(x.Agent), Channel: known(x.Channel), Fields: append([]int{}, x.Fields...), Status: known(x.Status),
		Entry: known(x.Entry), Keys: []wireKeyJSON{},
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

func keysText(keys []capture.Key) string {
	var all []string
	for _, k := range keys {
		all = append(all, fmt.Sprintf("%s %s", k.Use, screen.Line(k.Text)))
	}
	return orDash(strings.Join(all, ", "))
}

// seenClient is what a recording shows of an address.
type seenClient struct {
	address  netip.Addr
	hardware string
	asked    int
	wrote    []int64
	agents   map[string]bool
	keys     map[capture.Key]bool
}

// showClients says of each address what it gave away beyond what stands in the feed: which entries are its own, and its keys.
func (a *app) showClients(all []*capture.Exchange) error {
	by := map[netip.Addr]*seenClient{}
	for _, x := range all {
		c := by[x.Client.Addr()]
		if c == nil {
			c = &seenClient{address: x.Client.Addr(), agents: map[string]bool{}, keys: map[capture.Key]bool{}}
			by[c.address] = c
		}
		c.asked++
		c.hardware = cmp.Or(c.hardware, x.Hardware)
		if x.Entry > 0 {
			c.wrote = append(c.wrote, x.Entry)
		}
		if x.Agent != "" {
			c.agents[screen.Line(x.Agent)] = true
		}
		for _, k := range x.Keys {
			c.keys[k] = true
		}
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
		if len(c.wrote) > 0 {
			b.WriteString("  " + wroteText(c.wrote) + "\n")
		}
		keys := slices.SortedFunc(maps.Keys(c.keys), func(x, y capture.Key) int { return cmp.Or(cmp.Compare(x.Use, y.Use), cmp.Compare(x.Text, y.Text)) })
		if len(keys) > 0 {
			b.WriteString("  keys           " + keysText(keys[:min(len(keys), mostListed)]) + "\n")
		}
	}
	if n := len(clients) - mostClients; n > 0 {
		b.WriteString("\n… and " + count(n, "more address") + "\n")
	}
	return a.printLines(b.String())
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
	if s.Unread > 0 {
		a.say("%s of something else than TCP, or damaged", count(s.Unread, "packet"))
	}
	if s.Lost > 0 {
		a.say("the recording lacks %d bytes of its connections", s.Lost)
	}
}
