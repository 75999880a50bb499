package cheat

import (
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// cycle is how many posts it takes until the lies begin anew.
const cycle = 10

// backdatedBy is how far back a back-dated entry is moved.
const backdatedBy = 24 * time.Hour

// feed is a channel's feed at one moment, as one half of the readers is shown it.
type feed struct {
	lies Lies
	// version is 0 or 1: which half of the readers.
	version int
	// posted is how many entries were posted.
	posted int64
}

// shown is what stands in the place of an entry.
type shown struct {
	// post is the post that is shown, counted from 1 in its cycle, and dated the one whose date it bears.
	post, dated        int
	altered, backdated bool
}

// show returns what is shown of a cycle of which some posts are there, in order of number.
func (f feed) show(posts int) []shown {
	var all []shown
	for post := 1; post <= posts; post++ {
		s := shown{post: post, dated: post}
		switch {
		case post == 2 && f.lies.Has(Alter):
			s.altered = posts > post
		case post == 3 && f.lies.Has(Drop):
			continue
		case post == 4 && f.lies.Has(Backdate):
			s.backdated = true
		case post == 5 && f.lies.Has(Repeat):
			all = append(all, s)
			s.post = 1
		case post == 6 && f.lies.Has(Reorder):
			continue
		case post == 7 && f.lies.Has(Reorder):
			// Dates belong to the places: with them a reader could put the two in order.
			all = append(all, shown{post: 7, dated: 6})
			s.post = 6
		case (post == 8 && f.version == 1 || post == 9 && f.version == 0) && f.lies.Has(Fork):
			continue
		}
		all = append(all, s)
	}
	return all
}

// cycles returns the first and the last cycle of which something is shown, counted from 0, and how many posts of the
// last one are there. The feed is not empty.
func (f feed) cycles() (first, last int64, posts int) {
	last = (f.posted - 1) / cycle
	if f.lies.Has(Wipe) {
		first = last
	}
	return first, last, int(f.posted - last*cycle)
}

// began is how many posts there were before the first that is shown.
func (f feed) began() int64 {
	if f.posted == 0 {
		return 0
	}
	first, _, _ := f.cycles()
	return first * cycle
}

// last is the number of the newest entry that is shown, 0 in an empty feed.
func (f feed) last() int64 {
	if f.posted == 0 {
		return 0
	}
	first, last, posts := f.cycles()
	return (last-first)*int64(len(f.show(cycle))) + int64(len(f.show(posts)))
}

// answered is the number that the newest post is told to have.
func (f feed) answered() int64 {
	if _, _, posts := f.cycles(); posts == 1 && f.lies.Has(Wipe) {
		return 1
	}
	f.posted--
	return f.last() + 1
}

// dress makes an entry of a post what is shown of it.
func (s shown) dress(post *thingspeak.Entry, date time.Time, number int64) thingspeak.Entry {
	e := *post
	e.ID, e.CreatedAt = number, date
	if s.backdated {
		e.CreatedAt = date.Add(-backdatedBy)
	}
	if s.altered {
		for i := range e.Fields {
			e.Fields[i].Text = alter(e.Fields[i].Text)
		}
	}
	return e
}

// alter changes a letter or digit of a value, the one nearest to its middle: in a token that is a place where every bit
// counts, so that it stays well-formed.
func alter(text string) string {
	middle := len(text) / 2
	for away := range middle + 1 {
		for _, at := range [...]int{middle - away, middle + away} {
			if at >= len(text) {
				continue
			}
			if c := other(text[at]); c != text[at] {
				return text[:at] + string(c) + text[at+1:]
			}
		}
	}
	return text
}

// other returns another letter or digit in the place of one, and anything else as it is.
func other(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return '0' + (c-'0'+1)%10
	case 'a' <= c && c <= 'z':
		return 'a' + (c-'a'+1)%26
	case 'A' <= c && c <= 'Z':
		return 'A' + (c-'A'+1)%26
	}
	return c
}
