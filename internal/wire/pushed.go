package wire

import (
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Pushed reads an entry that a relay has pushed (contract section 10.3).
func Pushed(data []byte) (exchange.Pushed, error) {
	channel, e, err := thingspeak.ParseUpdateJSON(data)
	if err != nil {
		return exchange.Pushed{}, err
	}
	pushed := exchange.Pushed{Entry: e, Channel: channel}
	for i, v := range e.Fields {
		if v.Text != "" { // of the others it is not said whether the channel shows them
			pushed.Fields |= 1 << i
		}
	}
	return pushed, nil
}
