package room

import (
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// seal seals cells with one key, on all processors.
func (c *Conversation) seal(sealer fernet.Ring, cells [][record.CellSize]byte, now time.Time) ([]string, error) {
	tokens := make([]string, len(cells))
	errs := make([]error, len(cells))
	parallel(len(cells), func(i int) {
		if tokens[i], errs[i] = sealer.Seal(cells[i][:], now); c.o.Wrapped {
			tokens[i] = token.Wrap(tokens[i])
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// lay lays the tokens of a record into posts: into the fields that last has left, if it can still be changed, and into
// new posts, numbered after seq. It returns those that hold one of the tokens.
func (c *Conversation) lay(tokens []string, last *kept.Post, seq int64, now time.Time) (posts []kept.Post, err error) {
	if last != nil && last.State == model.StateQueued {
		if free := c.freeFields(last); len(free) > 0 {
			post := *last
			tokens = fill(&post, free, tokens)
			posts = append(posts, post)
		}
	}
	for len(tokens) > 0 {
		seq++
		post := kept.Post{Seq: seq}
		tokens = fill(&post, c.o.Fields, tokens)
		posts = append(posts, post)
	}
	for i := range posts {
		if err := c.pad(&posts[i], now); err != nil {
			return nil, err
		}
	}
	return posts, nil
}

// Entries returns how many entries writing a message would add to the outbox.
func (c *Conversation) Entries(body record.Body) (int, error) {
	cells := record.Parts(record.MinSize + len(c.o.Nick) + record.BodySize(body))
	last, err := c.lastPost()
	if err != nil {
		return 0, fmt.Errorf("measuring a message: %w", err)
	}
	if last != nil && last.State == model.StateQueued {
		cells -= len(c.freeFields(last))
	}
	return (max(cells, 0) + len(c.o.Fields) - 1) / len(c.o.Fields), nil
}

// freeFields returns the fields behind the last one that holds a cell, in the order of writing.
func (c *Conversation) freeFields(p *kept.Post) []int {
	for i, n := range slices.Backward(c.o.Fields) {
		if p.Cells.Has(n) {
			return c.o.Fields[i+1:]
		}
	}
	return nil // laid out for other fields
}

// fill puts tokens into fields of a post, and returns those that are left.
func fill(p *kept.Post, fields []int, tokens []string) (rest []string) {
	n := min(len(fields), len(tokens))
	for i, text := range tokens[:n] {
		p.Fields[fields[i]-1] = thingspeak.Text(text)
		p.Cells |= thingspeak.FieldsOf(fields[i])
	}
	return tokens[n:]
}

// pad fills the fields that are left in a post, if the room does that.
func (c *Conversation) pad(p *kept.Post, now time.Time) error {
	if !c.o.Pad {
		return nil
	}
	var fields []int
	for _, n := range c.o.Fields {
		if p.Fields[n-1].Text == "" {
			fields = append(fields, n)
		}
	}
	cells := make([][record.CellSize]byte, len(fields))
	for i := range cells {
		cells[i] = record.Filler()
	}
	tokens, err := c.seal(c.sealers[0], cells, now)
	if err != nil {
		return fmt.Errorf("filling an entry: %w", err)
	}
	for i, n := range fields {
		p.Fields[n-1] = thingspeak.Text(tokens[i])
	}
	return nil
}
