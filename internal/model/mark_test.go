package model

import "testing"

// FuzzParseMark: what is taken for a mark is written as it was read, and never below zero.
func FuzzParseMark(f *testing.F) {
	for _, s := range []string{"", "0-0", "7-9", "-1-0", "1--1", "1-0-0", "01-0", "+1-0", "9223372036854775808-0", "1", "1-0\n", "١-٠"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMark(s)
		if err == nil && (m.String() != s || m.Message < 0 || m.Event < 0) {
			t.Errorf("%q is %+v", s, m)
		}
		if err != nil && m != (Mark{}) {
			t.Errorf("%q is refused as %+v", s, m)
		}
	})
}
