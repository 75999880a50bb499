package postgres

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
)

const (
	// lockStates takes the rows in order of channel, so that two batches never wait for each other.
	lockStates = "SELECT " + store.StateColumns +
		" FROM states AS s WHERE s.channel = ANY($1) ORDER BY s.channel FOR UPDATE"
	lockState = "SELECT " + store.StateColumns + " FROM states AS s WHERE s.channel = $1 FOR UPDATE"
)

// updateStates sets what an update changes. It takes one array for each column, the one of the channels first.
var updateStates = func() string {
	arrays, set := []string{"$1::BIGINT[]"}, []string{}
	for i, name := range store.UpdatedColumns {
		arrays = append(arrays, fmt.Sprintf("$%d::BIGINT[]", i+2))
		set = append(set, name+" = n."+name)
	}
	return fmt.Sprintf("UPDATE states AS s SET %s FROM unnest(%s) AS n (channel, %s) WHERE s.channel = n.channel",
		strings.Join(set, ", "), strings.Join(arrays, ", "), strings.Join(store.UpdatedColumns[:], ", "))
}()

// queueStates adds what sets the states to a batch.
func queueStates(b *pgx.Batch, states []relay.State) {
	var columns [1 + len(store.UpdatedColumns)][]int64
	for i := range states {
		columns[0] = append(columns[0], states[i].Channel)
		for j, n := range store.UpdatedValues(&states[i]) {
			columns[1+j] = append(columns[1+j], n)
		}
	}
	args := make([]any, len(columns))
	for i := range columns {
		args[i] = columns[i]
	}
	b.Queue(updateStates, args...)
}
