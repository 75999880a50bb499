package cli

import (
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
)

// relayTeller remembers what was told of a relay after the last reading.
type relayTeller struct{ said messenger.Said }

// tell tells what of a reading was not told after the one before: what may change with the next one, which is noted for
// the verdict together with the number of what waits besides.
func (r *relayTeller) tell(a *app, all []item.Finding, waiting int, asJSON bool) {
	a.verdict.Pending = waiting + len(all)
	a.tellAll(r.said.Fresh(all), asJSON)
}
