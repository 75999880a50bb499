package form

import (
	"strconv"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Entry takes an entry from the parameters of contract section 5.2, all but its date. numbers are the fields that came as
// JSON numbers.
func (p *Params) Entry() (e thingspeak.Entry, numbers thingspeak.FieldSet, err error) {
	for i := range e.Fields {
		n := strconv.Itoa(i + 1)
		found, err := p.value("field"+n, n)
		if err != nil {
			return e, 0, err
		}
		e.Fields[i] = found.asValue()
		if found.Kind == Number {
			numbers |= thingspeak.FieldsOf(i + 1)
		}
	}
	for _, text := range []struct {
		name string
		to   *thingspeak.Value
	}{{"status", &e.Status}, {"elevation", &e.Elevation}} {
		found, err := p.value(text.name)
		if err != nil {
			return e, 0, err
		}
		*text.to = found.asValue()
	}
	e.Latitude = decimal(p.Get("latitude"), p.Get("lat"))
	e.Longitude = decimal(p.Get("longitude"), p.Get("long"))
	return e, numbers, nil
}

// LeftOut says of what an entry cannot be made as it was sent: bytes of a value that are no text, or a place that is no number. It is
// empty where nothing is left out. The service says nothing about it.
func (p *Params) LeftOut() string {
	names := []string{"status", "elevation", "latitude", "lat", "longitude", "long"}
	for i := range thingspeak.FieldCount {
		n := strconv.Itoa(i + 1)
		names = append(names, "field"+n, n)
	}
	for _, name := range names {
		if found, ok := p.Find(name); ok && found.Cut {
			return noText(name)
		}
	}
	for _, pair := range [...][2]string{{"latitude", "lat"}, {"longitude", "long"}} {
		long, short := p.Get(pair[0]), p.Get(pair[1])
		if long+short != "" && !decimal(long, short).Given {
			return noNumber(pair[0])
		}
	}
	return ""
}

func noText(name string) string { return name + " is not UTF-8 text, or holds a NUL" }

func noNumber(name string) string { return name + " is no decimal number" }

// value returns the first of several names that is there and not null.
func (p *Params) value(names ...string) (Param, error) {
	for _, name := range names {
		switch found, ok := p.Find(name); {
		case !ok || found.Kind == Null:
		case found.Kind == Nested:
			return Param{}, refuse(NotValue, "A value must be a text, a number, a boolean or null.")
		default:
			return found, nil
		}
	}
	return Param{Kind: Null}, nil
}

// asValue is a parameter as an entry holds it.
func (p *Param) asValue() thingspeak.Value {
	return thingspeak.Value{Text: p.Value, Given: p.Kind != Null}
}

// decimal returns the first text that is a decimal.
func decimal(texts ...string) thingspeak.Value {
	for _, s := range texts {
		if d, ok := thingspeak.ParseDecimal(s); ok {
			return thingspeak.Text(d)
		}
	}
	return thingspeak.Value{}
}
