package main

import (
	"strings"
	"testing"
	"time"
)

func TestWhoIsAheadIsSaidAlsoWhereItIsTheOther(t *testing.T) {
	b := bench{
		rows: []row{
			{What: "send", Ours: 20 * time.Millisecond, Other: "Python script", Their: 400 * time.Millisecond},
			{What: "deliver", Ours: 1500 * time.Microsecond, Other: "mosquitto", Their: 300 * time.Microsecond, Note: "nothing is kept there"},
			{What: "update", Ours: time.Millisecond, Other: "a file", Their: 1010 * time.Microsecond},
		},
		growth:  []grown{{"send, by rooms", []point{{1, 42 * time.Millisecond}, {300, 1234567 * time.Microsecond}}}},
		missing: []string{"/encrypt: there is no python3 with the module flask"},
	}
	var out strings.Builder
	if err := b.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"send     20ms      Python script  400ms   20.00  fernpost\n",
		"deliver  1.5ms     mosquitto      300µs   0.20   mosquitto\n",
		"update   1ms       a file         1.01ms  1.01   nobody\n",
		"deliver: nothing is kept there\n",
		"  300  1.23s\n",
		"not compared: /encrypt: there is no python3 with the module flask\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestMedianIsTheMiddle(t *testing.T) {
	times := []time.Duration{9, 1, 5}
	if got := median(times); got != 5 || times[0] != 9 {
		t.Errorf("median = %v, and %v", got, times)
	}
}
