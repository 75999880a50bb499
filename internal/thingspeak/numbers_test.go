package thingspeak

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"
)

func TestJSONNumber(t *testing.T) {
	for text, want := range map[string]string{
		"21.50": "21.50", "-3": "-3", "0": "0", "1e-05": "1e-05", " 7 ": "7", "0.1": "0.1",
		"+5": "5", "05": "5", "-.5": "-0.5", "5.": "5", "5.e1": "50", "-0": "-0", "00": "0",
		"": "", "NaN": "", "Inf": "", "0x10": "", "1_000": "", "21,5": "", "1e999": "", "-": "", "e": "", ".": "", "1 2": "",
	} {
		if got, ok := JSONNumber(text); got != want || ok != (want != "") {
			t.Errorf("JSONNumber(%q) = %q, %v, want %q", text, got, ok, want)
		}
	}
}

// Whatever a sensor sends, what passes for a number of JSON is one, and the same.
func FuzzJSONNumber(f *testing.F) {
	for _, s := range []string{"1", "-0.5e+7", "007", "+.5", "1.", "9e999", "--1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		number, ok := JSONNumber(s)
		if !ok {
			return
		}
		var got float64
		if err := json.Unmarshal([]byte(number), &got); err != nil {
			t.Fatalf("%q became %q: %v", s, number, err)
		}
		if again, err := strconv.ParseFloat(number, 64); err != nil || again != got || math.IsInf(got, 0) {
			t.Fatalf("%q became %q: %v", s, number, err)
		}
	})
}
