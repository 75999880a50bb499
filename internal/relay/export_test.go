package relay

// LinesKept is how many bytes the cache of lines accounts for.
func (r *Relay) LinesKept() int {
	r.lines.mu.Lock()
	defer r.lines.mu.Unlock()
	return r.lines.total
}
