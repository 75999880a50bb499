package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// A slow relay kept commands silent.
func TestASlowRelayIsTold(t *testing.T) {
	inBubble(t, limitsOf(t, 0, 0, 960), 0, nil, func(t *testing.T, s *relaytest.Server, ana *device) {
		ana.must("send", "hello")
		s.Inject(relaytest.Delay(4500 * time.Millisecond))
		ana.must("recv")
		const first = "still reading channel "
		if got := ana.stderr.String(); !strings.HasPrefix(got, first) || strings.Count(got, "\n") != 1 {
			t.Errorf("off a terminal recv says %q, want one line", got)
		}
		ana.terminal = true
		ana.must("recv")
		if got := ana.stderr.String(); strings.Count(got, first) < 2 || !strings.HasSuffix(got, "\r\x1b[K") || strings.Contains(got, "\n") {
			t.Errorf("on a terminal recv says %q, want a line that is drawn again and taken away", got)
		}
		ana.must("recv", "--quiet")
		if got := ana.stderr.String(); got != "" {
			t.Errorf("recv --quiet says %q", got)
		}
		ana.terminal = false
		ana.must("send", "--json", "again")
		if slow := ana.events()["slow"]; len(slow) == 0 || slow[0]["seconds"] != 3.0 || ana.stderr.Len() > 0 {
			t.Errorf("send --json prints %q, says %q", ana.stdout.String(), ana.stderr.String())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		s.Inject(relaytest.Hang())
		ana.runContext(ctx, "watch")
		if got := strings.Count(ana.stderr.String(), "still "); got != 1 {
			t.Errorf("watch says %d times that a relay is slow which it cannot reach: %s", got, ana.stderr.String())
		}
	})
}

// What is drawn on a terminal belongs to one at a time, and makes way for lines.
func TestStatusLineMakesWay(t *testing.T) {
	var out strings.Builder
	s := &statusLine{to: &out}
	s.draw(0, "slow")
	_, _ = s.Write([]byte("a line\n"))
	bar := s.take()
	s.draw(0, "slow")
	s.draw(bar, "bar")
	s.draw(bar, "bar")
	s.take() // a question
	s.draw(bar, "bar")
	if s.print(0, "slow") {
		t.Error("a question is disturbed")
	}
	s.give()
	s.give()
	s.print(0, "slow")
	if got, want := out.String(), "\rslow\x1b[K\r\x1b[Ka line\n\rbar\x1b[K\r\x1b[Kslow\n"; got != want {
		t.Errorf("the terminal gets %q, want %q", got, want)
	}
}
