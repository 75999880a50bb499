package web

import (
	"strings"
	"testing"
)

// TestJournalForgetsTheOldest: what is kept is bounded in lines and bytes, and whoever reads goes on behind what is gone.
func TestJournalForgetsTheOldest(t *testing.T) {
	t.Parallel()
	j := newJournal()
	for range maxLines + 10 {
		j.add(1)
	}
	lines, next, _ := j.from(0)
	if len(lines) != maxLines || next != maxLines+10 {
		t.Fatalf("%d lines are kept, and the next is %d", len(lines), next)
	}
	large := strings.Repeat("x", maxBytes/4)
	for range 10 {
		j.add(large)
	}
	if lines, next, _ = j.from(next); len(lines) != 3 || next != maxLines+20 || j.size > maxBytes {
		t.Fatalf("%d large lines are kept, of %d bytes, and the next is %d", len(lines), j.size, next)
	}
	j.add(strings.Repeat("x", 2*maxBytes)) // the newest is kept whatever it is
	if lines, _, _ = j.from(next); len(lines) != 1 {
		t.Fatalf("of one that is too large %d are kept", len(lines))
	}
	_, _, changed := j.from(0)
	j.reset("anew")
	<-changed
	if lines, _, _ := j.from(0); len(lines) != 1 || string(lines[0]) != "\"anew\"\n" {
		t.Fatalf("after a reset there is %q", lines)
	}
}
