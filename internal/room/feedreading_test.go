package room

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
)

// An earlier version noted whether its reading had begun with the channel's first entry: its archives are read on.
func TestAPositionThatTellsItsBeginningIsRead(t *testing.T) {
	want := feedPosition{Vain: exchange.VainHour{Since: time.Unix(1_800_000_000, 0).UTC(), Bytes: 7}}
	want.Last = 12
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := positionFrom(append([]byte(`{"from_start":true,`), bytes.TrimPrefix(b, []byte("{"))...))
	if got.Last != want.Last || got.Vain != want.Vain {
		t.Errorf("%+v, want %+v", got, want)
	}
}
