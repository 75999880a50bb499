package relay

import "testing"

// TestHints: what is used again and again stays, the rest is forgotten in time.
func TestHints(t *testing.T) {
	h := hints[int, string]{most: 10}
	h.put(1, "one")
	h.put(2, "two")
	for n := range 1000 {
		h.put(100+n, "")
		if v, known := h.get(1); !known || v != "one" {
			t.Fatalf("after %d others get(1) = %q, %v", n, v, known)
		}
		if held := len(h.young) + len(h.old); held > 20 {
			t.Fatalf("%d are held, want at most 20", held)
		}
	}
	if v, known := h.get(2); known {
		t.Errorf("what nobody asked for is still there: %q", v)
	}
	h.put(1, "uno")
	if v, _ := h.get(1); v != "uno" {
		t.Errorf("after another put get(1) = %q", v)
	}
	for range 10 {
		h.drop(1)
		if v, known := h.get(1); known {
			t.Errorf("after drop get(1) = %q", v)
		}
	}
}
