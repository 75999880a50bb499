package cli

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
)

// drawnSoFar returns what was written so far; the line may just be drawn again.
func (s *statusLine) drawnSoFar(out *bytes.Buffer) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return out.String()
}

// While fernpost computed for long it said nothing.
func TestWhatTakesLongIsSaidOnATerminal(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			a := &app{stderrTerminal: terminal, getenv: func(string) string { return "" }, width: 80, status: &statusLine{to: &out}}
			done := a.computing(func() string { return "doing sums" })
			time.Sleep(computingAfter - time.Millisecond)
			synctest.Wait()
			if got := a.status.drawnSoFar(&out); got != "" {
				t.Fatalf("at once it says %q", got)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got := a.status.drawnSoFar(&out); strings.Contains(got, "still doing sums: 4s") != terminal || !terminal && got != "" {
				t.Fatalf("terminal %t: it says %q", terminal, got)
			}
			done()
			if got := a.status.drawnSoFar(&out); terminal && !strings.HasSuffix(got, "\r\x1b[K") {
				t.Errorf("at the end stands %q", got)
			}
			done() // does no harm
		})
	}
}

// Two lines that are drawn in one place are none: a slow relay goes before.
func TestASlowRelayIsSaidInPlaceOfComputing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		a := &app{stderrTerminal: true, getenv: func(string) string { return "" }, width: 80, status: &statusLine{to: &out}}
		defer a.computing(func() string { return "doing sums" })()
		a.slow(exchange.SlowCall{Doing: "reading", Host: "relay", For: 3 * time.Second})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := a.status.drawnSoFar(&out); strings.Contains(got, "sums") || !strings.Contains(got, "no answer from relay") {
			t.Errorf("it says %q", got)
		}
		a.slow(exchange.SlowCall{Over: true})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := a.status.drawnSoFar(&out); !strings.Contains(got, "sums") {
			t.Errorf("once the relay has answered it says %q", got)
		}
	})
}
