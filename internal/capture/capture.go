// Package capture reads a recording of a network, as Wireshark and tcpdump make them, and tells which requests of plain
// HTTP everybody in that network could read, with their keys.
package capture

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/reassembly"
)

// Summary is what a recording holds besides its requests.
type Summary struct {
	// Packets is how many there are, and Unread how many of them are no TCP, or are damaged. Of these, Fragments are parts of packets
	// of IP, Sealed are frames of a Wi-Fi that are encrypted, and Foreign came over a kind of network that is not known here.
	Packets, Unread, Fragments, Sealed, Foreign int
	// Connections is how many begin or say something, TLS how many of them are encrypted, and Others how many are neither that nor HTTP.
	Connections, TLS, Others int
	// Exchanges is how many requests there are, of which no more than [MostExchanges] were handed on.
	Exchanges int
	// Lost is how many bytes of connections the recording lacks between others.
	Lost int64
	// Cut says that the recording ends in the middle of a packet.
	Cut bool
	// First and Last are when its first and its last packet came.
	First, Last time.Time
}

// MostExchanges is how many requests are handed on.
const MostExchanges = 20_000

// ErrFormat means that a file is no recording.
var ErrFormat = errors.New("this is no recording of a network (pcap, pcapng)")

const (
	// mostConnections is how many connections are followed at once. Where there are more, those end of which nothing came for as long
	// as idle; if that is not enough, all do.
	mostConnections = 4096
	idle            = 2 * time.Minute
	// mostPages is how much is kept of segments that wait for one before them, in pages of 1,900 bytes: of all connections, and of one.
	mostPages, mostPagesEach = 16384, 256
	// mostHeld is how many bytes are kept of messages that are under way. Where it is more, connections end as where they are too many.
	mostHeld = 128 << 20
)

// Read hands on the requests of a recording, each once its answer or the end of its connection came. Of a file that is damaged in its
// middle, what came before is good.
func Read(from io.Reader, visit func(*Exchange) error) (s Summary, err error) {
	packets, err := open(from)
	if err != nil {
		return s, err
	}
	r := newReader(&s, visit)
	for r.failed == nil {
		data, info, link, err := packets.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			s.Cut = true
			break
		}
		if err != nil {
			r.damaged = fmt.Errorf("behind %d packets: %w", s.Packets, err)
			break
		}
		s.Packets++
		if s.First.IsZero() {
			s.First = info.Timestamp
		}
		s.Last = info.Timestamp
		if !r.packet(data, info, link) {
			s.Unread++
		}
		r.bound(info.Timestamp)
	}
	r.assembler.FlushAll()
	return s, errors.Join(r.failed, r.damaged)
}

// reader is a reading under way.
type reader struct {
	summary         *Summary
	visit           func(*Exchange) error
	assembler       *reassembly.Assembler
	connections     map[pair]*connection // the last one between two ends
	begun           uint64               // connections
	open            int                  // of them
	held            int                  // bytes of what these say
	failed, damaged error
}

func newReader(s *Summary, visit func(*Exchange) error) *reader {
	r := &reader{summary: s, visit: visit, connections: map[pair]*connection{}}
	r.assembler = reassembly.NewAssembler(reassembly.NewStreamPool(r))
	r.assembler.MaxBufferedPagesTotal, r.assembler.MaxBufferedPagesPerConnection = mostPages, mostPagesEach
	return r
}

// packet takes a packet, and reports whether it is a whole one of TCP.
func (r *reader) packet(data []byte, info gopacket.CaptureInfo, link layers.LinkType) bool {
	// It recovers from whatever a damaged packet does to it.
	p := gopacket.NewPacket(data, link, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
	network := p.NetworkLayer()
	if !ok || network == nil {
		r.unread(p, link)
		return false
	}
	from, to := address(network.NetworkFlow().Src(), tcp.SrcPort), address(network.NetworkFlow().Dst(), tcp.DstPort)
	c, side := r.connectionOf(from, to, tcp)
	if c == nil || c.over { // or what is sent again behind the end would be told again
		return true
	}
	c.notes(side, tcp, max(info.Length-info.CaptureLength, 0))
	if e := &c.ends[side]; e.hardware == "" {
		e.hardware = hardware(p)
	}
	r.assembler.AssembleWithContext(c.flow(side), tcp, &context{CaptureInfo: info, connection: c})
	return true
}

// hardware is the sender's address in its own network, "" if the recording has none.
func hardware(p gopacket.Packet) string {
	switch link := p.LinkLayer().(type) {
	case *layers.Ethernet:
		return link.SrcMAC.String()
	case *layers.LinuxSLL:
		return link.Addr.String()
	case *layers.LinuxSLL2:
		return link.Addr.String()
	}
	if frame, ok := p.Layer(layers.LayerTypeDot11).(*layers.Dot11); ok {
		return frame.Address2.String()
	}
	return ""
}

// unread notes why a packet could not be read, where that can be told.
func (r *reader) unread(p gopacket.Packet, link layers.LinkType) {
	frame, wireless := p.Layer(layers.LayerTypeDot11).(*layers.Dot11)
	switch {
	case wireless && frame.Flags.WEP():
		r.summary.Sealed++
	case p.Layer(gopacket.LayerTypeFragment) != nil || p.Layer(layers.LayerTypeIPv6Fragment) != nil:
		r.summary.Fragments++
	case int(link) >= len(layers.LinkTypeMetadata) || layers.LinkTypeMetadata[link].DecodeWith == nil:
		r.summary.Foreign++
	}
}

// bound ends connections where too many are open, and forgets those that are over.
func (r *reader) bound(now time.Time) {
	if r.open > mostConnections || r.held > mostHeld {
		r.assembler.FlushCloseOlderThan(now.Add(-idle))
		if r.open > mostConnections*3/4 || r.held > mostHeld*3/4 { // or the next packets would look for idle ones again, all in vain
			r.assembler.FlushAll()
		}
	}
	if len(r.connections) > 2*mostConnections {
		for ends, c := range r.connections {
			if c.over {
				delete(r.connections, ends)
			}
		}
	}
}

// context hands a packet's date and connection on to its stream.
type context struct {
	gopacket.CaptureInfo

	connection *connection
}

func (c *context) GetCaptureInfo() gopacket.CaptureInfo { return c.CaptureInfo }

// New begins to follow a connection.
func (r *reader) New(_, _ gopacket.Flow, _ *layers.TCP, ac reassembly.AssemblerContext) reassembly.Stream {
	return ac.(*context).connection
}
