package record

import "slices"

// Undo remembers how to put back what was changed. A nil Undo remembers nothing.
type Undo struct{ steps []func() }

// Add remembers one step back.
func (u *Undo) Add(step func()) {
	if u != nil {
		u.steps = append(u.steps, step)
	}
}

// Back takes all steps back, the last one first.
func (u *Undo) Back() {
	for _, step := range slices.Backward(u.steps) {
		step()
	}
	u.steps = nil
}

// Put sets what a map has under a key. What it had before must not be changed in place.
func Put[K comparable, V any](u *Undo, m map[K]V, key K, value V) {
	remember(u, m, key)
	m[key] = value
}

// Drop deletes what a map has under a key.
func Drop[K comparable, V any](u *Undo, m map[K]V, key K) {
	remember(u, m, key)
	delete(m, key)
}

func remember[K comparable, V any](u *Undo, m map[K]V, key K) {
	if u == nil {
		return
	}
	if before, ok := m[key]; ok {
		u.Add(func() { m[key] = before })
	} else {
		u.Add(func() { delete(m, key) })
	}
}
