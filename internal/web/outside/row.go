package outside

import (
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/eavesdrop"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// Row is an entry of a feed as everybody downloads it, with what its tokens tell without a key.
type Row struct {
	Entry int64 `json:"entry"`
	// CSV is the row of feeds.csv, and Values are its fields that hold something.
	CSV    string  `json:"csv"`
	Values []Value `json:"values"`
}

// Value is one field of a row.
type Value struct {
	Field  int            `json:"field"`
	Text   string         `json:"text"`
	Kind   eavesdrop.Kind `json:"kind"`
	Damage string         `json:"damage,omitempty"`
	// Token is the token in the text, without what stands around it; Sealed is the clock in it, and Min and Max are the bounds of the
	// plaintext's length in bytes.
	Token  string     `json:"token,omitempty"`
	Sealed *time.Time `json:"sealed,omitempty"`
	Min    int        `json:"min,omitempty"`
	Max    int        `json:"max,omitempty"`
	// Parts are all bytes of the decoded token, in order.
	Parts []Part `json:"parts,omitempty"`
}

// Part is a part of a token, or one block of its ciphertext, counted from 1 on.
type Part struct {
	Kind  string `json:"kind"`
	Block int    `json:"block,omitempty"`
	At    int    `json:"at"`
	Size  int    `json:"size"`
}

// NewRow tells what everybody sees of an entry in a channel with these fields.
func NewRow(e *thingspeak.Entry, fields thingspeak.FieldSet) Row {
	csv := thingspeak.AppendCSVRow(nil, e, fields, false, false, time.UTC)
	r := Row{Entry: e.ID, CSV: strings.TrimSuffix(string(csv), "\n"), Values: []Value{}}
	for _, s := range eavesdrop.Look(e) {
		v := Value{Field: s.Field, Text: s.Text, Kind: s.Kind, Damage: s.Damage}
		if bare, _ := token.Unwrap(s.Text); s.Kind == eavesdrop.Token || s.Kind == eavesdrop.Letter {
			v.Sealed, v.Min, v.Max = new(s.Sealed), s.MinPlaintext, s.MaxPlaintext
			v.takeApart(bare)
		}
		r.Values = append(r.Values, v)
	}
	return r
}

// takeApart fills in the parts of a token.
func (v *Value) takeApart(bare string) {
	t, err := token.Parse(bare)
	if err != nil {
		return
	}
	v.Token = t.String()
	for p := range t.Parts() {
		v.Parts = append(v.Parts, Part{p.Kind.String(), p.Block, p.At, len(p.Bytes)})
	}
}
