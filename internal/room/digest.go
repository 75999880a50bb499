package room

import (
	"fmt"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// Digest returns the digest of the conversation that is kept, which two people can compare.
func (c *Conversation) Digest() (*record.Digest, error) {
	digest := record.NewDigest(c.o.Salt)
	var from record.Held
	for first := true; ; first = false {
		rows, err := c.store.Messages(kept.MessageQuery{From: &from, Limit: itemsAtOnce})
		if err != nil {
			return nil, fmt.Errorf("reading the history: %w", err)
		}
		if !first && len(rows) > 0 {
			rows = rows[1:] // the last one of those before
		}
		if len(rows) == 0 {
			return digest, nil
		}
		for i := range rows {
			digest.Add(&rows[i].Held)
		}
		from = rows[len(rows)-1].Held
	}
}
