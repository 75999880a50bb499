package httpapi

import (
	"errors"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// methods are the parameters that put entries together. Of several the first counts (contract section 7.2).
var methods = [...]struct {
	name   string
	method relay.Method
}{
	{"timescale", relay.First},
	{"sum", relay.Sum},
	{"average", relay.Average},
	{"median", relay.Median},
}

// bucketMinutes are the lengths of buckets that the service knows. Others are ignored.
var bucketMinutes = []int64{10, 15, 20, 30, 60, 240, 720, 1440}

// calculation takes from the parameters what is to be done with the entries.
func (q *request) calculation() relay.Calculation {
	c := relay.Calculation{Min: q.number("min"), Max: q.number("max"), Round: q.places()}
	for _, m := range methods {
		length := minutes(q.params.Get(m.name))
		if slices.Contains(bucketMinutes, length) {
			c.Method, c.Bucket = m.method, time.Duration(length)*time.Minute
			break
		}
	}
	return c
}

// minutes reads the length of a bucket.
func minutes(s string) int64 {
	if s == "daily" {
		return 1440
	}
	return integer(s)
}

// number returns a parameter that is a number, nil without one.
func (q *request) number(name string) *float64 {
	if n, ok := relay.ParseNumber(q.params.Get(name)); ok {
		return &n
	}
	return nil
}

// places returns to how many places numbers are rounded, nil for not at all.
func (q *request) places() *int {
	s := q.params.Get("round")
	if s == "" {
		return nil
	}
	return new(int(min(integer(s), 100)))
}

// errNoReplyMemory refuses a reply because others take the memory that it needs.
var errNoReplyMemory = errors.New("too many large replies at once")

// replyPart is about how large the parts are in which a feed is built, in bytes. One slice that grows would be copied again
// and again, and be there twice each time.
const replyPart = 256 << 10

// maxReply is the largest feed, in bytes: with its last part and what stands around it, it can still be sent.
const maxReply = maxUnderWay - 2*replyPart

// rows calls visit for the rows of a feed, which appends them to the part of a reply that is being built; what was there
// before moves into the reply when the part is full. What there is counts as under way while it is built, so that many large
// ones fill no memory: values of which each byte has to be escaped grow sixfold. A reply that can never be sent ends there.
func (a *api) rows(q *request, f *feedDocument, answer *reply, part *[]byte, visit func(*thingspeak.Entry) error) error {
	counted := int64(0)
	defer func() { a.underWay.Add(-counted) }()
	bounded := func(e *thingspeak.Entry) error {
		if err := visit(e); err != nil {
			return err
		}
		full := int64(len(*part))
		if full < replyPart {
			return nil
		}
		answer.add(*part)
		*part = make([]byte, 0, replyPart+replyPart/8) // a row more, which is the one that fills it
		counted += full
		switch all := a.underWay.Add(full); {
		case counted > maxReply:
			return &refusal{code: thingspeak.CodeRequestTooLarge, hint: "The reply is too large. Ask for fewer results."}
		case all > maxUnderWay:
			return errNoReplyMemory
		}
		return nil
	}
	if f.calculation.None() {
		return a.relay.Rows(q.Context(), f.view, f.window, bounded)
	}
	return a.relay.Calculate(q.Context(), f.view, f.window, f.calculation, f.columns.Fields, bounded)
}

// add puts a part behind those that are there.
func (r *reply) add(part []byte) {
	if r.body == nil {
		r.body = part
		return
	}
	r.lines = append(r.lines, part)
}
