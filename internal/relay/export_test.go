package relay

// LinesKept is how many bytes the cache of lines accounts for.
func (r *Relay) LinesKept() int { return r.lines.bytes() }

// BlocksKept is how many bytes the cache of encoded entries accounts for.
func (r *Relay) BlocksKept() int { return r.blocks.bytes() }
