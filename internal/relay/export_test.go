package relay

// LinesKept is how many bytes the cache of lines accounts for.
func (r *Relay) LinesKept() int { return r.lines.bytes() }
