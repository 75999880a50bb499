package outside

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Place is a channel at a relay. The read key of one that is not public opens no message.
type Place struct {
	Relay   string
	Channel int64
	ReadKey string
	Fields  thingspeak.FieldSet
}

// newestRows is how many rows are shown.
const newestRows = 100

// Newest reads the newest rows of a feed, the newest last.
func Newest(ctx context.Context, access channel.Access, p Place) ([]Row, error) {
	reader, err := access.Open(p.Relay, p.Channel, p.ReadKey)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	rows := []Row{}
	_, err = reader.Newest(ctx, newestRows, func(e *thingspeak.Entry) error {
		rows = append(rows, NewRow(e, p.Fields))
		return nil
	})
	return rows, err
}

// Rows serves what everybody sees of the feed that find finds; with false it has answered by itself.
func Rows(access channel.Access, find func(http.ResponseWriter, *http.Request) (Place, bool)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, found := find(w, r)
		if !found {
			return
		}
		rows, err := Newest(r.Context(), access, p)
		answer := map[string]any{"rows": rows}
		if err != nil {
			answer["trouble"] = err.Error()
		}
		text, err := json.Marshal(answer)
		if err != nil {
			panic(err) // unreachable: rows are of our own types
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(text) // who does not take it hangs up
	}
}
