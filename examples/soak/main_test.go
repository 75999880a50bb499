package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// A short run loses nothing, and says what it has done.
func TestSoak(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"-for", "4s", "-rooms", "2", "-json"}, &out); err != nil {
		t.Fatal(err)
	}
	var f figures
	if err := json.Unmarshal([]byte(out.String()), &f); err != nil {
		t.Fatal(err)
	}
	if f.Rooms != 2 || f.Entries == 0 || f.Kills+f.Cuts == 0 || f.Lost+f.Doubled > 0 {
		t.Errorf("it prints %s", out.String())
	}
}

// What is missing, twice there or written by nobody is counted.
func TestJudge(t *testing.T) {
	var s soak
	r := &room{kept: map[string]bool{"a": true, "b": true, "c": true}, begun: map[string]bool{"a": true, "b": true, "c": true, "d": true}}
	s.judge(r, map[string]int{"a": 1, "b": 2, "d": 1, "e": 1})
	if s.Lost != 1 || s.Doubled != 2 || s.Entries != 4 {
		t.Errorf("lost %d, doubled %d of %d", s.Lost, s.Doubled, s.Entries)
	}
}
