package relay

import (
	"container/list"
	"sync"
)

// sizedCache keeps what was used last, as much as a budget of bytes allows.
type sizedCache[K comparable, V any] struct {
	budget int

	// mu guards what follows, and the size and place of what is kept.
	mu    sync.Mutex
	all   map[K]*kept[K, V]
	order list.List // of *kept, the one used last in front
	total int
}

// kept is a value in a sizedCache. Whoever has it may go on using it when it was dropped.
type kept[K comparable, V any] struct {
	key   K
	value V
	size  int
	place *list.Element
}

// get returns what is kept under a key, which is new if there was nothing.
func (c *sizedCache[K, V]) get(key K) *kept[K, V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.all[key]
	if k == nil {
		if c.all == nil {
			c.all = map[K]*kept[K, V]{}
		}
		k = &kept[K, V]{key: key}
		k.place = c.order.PushFront(k)
		c.all[key] = k
	}
	c.order.MoveToFront(k.place)
	return k
}

// account notes how large something has become, and drops what was used longest ago.
func (c *sizedCache[K, V]) account(k *kept[K, V], size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[k.key] != k {
		return // dropped meanwhile
	}
	c.total += size - k.size
	k.size = size
	for c.total > c.budget {
		c.remove(c.order.Back().Value.(*kept[K, V]))
	}
}

// drop drops what is kept under some keys.
func (c *sizedCache[K, V]) drop(which func(K) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, k := range c.all {
		if which(key) {
			c.remove(k)
		}
	}
}

// remove drops one. The caller holds mu.
func (c *sizedCache[K, V]) remove(k *kept[K, V]) {
	c.order.Remove(k.place)
	delete(c.all, k.key)
	c.total -= k.size
}

// bytes is how much is kept.
func (c *sizedCache[K, V]) bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}
