package cli

import (
	"strings"
	"testing"
)

// A message on the same terminal is not printed behind the line that is drawn again and again.
func TestStatusLineMakesWayForMessages(t *testing.T) {
	var terminal strings.Builder
	s := &statusLine{to: &terminal}
	out := s.beside(&terminal)
	s.draw(0, "by polling, last heard 3s ago")
	if _, err := out.Write([]byte("bo: hello\n")); err != nil {
		t.Fatal(err)
	}
	s.draw(0, "by polling, last heard 3s ago")
	want := "\rby polling, last heard 3s ago\x1b[K" + "\r\x1b[K" + "bo: hello\n" + "\rby polling, last heard 3s ago\x1b[K"
	if terminal.String() != want {
		t.Errorf("the terminal got %q, want %q", terminal.String(), want)
	}
}
