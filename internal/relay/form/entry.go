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
