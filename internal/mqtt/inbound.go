package mqtt

import (
	"errors"
	"net"
)

// maxInbound is how many bytes a packet to a client may have.
const maxInbound = 256 << 10

// errInbound ends a connection over which something came that no broker may send.
var errInbound = errors.New("the broker breaks the protocol, or sends too much at once")

// lastRefusal is the highest return code of a CONNACK (MQTT 3.1.1, section 3.2.2.3).
const lastRefusal = 5

// inbound is a client's connection, which lets through only what the library can bear: it takes the memory for a packet before
// that has come, remembers messages of QoS 2 until they are released, and panics at a SUBACK for more than was asked for.
type inbound struct {
	net.Conn
	heard func() // called when something has come, if not nil

	kind byte // of the packet that is coming, with its flags
	head int  // bytes of its fixed header that have come, 0 between packets
	left int  // bytes that are to come behind the header
}

// Read is part of [net.Conn].
func (c *inbound) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.heard != nil {
		c.heard()
	}
	if !c.bears(p[:n]) {
		return 0, errInbound
	}
	return n, err
}

// bears goes on with what has come, and reports whether it may go through.
func (c *inbound) bears(p []byte) bool {
	for len(p) > 0 {
		switch {
		case c.head > 0:
			c.left |= int(p[0]&0x7f) << (7 * (c.head - 1))
			if p[0] < 0x80 {
				c.head = 0
			} else if c.head++; c.head > 4 {
				return false
			}
			if c.left > maxInbound || c.head == 0 && !allowed(c.kind, c.left) {
				return false
			}
			p = p[1:]
		case c.left > 0:
			n := min(c.left, len(p))
			// A code that MQTT does not know counts as none for the library: it would go on with a connection that it has closed.
			if c.left -= n; c.left == 0 && c.kind>>4 == 2 && p[n-1] > lastRefusal {
				return false
			}
			p = p[n:]
		default:
			c.kind, c.head, p = p[0], 1, p[1:]
		}
	}
	return true
}

// allowed reports whether a broker may send a client a packet whose first byte is kind, with so many bytes behind its header.
func allowed(kind byte, length int) bool {
	switch kind >> 4 {
	case 2, 4, 5, 7, 11: // CONNACK, PUBACK, PUBREC, PUBCOMP, UNSUBACK
		return length == 2
	case 3: // PUBLISH: QoS 0 is what was asked for
		return kind&0x06 == 0
	case 9: // SUBACK of one filter
		return length == 3
	case 13: // PINGRESP
		return length == 0
	}
	return false
}
