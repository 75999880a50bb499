package outside

import (
	"encoding/binary"
	"time"
)

// Wire is one request to the relay as it was seen on the way.
type Wire struct {
	// Entry is the number that the relay has answered, 0 if it has stored nothing.
	Entry int64 `json:"entry"`
	// From is the address and port of the device, and At when the request had come, in Unix milliseconds.
	From string `json:"from"`
	At   int64  `json:"at"`
	// Bytes is how long it was. Request is all of it, or its beginning; with TLS that is not to be seen, and Records are.
	Bytes   int      `json:"bytes"`
	Request []byte   `json:"request,omitempty"`
	Records []Record `json:"records,omitempty"`
	// Status is the status of the answer.
	Status int `json:"status"`
}

// Record is a record of TLS (RFC 8446, section 5.1) as it is seen from outside.
type Record struct {
	Kind   string `json:"kind"`
	Length int    `json:"length"`
}

// NewWire tells of a request what everybody on the way has seen of it.
func NewWire(from string, at time.Time, wire []byte, came int, tls bool) Wire {
	w := Wire{From: from, At: at.UnixMilli(), Bytes: came}
	if tls {
		w.Records = Records(wire)
	} else {
		w.Request = wire
	}
	return w
}

// recordKinds are the content types of TLS.
var recordKinds = map[byte]string{20: "change cipher spec", 21: "alert", 22: "handshake", 23: "application data"}

// Records lists the records of TLS in what was seen on a connection from one of their beginnings on. What is no record ends the list.
func Records(b []byte) []Record {
	const header = 5
	var all []Record
	for len(b) >= header {
		kind, ok := recordKinds[b[0]]
		if !ok || b[1] != 3 {
			break
		}
		length := int(binary.BigEndian.Uint16(b[3:header]))
		all = append(all, Record{kind, length})
		b = b[min(len(b), header+length):]
	}
	return all
}
