package room

import (
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// Open opens rows, also of a number that is there several times: what their tokens say, by entry and field and each once,
// and what was found besides.
func (r *Room) Open(rows []thingspeak.Entry) (messages []model.Message, f model.Findings) {
	o := opener{ring: r.ring}
	pages := pagesOf(rows, 0, false)
	for i := range pages {
		pages[i].compare(kept.Entry{})
	}
	o.openAll(pages)
	f.Entries = len(rows)
	seen := map[[16]byte]bool{}
	for i := range pages {
		p := &pages[i]
		noToken(&f, p)
		if p.letter {
			model.Count(&f.Letters, &f.FirstLetter, &f.LastLetter, p.at.Entry)
		}
		if p.unopened {
			model.Count(&f.NotOurs, &f.FirstNotOurs, &f.LastNotOurs, p.at.Entry)
		}
		for j := range p.opened {
			t := &p.opened[j]
			if seen[t.mac] {
				f.Repeats++
				continue
			}
			seen[t.mac] = true
			m := *o.text(p.at, p.posted, t).Unsigned
			if t.isCell() {
				m.Kind, m.Text = model.KindRecord, ""
			}
			messages = append(messages, m)
		}
	}
	return messages, f
}

// noToken counts an entry for what stands in it that is no token.
func noToken(f *model.Findings, p *page) {
	if p.disguise != "" {
		disguised(f, p.at.Entry, p.disguise)
	}
	if p.damaged {
		model.Count(&f.Damaged, &f.FirstDamaged, &f.LastDamaged, p.at.Entry)
	}
	if p.isPlain() {
		model.Count(&f.Plain, &f.FirstPlain, &f.LastPlain, p.at.Entry)
	}
}

// disguised counts an entry with a token in another form.
func disguised(f *model.Findings, entry int64, how string) {
	f.Disguise = token.Disguises(f.Disguise, how)
	model.Count(&f.Disguised, &f.FirstDisguised, &f.LastDisguised, entry)
}
