package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// limits tells what this relay grants, so that a client knows how long a transfer takes before it begins. The service
// has nothing of the kind.
func (a *api) limits(*request) (*reply, error) {
	l := a.relay.Limits()
	body, err := json.Marshal(thingspeak.Limits{
		IntervalMS: l.Interval.Milliseconds(), BulkIntervalMS: l.BulkInterval.Milliseconds(), BulkUpdates: l.BulkUpdates,
		Entries: l.Entries,
	})
	if err != nil {
		return nil, err
	}
	return &reply{status: http.StatusOK, format: formatJSON, body: body}, nil
}
