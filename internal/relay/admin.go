package relay

import "github.com/fernpost/fernpost/internal/thingspeak"

// What follows is for whoever operates a relay.

// CacheBytes is how much memory the encoded entries take that are kept for readers.
func (r *Relay) CacheBytes() int { return r.lines.bytes() + r.blocks.bytes() }

// CheckEntry tells why no update with this entry would be taken, whatever its channel and time: ErrTooLarge or ErrBytes.
func (r *Relay) CheckEntry(e *thingspeak.Entry) error { return r.checkEntry(e) }
