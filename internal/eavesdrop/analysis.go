package eavesdrop

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// Analysis takes the rows of a feed, in any order, and tells what they give away together. The zero Analysis has seen nothing. It
// keeps 48 bytes of a token, whatever stands in it.
type Analysis struct {
	seed   maphash.Seed
	rows   []row
	seals  []seal
	counts Counts
	buf    []byte
}

// Counts says what was looked at.
type Counts struct {
	// Entries are rows with a number; Tokens, Letters, Damaged, Disguised and Others count fields, as [Summary] does.
	Entries, Tokens, Letters, Damaged, Disguised, Others int
	// Wrapped counts tokens that stand in b'…', as the published scripts write them, and Mended those to which a carrier has added
	// white space, or from which it has cut padding.
	Wrapped, Mended int
	// Backdated counts rows that are dated well before a token in them was sealed.
	Backdated int
}

// row is what is kept of an entry: seconds since 1970, 0 where it has no date.
type row struct {
	entry, posted int64
}

// seal is what is kept of a token.
type seal struct {
	entry, posted, sealed int64
	text, iv              uint64 // hashes
	blocks                uint16
	field                 uint8
}

// latest is the latest time inside a token that is taken as it is: the year 9999.
const latest = 253402300799

// offset is how many seconds the clock inside was ahead of the relay's when the entry was stored: what the clocks differ, less what
// the token waited.
func (s *seal) offset() int64 { return s.sealed - s.posted }

// Add takes a row.
func (a *Analysis) Add(e *thingspeak.Entry) {
	if a.seed == (maphash.Seed{}) {
		a.seed = maphash.MakeSeed()
	}
	r := row{entry: e.ID}
	if !e.CreatedAt.IsZero() {
		r.posted = e.CreatedAt.Unix()
	}
	first := len(a.seals)
	for i := range e.Fields {
		if text := e.Fields[i].Text; text != "" {
			a.field(&r, i+1, text)
		}
	}
	a.counts.Entries++
	for i := range a.seals[first:] {
		if r.posted != 0 && a.seals[first+i].offset() >= int64(backdated/time.Second) && r.posted%60 != 0 {
			a.counts.Backdated++
			break
		}
	}
	a.rows = append(a.rows, r)
}

func (a *Analysis) field(r *row, number int, text string) {
	bare, carried := token.Unwrap(text)
	if a.buf == nil {
		a.buf = make([]byte, 0, token.BufferSize)
	}
	t, err := token.ParseInto(a.buf, bare)
	if err != nil {
		switch {
		case token.Disguise(text) != "":
			a.counts.Disguised++
		case token.Resembles(text):
			a.counts.Damaged++
		default:
			a.counts.Others++
		}
		return
	}
	if t.IsLetter() {
		a.counts.Letters++
		return
	}
	a.counts.Tokens++
	if carried.Has(token.BytesLiteral) {
		a.counts.Wrapped++
	}
	if carried&^token.BytesLiteral != 0 {
		a.counts.Mended++
	}
	const iv = 1 + token.TimeSize
	a.seals = append(a.seals, seal{
		entry: r.entry, posted: r.posted, sealed: int64(min(t.Time(), latest)), field: uint8(number), blocks: uint16(min(t.Blocks(), 1<<16-1)),
		text: maphash.String(a.seed, bare), iv: maphash.Bytes(a.seed, t.Bytes()[iv:iv+token.IVSize]),
	})
}

// Topic is what an inference is about.
type Topic string

// The topics, in the order in which a report has them.
const (
	Form    Topic = "form"    // how what is inside is written
	Lengths Topic = "lengths" // how long messages can be
	Clocks  Topic = "clocks"  // the clock of the device against the relay's
	Rhythm  Topic = "rhythm"  // gaps, bursts, conversations
	Week    Topic = "week"    // hours and days
	Purpose Topic = "use"     // what the channel is for
	Senders Topic = "senders" // how many devices write, and who answers whom
	Copies  Topic = "copies"  // tokens that stand twice, and vectors that were used twice
	Damage  Topic = "damage"  // tokens that were cut or wrapped on the way
)

// Inference is something that follows from a feed for somebody without a key.
type Inference struct {
	Topic Topic
	// Says is the inference in a sentence, without a full stop; it begins with "cannot tell" where the feed does not say.
	Says string
	// Certainty is how many of such sentences are right, 0 to 1: 1 for what is read and not inferred, 0 for what cannot be told.
	Certainty float64
	// How says how it was computed.
	How string
	// Bits is how much a message gives away by it, in bits, where Counted says that this can be counted.
	Bits    float64
	Counted bool
}

// Report is what a feed gives away.
type Report struct {
	Counts

	// From and To are the first and the last time inside a token.
	From, To   time.Time
	Inferences []Inference

	Form    FormClaim
	Use     UseClaim
	Devices DevicesClaim
	Zone    ZoneClaim
	Clock   ClockClaim

	// Lengths are those of the tokens, in order.
	Lengths []Length
	// Days counts tokens by the day of the week, Sunday first, and the hour (UTC) in which they were sealed.
	Days [7][24]int
	// Offsets are those of the tokens in the order of their entries.
	Offsets []Offset
}

// Offset is how far a token's clock was ahead of the relay's, at a time of the relay's.
type Offset struct {
	Posted  time.Time
	Seconds float64
	// Device numbers the devices that the clocks tell apart, from 1 on; 0 where they do not.
	Device int
}

// Bits returns how many bits a message gives away by what is said of a topic; not ok where that cannot be counted.
func (r *Report) Bits(topic Topic) (bits float64, ok bool) {
	for i := range r.Inferences {
		if in := &r.Inferences[i]; in.Topic == topic && in.Counted {
			bits, ok = bits+in.Bits, true
		}
	}
	return bits, ok
}

// count notes how many bits a message gives away by an inference.
func (i *Inference) count(bits float64) { i.Bits, i.Counted = bits, true }

// Report tells what was seen. The error is that of ctx: of a long feed it takes seconds.
func (a *Analysis) Report(ctx context.Context) (Report, error) {
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	slices.SortStableFunc(a.rows, func(x, y row) int { return cmp.Compare(x.entry, y.entry) })
	slices.SortStableFunc(a.seals, func(x, y seal) int { return cmp.Or(cmp.Compare(x.entry, y.entry), cmp.Compare(x.field, y.field)) })
	r := Report{Counts: a.counts}
	if len(a.seals) == 0 {
		a.damage(&r)
		return r, nil
	}
	first, last := a.seals[0].sealed, a.seals[0].sealed
	for i := range a.seals {
		first, last = min(first, a.seals[i].sealed), max(last, a.seals[i].sealed)
	}
	r.From, r.To = time.Unix(first, 0).UTC(), time.Unix(last, 0).UTC()
	pace := a.pace()
	a.form(&r, pace)
	a.lengths(&r)
	a.use(&r, pace)
	if err := a.clocks(ctx, &r, pace); err != nil {
		return Report{}, err
	}
	a.rhythm(&r, pace)
	a.week(&r)
	a.copies(&r)
	a.damage(&r)
	return r, nil
}

func (r *Report) add(topic Topic, certainty float64, says, how string) *Inference {
	r.Inferences = append(r.Inferences, Inference{Topic: topic, Says: says, Certainty: certainty, How: how})
	return &r.Inferences[len(r.Inferences)-1]
}
