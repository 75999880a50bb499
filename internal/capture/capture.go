// Package capture reads a recording of a network, as Wireshark and tcpdump make them, and tells which requests of plain
// HTTP everybody in that network could read, with their keys.
package capture

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"
)

// Summary is what a recording holds besides its requests.
type Summary struct {
	// Packets is how many there are, and Unread how many of them are no TCP, or are damaged.
	Packets, Unread int
	// Connections is how many there are, TLS how many of them are encrypted, and Others how many are neither that nor HTTP.
	Connections, TLS, Others int
	// Exchanges is how many requests there are, of which no more than [MostExchanges] were handed on.
	Exchanges int
	// Lost is how many bytes of connections the recording lacks.
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
	// mostConnections is how many connections are followed at once. Where there are more, all are begun anew: only what was in the
	// middle of a request then is lost.
	mostConnections = 4096
	// mostPages is how much is kept of segments that wait for one before them, in pages of 1,900 bytes: of all connections, and of one.
	mostPages, mostPagesEach = 16384, 256
	// mostOverhead is how many bytes of a recording may be something else than packets, which is kept: names, interfaces, secrets.
	mostOverhead = 16 << 20
)

// Read hands on the requests of a recording, each once its answer or the end of its connection came. Of a file that is damaged in its
// middle, what came before is good.
func Read(from io.Reader, visit func(*Exchange) error) (s Summary, err error) {
	packets, err := open(from)
	if err != nil {
		return s, err
	}
	r := &reader{summary: &s, visit: visit}
	pool := reassembly.NewStreamPool(r)
	assembler := reassembly.NewAssembler(pool)
	assembler.MaxBufferedPagesTotal, assembler.MaxBufferedPagesPerConnection = mostPages, mostPagesEach
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
		if !r.packet(assembler, data, info, link) {
			s.Unread++
		}
		if r.open > mostConnections {
			assembler.FlushAll()
		}
	}
	assembler.FlushAll()
	return s, errors.Join(r.failed, r.damaged)
}

// packets are those of a recording, in either format.
type packets struct {
	from *limited
	old  *pcapgo.Reader
	ng   *pcapgo.NgReader
}

func open(from io.Reader) (*packets, error) {
	head := bufio.NewReader(from)
	if magic, err := head.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		// Here and not in the library: what comes out of it is to be counted.
		unzipped, err := gzip.NewReader(head)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		head = bufio.NewReader(unzipped)
	}
	magic, err := head.Peek(4)
	if err != nil {
		return nil, ErrFormat
	}
	p := &packets{from: &limited{from: head, left: mostOverhead}}
	if string(magic) == "\x0a\x0d\x0d\x0a" {
		p.ng, err = pcapgo.NewNgReader(p.from, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
	} else {
		p.old, err = pcapgo.NewReader(p.from)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return p, nil
}

func (p *packets) next() (data []byte, info gopacket.CaptureInfo, link layers.LinkType, err error) {
	if p.old != nil {
		data, info, err = p.old.ReadPacketData()
		link = p.old.LinkType()
	} else {
		if data, info, err = p.ng.ReadPacketData(); err == nil && len(info.AncillaryData) > 0 {
			link, _ = info.AncillaryData[0].(layers.LinkType)
		}
	}
	p.from.left += int64(len(data))
	return data, info, link, err
}

// limited ends a file of which too much is no packet.
type limited struct {
	from io.Reader
	left int64
}

var errOverhead = fmt.Errorf("more than %d MiB of it are no packets", mostOverhead>>20)

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errOverhead
	}
	n, err := l.from.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// context hands a packet's date on to its stream.
type context struct {
	gopacket.CaptureInfo

	hardware string // address of the sender, as the network has it
}

func (c *context) GetCaptureInfo() gopacket.CaptureInfo { return c.CaptureInfo }

