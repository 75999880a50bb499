package httpapi

import (
	"errors"
	"io"
	"net/http"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// exportRows is how many entries an export reads at once.
const exportRows = 1000

// errCut says that the entries of a feed went away while it was exported.
var errCut = errors.New("the channel was cleared during its export")

// export answers with all entries of a channel in order of number, as a file (contract section 9). It may be larger
// than what fits into memory, so it alone goes out as it is read, in chunks: whatever cuts it short cuts the
// connection too.
func (a *api) export(q *request) (*reply, error) {
	v, err := a.open(q)
	if err != nil {
		return nil, err
	}
	fields, zone := v.Channel.Enabled(), q.zone()
	return &reply{
		status: http.StatusOK,
		format: formatCSV,
		file:   "feeds.csv",
		stream: func(w io.Writer) error {
			block := thingspeak.AppendCSVHeader(nil, fields, true, true)
			for next := int64(1); ; next += exportRows {
				if _, err := w.Write(block); err != nil {
					return err
				}
				last := min(next+exportRows-1, v.State.Last)
				if next > last {
					return nil
				}
				block = block[:0]
				rows := int64(0)
				err := a.relay.Range(q.Context(), v, next, last, func(e *thingspeak.Entry) error {
					block = thingspeak.AppendCSVRow(block, e, fields, true, true, zone)
					rows++
					return nil
				})
				if err == nil && rows != last-next+1 {
					err = errCut
				}
				if err != nil {
					return err
				}
			}
		},
	}, nil
}
