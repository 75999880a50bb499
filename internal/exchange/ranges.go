package exchange

import (
	"slices"
	"sort"
)

// span is the entry numbers from first to last, both included.
type span struct{ first, last int64 }

// ranges is a set of entry numbers: spans in ascending order that neither overlap nor touch. A channel read without
// gaps is one span, however long it is.
type ranges []span

// numbers returns the set of the numbers from first to last, the empty set if last is below first.
func numbers(first, last int64) ranges {
	if last < first {
		return nil
	}
	return ranges{{first, last}}
}

// find returns the index of the first span that ends at n or after it.
func (r ranges) find(n int64) int {
	if len(r) == 0 || r[len(r)-1].last < n { // reading mostly adds at the end
		return len(r)
	}
	return sort.Search(len(r), func(i int) bool { return r[i].last >= n })
}

func (r ranges) has(n int64) bool {
	i := r.find(n)
	return i < len(r) && r[i].first <= n
}

// covers reports whether all numbers from first to last are in the set.
func (r ranges) covers(first, last int64) bool {
	if last < first {
		return true
	}
	i := r.find(first)
	return i < len(r) && r[i].first <= first && r[i].last >= last
}

func (r ranges) count() (n int64) {
	for _, s := range r {
		n += s.last - s.first + 1
	}
	return n
}

// highest returns the highest number, 0 of an empty set.
func (r ranges) highest() int64 {
	if len(r) == 0 {
		return 0
	}
	return r[len(r)-1].last
}

// lowest returns the lowest number, 0 of an empty set.
func (r ranges) lowest() int64 {
	if len(r) == 0 {
		return 0
	}
	return r[0].first
}

// fromTop returns the number of which k numbers of the set are not below, 0 if the set has fewer than k.
func (r ranges) fromTop(k int64) int64 {
	for _, s := range slices.Backward(r) {
		if size := s.last - s.first + 1; size >= k {
			return s.last - k + 1
		} else {
			k -= size
		}
	}
	return 0
}

// add puts the numbers from first to last into the set. It does nothing if last is below first.
func (r *ranges) add(first, last int64) {
	if last < first {
		return
	}
	i := r.find(first - 1) // a span that ends right before first grows
	j := i
	for j < len(*r) && (*r)[j].first <= last+1 {
		first = min(first, (*r)[j].first)
		last = max(last, (*r)[j].last)
		j++
	}
	if j == i+1 {
		(*r)[i] = span{first, last}
		return
	}
	*r = slices.Replace(*r, i, j, span{first, last})
}

// union returns a new set of what is in r or in other.
func (r ranges) union(other ranges) ranges {
	return append(make(ranges, 0, len(r)+len(other)), r...).with(other)
}

// with is union in the place of r, which is not to be used any more. Joining a page at once takes time in proportion to
// both at most, however a hostile relay scatters its numbers, and no memory for what is there already.
func (r ranges) with(other ranges) ranges {
	i, j := len(r)-1, len(other)-1
	end := len(r) + len(other)
	r = slices.Grow(r, len(other))[:end]
	at := end // of the spans that are joined: they are written from the end, in front of which is room for all others
	for j >= 0 || i >= 0 && at < end && r[i].last+1 >= r[at].first {
		var s span
		if j < 0 || i >= 0 && r[i].last >= other[j].last {
			s, i = r[i], i-1
		} else {
			s, j = other[j], j-1
		}
		if at < end && s.last+1 >= r[at].first {
			r[at].first = min(r[at].first, s.first)
		} else {
			at--
			r[at] = s
		}
	}
	return slices.Delete(r, i+1, at)
}

// minus returns a new set of what is in r and not in other.
func (r ranges) minus(other ranges) ranges {
	var rest ranges
	for _, s := range r {
		for i := other.find(s.first); s.first <= s.last; i++ {
			if i == len(other) || other[i].first > s.last {
				rest = append(rest, s)
				break
			}
			if s.first < other[i].first {
				rest = append(rest, span{s.first, other[i].first - 1})
			}
			s.first = other[i].last + 1
		}
	}
	return rest
}

// within returns what of the set is in a span.
func (r ranges) within(s span) ranges {
	i := r.find(s.first)
	var part ranges
	for ; i < len(r) && r[i].first <= s.last; i++ {
		part = append(part, span{max(r[i].first, s.first), min(r[i].last, s.last)})
	}
	return part
}

// missing returns the numbers from first to last that are not in the set.
func (r ranges) missing(first, last int64) ranges {
	return numbers(first, last).minus(r)
}

// intersect returns a new set of what is in both.
func (r ranges) intersect(other ranges) ranges { return r.minus(r.minus(other)) }

// list returns the numbers of the set.
func (r ranges) list() (ids []int64) {
	for _, s := range r {
		for n := s.first; n <= s.last; n++ {
			ids = append(ids, n)
		}
	}
	return ids
}

// bounded returns a set of at most most spans that has all of r: the lowest are one.
func (r ranges) bounded(most int) ranges {
	n := len(r) - most
	if n <= 0 {
		return r
	}
	return append(ranges{{r[0].first, r[n].last}}, r[n+1:]...)
}