// packet takes a packet, and reports whether it is a whole one of TCP.
func (r *reader) packet(assembler *reassembly.Assembler, data []byte, info gopacket.CaptureInfo, link layers.LinkType) bool {
	// It recovers from whatever a damaged packet does to it.
	p := gopacket.NewPacket(data, link, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
	network := p.NetworkLayer()
	if !ok || network == nil {
		return false
	}
	c := &context{CaptureInfo: info}
	if ether, ok := p.LinkLayer().(*layers.Ethernet); ok {
		c.hardware = ether.SrcMAC.String()
	}
	assembler.AssembleWithContext(network.NetworkFlow(), tcp, c)
	return true
}

// reader is a reading under way.
type reader struct {
	summary         *Summary
	visit           func(*Exchange) error
	open            int // connections that are followed
	failed, damaged error
}

// New begins to follow a connection.
func (r *reader) New(network, transport gopacket.Flow, tcp *layers.TCP, ac reassembly.AssemblerContext) reassembly.Stream {
	r.open++
	r.summary.Connections++
	c := &connection{r: r}
	c.ends[0].address = address(network.Src(), transport.Src())
	c.ends[1].address = address(network.Dst(), transport.Dst())
	return c
}

func address(host, port gopacket.Endpoint) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(host.Raw())
	var n uint16
	if raw := port.Raw(); len(raw) == 2 {
		n = uint16(raw[0])<<8 | uint16(raw[1])
	}
	return netip.AddrPortFrom(ip.Unmap(), n)
}

// connection is one of TCP. Which of its ends asks and which answers shows by what they say.
type connection struct {
	r       *reader
	ends    [2]end
	asked   []*Exchange // without an answer yet, the oldest first
	isTLS   bool
	isHTTP  bool
	someone bool // has said something
}

// end is what one side of a connection says.
type end struct {
	address  netip.AddrPort
	hardware string
	message  message
}

// Accept takes every segment. Of a connection whose beginning is not in the recording, the first one that is begins it.
func (c *connection) Accept(
	tcp *layers.TCP, _ gopacket.CaptureInfo, dir reassembly.TCPFlowDirection, next reassembly.Sequence, start *bool,
	ac reassembly.AssemblerContext,
) bool {
	if next < 0 {
		*start = true
	}
	if from := c.from(dir); from.hardware == "" {
		if ac, ok := ac.(*context); ok {
			from.hardware = ac.hardware
		}
	}
	return true
}

func (c *connection) from(dir reassembly.TCPFlowDirection) *end {
	if dir == reassembly.TCPDirClientToServer {
		return &c.ends[0]
	}
	return &c.ends[1]
}

// ReassembledSG takes what one end has said next.
func (c *connection) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	dir, _, _, skipped := sg.Info()
	length, _ := sg.Lengths()
	data := sg.Fetch(length)
	from := c.from(dir)
	if skipped > 0 {
		c.r.summary.Lost += int64(skipped)
		from.message.skip(int64(skipped))
	}
	if len(data) == 0 {
		return
	}
	if !c.someone {
		c.someone = true
		c.isTLS = len(data) > 2 && data[0] == 22 && data[1] == 3 // a handshake, of version 3.x
	}
	at := sg.CaptureInfo(0).Timestamp
	to := c.from(!dir)
	for len(data) > 0 && !c.isTLS {
		var done *said
		data, done = from.message.take(data, at, c.isHead)
		if done == nil {
			continue
		}
		c.isHTTP = true
		if done.request != nil {
			c.asks(done, from, to)
		} else {
			c.answers(done)
		}
	}
}

// isHead reports whether the answer that comes next has no body: it answers HEAD.
func (c *connection) isHead() bool { return len(c.asked) > 0 && c.asked[0].Method == "HEAD" }

// mostAsked is how many requests of a connection wait for their answers.
const mostAsked = 100

func (c *connection) asks(m *said, from, to *end) {
	if len(c.asked) >= mostAsked {
		c.tell(c.asked[0])
		c.asked = c.asked[1:]
	}
	c.asked = append(c.asked, exchangeOf(m, from, to))
}

func (c *connection) answers(m *said) {
	if len(c.asked) == 0 {
		return
	}
	x := c.asked[0]
	c.asked = c.asked[1:]
	x.answered(m)
	c.tell(x)
}

func (c *connection) tell(x *Exchange) {
	r := c.r
	if r.summary.Exchanges++; r.summary.Exchanges <= MostExchanges && r.failed == nil {
		r.failed = r.visit(x)
	}
}

// ReassemblyComplete ends a connection.
func (c *connection) ReassemblyComplete(reassembly.AssemblerContext) bool {
	for i := range c.ends { // an answer may last until the connection ends
		if m := c.ends[i].message.end(); m != nil && m.request == nil {
			c.answers(m)
		}
	}
	for _, x := range c.asked {
		c.tell(x)
	}
	c.asked = nil
	c.r.open--
	switch {
	case c.isTLS:
		c.r.summary.TLS++
	case c.someone && !c.isHTTP:
		c.r.summary.Others++
	}
	return true
}
