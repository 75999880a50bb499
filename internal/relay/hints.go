package relay

import "sync"

// hints are values that were looked up, of which those used of late are remembered. Whoever takes one checks it.
type hints[K comparable, V any] struct {
	// most is how many are remembered, at least.
	most int

	// mu guards both maps. When young is full it becomes old, so that what is in use is never forgotten.
	mu         sync.Mutex
	young, old map[K]V
}

func (h *hints[K, V]) get(key K) (value V, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if value, known = h.young[key]; known {
		return value, true
	}
	if value, known = h.old[key]; known {
		h.add(key, value)
	}
	return value, known
}

func (h *hints[K, V]) put(key K, value V) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(key, value)
}

func (h *hints[K, V]) drop(key K) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.young, key)
	delete(h.old, key)
}

// add does the work of put; the caller holds mu.
func (h *hints[K, V]) add(key K, value V) {
	if _, known := h.young[key]; !known && len(h.young) >= h.most {
		h.young, h.old = nil, h.young
	}
	if h.young == nil {
		h.young = map[K]V{}
	}
	h.young[key] = value
}
