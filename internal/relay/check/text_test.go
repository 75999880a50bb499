package check

import (
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// entryOf returns the entry that an update makes.
func entryOf(t texts, id updateID, fields thingspeak.FieldSet) *thingspeak.Entry {
	e := &thingspeak.Entry{ID: 1}
	for n := range fields.All() {
		e.Fields[n-1] = thingspeak.Text(t.text(id, n))
	}
	return e
}

func TestTexts(t *testing.T) {
	all := texts{run: "abcdefgh", seed: 3}
	seen := map[string]bool{}
	for writer := range 50 {
		for n := range int64(100) {
			id := idOf(writer, n*n*n*1000)
			e := entryOf(all, id, thingspeak.AllFields)
			for i, v := range e.Fields {
				if len(v.Text) < minText || len(v.Text) > thingspeak.MaxValueBytes || seen[v.Text] {
					t.Fatalf("field %d of %v has %d bytes, or was there before: %s", i+1, id, len(v.Text), v.Text)
				}
				seen[v.Text] = true
			}
			if got, ok := all.identify(e, thingspeak.AllFields); !ok || got != id {
				t.Fatalf("%v is taken for %v, %v", id, got, ok)
			}
		}
	}
}

func TestIdentifyRefuses(t *testing.T) {
	all := texts{run: "abcdefgh", seed: 3}
	fields := thingspeak.FieldsOf(2, 5)
	id := idOf(7, 12)
	for name, change := range map[string]func(e *thingspeak.Entry){
		"the first is cut":       func(e *thingspeak.Entry) { e.Fields[1].Text = e.Fields[1].Text[:40] },
		"the second is empty":    func(e *thingspeak.Entry) { e.Fields[4].Text = "" },
		"one is of another":      func(e *thingspeak.Entry) { e.Fields[4].Text = all.text(idOf(7, 13), 5) },
		"they are exchanged":     func(e *thingspeak.Entry) { e.Fields[1], e.Fields[4] = e.Fields[4], e.Fields[1] },
		"it is of another check": func(e *thingspeak.Entry) { *e = *entryOf(texts{"abcdefgx", 3}, id, fields) },
		"one character differs": func(e *thingspeak.Entry) {
			e.Fields[1].Text = e.Fields[1].Text[:len(e.Fields[1].Text)-1] + "."
		},
		"a number is written otherwise": func(e *thingspeak.Entry) {
			e.Fields[1].Text = strings.Replace(e.Fields[1].Text, ".7.", ".07.", 1)
		},
	} {
		e := entryOf(all, id, fields)
		if _, ok := all.identify(e, fields); !ok {
			t.Fatal("the entry itself is not known")
		}
		change(e)
		if got, ok := all.identify(e, fields); ok {
			t.Errorf("%s: it is taken for %v", name, got)
		}
	}
}

func FuzzIdentify(f *testing.F) {
	all := texts{run: "abcdefgh", seed: 3}
	for _, text := range []string{"", "...", "abcdefgh.1.2.", "abcdefgh.18446744073709551615.1.x", all.text(1, 1)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e := &thingspeak.Entry{ID: 1}
		e.Fields[0] = thingspeak.Text(text)
		id, ok := all.identify(e, thingspeak.FieldsOf(1))
		if ok != (text == all.text(id, 1)) {
			t.Errorf("%q is taken for %v: %v", text, id, ok)
		}
		if line := excerpt(e, thingspeak.FieldsOf(1)); strings.ContainsAny(line, "\x00\r\n\x1b") || len(line) > 500 {
			t.Errorf("%q is shown as %q", text, line)
		}
	})
}
