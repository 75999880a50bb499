package capture

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/reassembly"
)

// pair is the two ends of a connection, the lesser one first.
type pair [2]netip.AddrPort

func address(host gopacket.Endpoint, port layers.TCPPort) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(host.Raw())
	return netip.AddrPortFrom(ip.Unmap(), uint16(port))
}

// connection is one of TCP. Which of its ends asks and which answers shows by what they say.
type connection struct {
	r       *reader
	number  uint64
	ends    [2]end      // the one that was heard first, and the other
	asked   []*Exchange // without an answer yet, the oldest first
	early   *said       // an answer whose request has not come whole
	isTLS   bool
	isHTTP  bool
	someone bool // has said something
	over    bool
	held    int // bytes of what is under way
}

// end is what one side of a connection says.
type end struct {
	address  netip.AddrPort
	hardware string
	message  message

	greeted bool // has sent a SYN, with this number
	initial uint32
	spoke   bool   // has sent bytes
	next    uint32 // number of the one behind the last, or behind the SYN
	closed  bool   // says no more
}

// farthest is how many bytes a segment may be away from the one before it. What is farther away belongs to another connection between
// the same two ends, of which the recording lacks the beginning.
const farthest = 16 << 20

// connectionOf returns the connection that a segment belongs to, a new one if need be, and which of its ends has sent it; nil of a
// segment that says nothing and belongs to none.
func (r *reader) connectionOf(from, to netip.AddrPort, tcp *layers.TCP) (c *connection, side int) {
	ends := pair{from, to}
	if to.Compare(from) < 0 {
		ends = pair{to, from}
	}
	if c = r.connections[ends]; c != nil {
		if from != c.ends[0].address {
			side = 1
		}
		if !c.isAnother(side, tcp) {
			return c, side
		}
	} else if !tcp.SYN && len(tcp.Payload) == 0 {
		return nil, 0
	}
	r.begun++
	r.open++
	r.summary.Connections++
	c = &connection{r: r, number: r.begun}
	c.ends[0].address, c.ends[1].address = from, to
	r.connections[ends] = c
	return c, 0
}

// isAnother reports whether a segment belongs to another connection than c, which came before it between the same two ends. The end of
// c may be lacking: a board that is switched off says nothing more, and begins again with the same port and often the same number.
func (c *connection) isAnother(side int, tcp *layers.TCP) bool {
	e, other := &c.ends[side], &c.ends[1-side]
	if tcp.SYN {
		// Whoever answers a SYN may do it again after the other has spoken, whose acknowledgement was lost.
		return c.over || e.spoke || other.spoke && !tcp.ACK || e.greeted && e.initial != tcp.Seq
	}
	if len(tcp.Payload) == 0 {
		return false
	}
	if !e.spoke && !e.greeted { // next is not known
		return c.over || e.closed
	}
	ahead := int64(int32(tcp.Seq - e.next))
	again := ahead < 0 && ahead >= -farthest // what was sent before
	return !again && (c.over || e.closed || ahead < 0 || ahead > farthest)
}

// notes notes of a segment what tells the next connection from this one.
func (c *connection) notes(side int, tcp *layers.TCP, lacking int) {
	e := &c.ends[side]
	if tcp.SYN {
		e.greeted, e.initial, e.next = true, tcp.Seq, tcp.Seq+1
	}
	if len(tcp.Payload) > 0 {
		e.spoke, e.next = true, tcp.Seq+uint32(len(tcp.Payload)+lacking)
	}
}

// flow names the connection for the library, which else would take all between two ends for one.
func (c *connection) flow(side int) gopacket.Flow {
	var names [2][9]byte
	for i := range names {
		binary.BigEndian.PutUint64(names[i][:], c.number)
		names[i][8] = byte(i)
	}
	return gopacket.NewFlow(layers.EndpointIPv6, names[side][:], names[1-side][:])
}

// Accept takes every segment. Of a connection whose beginning is not in the recording, the first one that is begins it.
func (c *connection) Accept(
	_ *layers.TCP, _ gopacket.CaptureInfo, _ reassembly.TCPFlowDirection, next reassembly.Sequence, start *bool,
	_ reassembly.AssemblerContext,
) bool {
	if next < 0 {
		*start = true
	}
	return true
}

// from returns the end that has sent something, and the other.
func (c *connection) from(dir reassembly.TCPFlowDirection) (from, to *end) {
	if dir == reassembly.TCPDirClientToServer {
		return &c.ends[0], &c.ends[1]
	}
	return &c.ends[1], &c.ends[0]
}

// ReassembledSG takes what one end has said next.
func (c *connection) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	dir, _, last, skipped := sg.Info()
	length, _ := sg.Lengths()
	data := sg.Fetch(length)
	from, to := c.from(dir)
	from.closed = from.closed || last
	defer c.weigh()
	if skipped > 0 {
		c.r.summary.Lost += int64(skipped)
		c.takes(from.message.skip(int64(skipped)), from, to)
	}
	if len(data) == 0 {
		return
	}
	if !c.someone {
		c.someone = true
		c.isTLS = len(data) > 2 && data[0] == 22 && data[1] == 3 // a handshake, of version 3.x
	}
	at := sg.CaptureInfo(0).Timestamp
	for len(data) > 0 && !c.isTLS {
		var done *said
		data, done = from.message.take(data, at, c.isHead)
		c.takes(done, from, to)
	}
}

// weigh counts what is kept of what the ends say.
func (c *connection) weigh() {
	before := c.held
	c.held = 0
	for i := range c.ends {
		c.held += cap(c.ends[i].message.line) + cap(c.ends[i].message.body)
	}
	if c.early != nil {
		c.held += cap(c.early.body)
	}
	c.r.held += c.held - before
}

// takes takes a message, if it is one.
func (c *connection) takes(m *said, from, to *end) {
	switch {
	case m == nil:
		return
	case m.request != nil:
		c.asks(m, from, to)
	default:
		c.answers(m, to)
	}
	c.isHTTP = true
}

// isHead reports whether the answer that comes next has no body: it answers HEAD.
func (c *connection) isHead() bool { return len(c.asked) > 0 && c.asked[0].Method == "HEAD" }

// mostAsked is how many requests of a connection wait for their answers.
const mostAsked = 20

func (c *connection) asks(m *said, from, to *end) {
	if len(c.asked) >= mostAsked {
		c.tell(c.asked[0])
		c.asked = c.asked[1:]
	}
	c.asked = append(c.asked, exchangeOf(m, from, to))
	if early := c.early; early != nil {
		c.early = nil
		c.answers(early, from)
	}
}

// answers takes an answer to what asker has asked.
func (c *connection) answers(m *said, asker *end) {
	if len(c.asked) == 0 {
		// Where the end of a request is lacking, that shows later than its answer comes. Any other answer is to a request before the
		// recording began.
		if c.early == nil && asker.message.underWay() {
			c.early = m
		}
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
	// Requests first: an answer may last until the connection ends.
	for _, asking := range []bool{true, false} {
		for i := range c.ends {
			if from := &c.ends[i]; from.message.asks() == asking {
				c.takes(from.message.end(), from, &c.ends[1-i])
			}
		}
	}
	for _, x := range c.asked {
		c.tell(x)
	}
	c.asked, c.early, c.over = nil, nil, true
	c.weigh()
	c.r.open--
	switch {
	case c.isTLS:
		c.r.summary.TLS++
	case c.someone && !c.isHTTP:
		c.r.summary.Others++
	}
	return true
}
