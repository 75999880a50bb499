package relay

import "time"

// longestAge bounds how long before the receipt an entry of a bulk call may lie. It keeps sums of strangers' numbers
// from overflowing.
const longestAge = 100 * 366 * 24 * time.Hour

// Backdate dates the entries of a bulk call by the time that lay between them: steps[i] is what passed from entry i-1
// to entry i. The last one is of the time of receipt; what the service takes for the anchor is not known (contract
// section 6.1). Nothing is dated back by more than a century.
func Backdate(entries []NewEntry, steps []time.Duration) {
	age := time.Duration(0)
	for i := len(entries) - 1; i >= 0; i-- {
		entries[i].Age = age
		age = min(age+min(max(0, steps[i]), longestAge), longestAge)
	}
}
