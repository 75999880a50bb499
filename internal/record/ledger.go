package record

import (
	"bytes"
	"cmp"
	"slices"
)

// ledger is what is known and what a call has learnt, as one: it asks Known at most once for each row, and turns what
// was changed into a [Change]. The first error of Known stays in err, and what is answered after it means nothing.
type ledger struct {
	known Known
	err   error

	authors map[PublicKey]*authorRow
	tags    map[Tag]*tagRows
	signed  map[Tag][]*authorRow // what signers returns, once no more authors come in this call
	held    map[heldKey]*heldRows
	pins    map[string]pinRow
	forms   map[string][]string
	devices deviceRows
	told    map[FindingID]toldRow
	groups  map[GroupID]*groupRow
	numbers map[numberKey][]*groupRow // the same, by what cells claim to be
	asked   map[numberKey]bool        // of which Known has named all groups
	change  Change
}

type authorRow struct {
	Author
	dirty bool
}

// tagRows are the authors of one tag, and the claims about it by number; nil unless they were asked for. Then unsettled are
// those that are doubted or below: of the others nothing is to be said.
type tagRows struct {
	authors   []PublicKey
	claims    map[uint32][]*claimRow
	unsettled []*claimRow
}

type claimRow struct {
	Claim
	stored, dirty, gone bool
	kept                bool // counted among its author's
}

type heldKey struct {
	author PublicKey
	number uint32
}

// heldRows are the records of an author with one number: one, unless the key forks. Of very many they tell at once what a
// call asks for each of them.
type heldRows struct {
	rows []Held
	// dirty are the indices of those that are new or have moved.
	dirty []int
	// first is where one stands first, and lowest the index of the one with the lowest hash.
	first  Spot
	lowest int
	// byHash and byShort tell the indices, once there are several; of several with one short hash the first that came.
	byHash  map[Hash]int
	byShort map[ShortHash]int
}

// add appends a record, which is not among them.
func (r *heldRows) add(h Held) {
	n := len(r.rows)
	r.rows = append(r.rows, h)
	if n == 0 {
		r.first = h.At
		return
	}
	r.stands(h.At)
	if compareNumbered(h, r.rows[r.lowest]) < 0 {
		r.lowest = n
	}
	if n == 1 {
		r.byHash, r.byShort = map[Hash]int{}, map[ShortHash]int{}
		r.index(0)
	}
	r.index(n)
}

func (r *heldRows) index(i int) {
	h := &r.rows[i]
	r.byHash[h.Hash] = i
	if _, ok := r.byShort[h.Hash.Short()]; !ok {
		r.byShort[h.Hash.Short()] = i
	}
}

// stands notes that one of the records stands at a spot. None ever moves to a higher one.
func (r *heldRows) stands(at Spot) {
	if at.Compare(r.first) < 0 {
		r.first = at
	}
}

// nick returns the nickname in the record with the lowest hash.
func (r *heldRows) nick() string {
	if len(r.rows) == 0 {
		return ""
	}
	return r.rows[r.lowest].Nick
}

// find returns the index of the record with a hash, -1 if there is none.
func (r *heldRows) find(hash Hash) int {
	if len(r.rows) == 1 && r.rows[0].Hash == hash {
		return 0
	}
	if i, ok := r.byHash[hash]; ok {
		return i
	}
	return -1
}

// findShort returns the first record with a short hash, nil if there is none.
func (r *heldRows) findShort(hash ShortHash) *Held {
	if len(r.rows) == 1 && r.rows[0].Hash.Short() == hash {
		return &r.rows[0]
	}
	if i, ok := r.byShort[hash]; ok {
		return &r.rows[i]
	}
	return nil
}

type pinRow struct {
	key   PublicKey
	found bool
	dirty bool
}

// toldRow is whether a finding was told, and its Last. at and back are where it stands in Told and in TakenBack of the
// change, counted from one; 0 if it does not.
type toldRow struct {
	last     uint32
	told     bool
	at, back int
}

type groupRow struct {
	Group
	stored, dirty, gone bool
	stray               bool // Known counts it as one
}

func (g *groupRow) arrives() bool { return !g.gone && g.State == Arriving }

// lacks returns how many parts are not there, at least: cells that do not belong together may hide that more are lacking.
func (g *groupRow) lacks() int { return max(1, int(g.ID.Parts)-g.Cells) }

// numberKey is what cells claim to belong to.
type numberKey struct {
	tag    Tag
	number uint32
}

func (id GroupID) claimed() numberKey { return numberKey{id.Tag, id.Number} }

func newLedger(known Known) *ledger {
	return &ledger{
		known: known, authors: map[PublicKey]*authorRow{}, tags: map[Tag]*tagRows{}, held: map[heldKey]*heldRows{},
		pins: map[string]pinRow{}, forms: map[string][]string{}, devices: newDeviceRows(), told: map[FindingID]toldRow{}, groups: map[GroupID]*groupRow{},
		numbers: map[numberKey][]*groupRow{}, asked: map[numberKey]bool{},
	}
}

func (l *ledger) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// author returns what is known of an author, which may be nothing. Whoever changes it marks it dirty.
func (l *ledger) author(key PublicKey) *authorRow {
	row, ok := l.authors[key]
	if !ok {
		row = &authorRow{}
		var err error
		if row.Author, _, err = l.known.Author(key); err != nil {
			l.fail(err)
		}
		row.Key = key
		l.authors[key] = row
	}
	return row
}

// askAuthors asks for authors, and returns what is known of them now, when this call may have changed it.
func (l *ledger) askAuthors(q AuthorQuery) (rows []*authorRow) {
	authors, err := l.known.Authors(q)
	if err != nil {
		l.fail(err)
	}
	for _, a := range authors {
		if l.authors[a.Key] == nil {
			l.authors[a.Key] = &authorRow{Author: a}
		}
		rows = append(rows, l.authors[a.Key])
	}
	return rows
}

func (l *ledger) tag(tag Tag) *tagRows {
	rows, ok := l.tags[tag]
	if !ok {
		rows = &tagRows{}
		asked := tag // or each call would take memory for it
		for _, a := range l.askAuthors(AuthorQuery{Tag: &asked}) {
			rows.authors = append(rows.authors, a.Key)
		}
		l.tags[tag] = rows
	}
	return rows
}

// claimsAbout returns the claims about a tag by number. Whoever adds some does so there.
func (l *ledger) claimsAbout(tag Tag) map[uint32][]*claimRow {
	rows := l.tag(tag)
	if rows.claims == nil {
		claims, err := l.known.Claims(ClaimQuery{Tag: &tag})
		if err != nil {
			l.fail(err)
		}
		rows.claims = map[uint32][]*claimRow{}
		all := claimRows(claims)
		for i := range all {
			rows.claims[all[i].Number] = append(rows.claims[all[i].Number], &all[i])
		}
	}
	return rows.claims
}

// takeUnsettled takes in the claims that are doubted or below, all that Known has, about the tags of which this call has not
// asked for any. An insider's are many, and each call looks at them: they are not asked for twice.
func (l *ledger) takeUnsettled(stored []Claim) {
	all := claimRows(stored)
	for i := range all {
		if rows := l.tag(all[i].Tag); rows.claims == nil {
			rows.unsettled = append(rows.unsettled, &all[i])
		}
	}
}

// claimRows returns claims as they were stored.
func claimRows(claims []Claim) []claimRow {
	rows := make([]claimRow, len(claims))
	for i := range claims {
		rows[i] = claimRow{Claim: claims[i], stored: true, kept: true}
	}
	return rows
}

// signers returns the authors with this tag of whom a record is held, in a fixed order. They are not to be changed.
func (l *ledger) signers(tag Tag) []*authorRow {
	if rows, ok := l.signed[tag]; ok {
		return rows
	}
	var rows []*authorRow
	for _, key := range l.tag(tag).authors {
		if a := l.author(key); a.Base != 0 {
			rows = append(rows, a)
		}
	}
	slices.SortFunc(rows, func(a, b *authorRow) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	if l.signed != nil {
		l.signed[tag] = rows
	}
	return rows
}

// records returns the records of an author with one number.
func (l *ledger) records(a *authorRow, number uint32) *heldRows {
	key := heldKey{a.Key, number}
	rows, ok := l.held[key]
	if !ok {
		rows = &heldRows{}
		if a.holds(number) { // what is not held need not be asked for
			held, err := l.known.Held(HeldQuery{Author: a.Key, First: number, Last: number})
			if err != nil {
				l.fail(err)
			}
			for _, h := range held {
				rows.add(h)
			}
		}
		l.held[key] = rows
	}
	return rows
}

// cells opens cells again.
func (l *ledger) cells(spots []Spot) []Cell {
	cells, err := l.known.Cells(spots)
	if err != nil {
		l.fail(err)
	}
	return cells
}

// group returns the row of a group, and whether it has cells.
func (l *ledger) group(id GroupID) (row *groupRow, exists bool) {
	l.groupsOf(id.Tag, id.Number)
	if _, ok := l.groups[id]; !ok {
		l.learn(&groupRow{Group: Group{ID: id}, gone: true})
	}
	row = l.groups[id]
	return row, !row.gone
}

// groupsOf returns the groups of one tag and number.
func (l *ledger) groupsOf(tag Tag, number uint32) []*groupRow {
	key := numberKey{tag, number}
	if !l.asked[key] {
		l.askGroups(GroupQuery{Tag: tag, First: number, Last: number})
		l.asked[key] = true
	}
	return l.numbers[key]
}

// askGroups asks for groups, and returns them as they are known: this call may have changed some.
func (l *ledger) askGroups(q GroupQuery) []Group {
	groups, err := l.known.Groups(q)
	if err != nil {
		l.fail(err)
	}
	for _, g := range groups {
		l.learn(&groupRow{Group: g, stored: true})
	}
	return groups
}

func (l *ledger) learn(row *groupRow) {
	if _, ok := l.groups[row.ID]; !ok {
		row.stray = row.stored && row.arrives() && len(l.signers(row.ID.Tag)) == 0
		l.groups[row.ID] = row
		l.numbers[row.ID.claimed()] = append(l.numbers[row.ID.claimed()], row)
	}
}

// tell notes a finding unless it was told before. Of one that this call has taken back nothing is told: it stands.
func (l *ledger) tell(f Finding) {
	id := f.ID()
	row := l.askTold(id)
	if row.told {
		return
	}
	row.last, row.told = f.Last, true
	if row.back > 0 && l.change.TakenBack[row.back-1].restored(&f) {
		l.change.TakenBack[row.back-1], row.back = Finding{}, 0
	} else {
		l.change.Told = append(l.change.Told, f)
		row.at = len(l.change.Told)
	}
	l.told[id] = row
}

// restored reports whether a finding that was taken back says what another one with its ID says. What an accuser says,
// what else is hidden, and a name in place of another are told anew.
func (f *Finding) restored(g *Finding) bool {
	return f.By.IsZero() && f.Kind != Renamed && (f.Kind != Hidden || f.Last == g.Last)
}

func (l *ledger) wasTold(id FindingID) bool { return l.askTold(id).told }

func (l *ledger) askTold(id FindingID) toldRow {
	row, ok := l.told[id]
	if !ok {
		var err error
		if row.last, row.told, err = l.known.Told(id); err != nil {
			l.fail(err)
		}
		l.told[id] = row
	}
	return row
}

// takeBack notes that a finding does not hold any more, if it was told.
func (l *ledger) takeBack(f Finding) {
	if id := f.ID(); l.withdraw(id) {
		l.change.TakenBack = append(l.change.TakenBack, f)
		row := l.told[id]
		row.back = len(l.change.TakenBack)
		l.told[id] = row
	}
}

// supersede notes that nothing is to be said of a finding any more, if it was told.
func (l *ledger) supersede(f Finding) {
	if l.withdraw(f.ID()) {
		l.change.Superseded = append(l.change.Superseded, f)
	}
}

// withdraw notes that a finding is told no more, and reports whether it was told before this call. What this call has told
// is dropped: a finding without a kind stands in its place until [ledger.changes].
func (l *ledger) withdraw(id FindingID) (before bool) {
	row := l.askTold(id)
	if !row.told {
		return false
	}
	if before = row.at == 0; !before {
		l.change.Told[row.at-1] = Finding{}
	}
	l.told[id] = toldRow{back: row.back}
	return before
}

// changes returns what was learnt, in a fixed order.
func (l *ledger) changes() Change {
	c := &l.change
	dropped := func(f Finding) bool { return f.Kind == 0 }
	c.Told, c.TakenBack = slices.DeleteFunc(c.Told, dropped), slices.DeleteFunc(c.TakenBack, dropped)
	for _, row := range l.authors {
		if row.dirty {
			c.Authors = append(c.Authors, row.Author)
		}
	}
	slices.SortFunc(c.Authors, func(a, b Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	for _, rows := range l.held {
		slices.Sort(rows.dirty)
		for _, i := range slices.Compact(rows.dirty) {
			c.Held = append(c.Held, rows.rows[i])
		}
	}
	slices.SortFunc(c.Held, compareNumbered)
	for _, rows := range l.tags {
		for _, claims := range rows.claims {
			for _, row := range claims {
				switch {
				case row.gone && row.stored:
					c.ClaimsGone = append(c.ClaimsGone, row.Claim)
				case row.dirty && !row.gone:
					c.Claims = append(c.Claims, row.Claim)
				}
			}
		}
	}
	slices.SortFunc(c.Claims, compareClaims)
	slices.SortFunc(c.ClaimsGone, compareClaims)
	for form, row := range l.pins {
		if row.dirty {
			c.Pins = append(c.Pins, Pin{form, row.key})
		}
	}
	slices.SortFunc(c.Pins, func(a, b Pin) int { return cmp.Compare(a.Form, b.Form) })
	for _, row := range l.devices.rows {
		if row.dirty {
			c.Devices = append(c.Devices, row.DeviceClaim)
		}
	}
	slices.SortFunc(c.Devices, compareDevices)
	for id, row := range l.groups {
		switch {
		case row.gone && row.stored:
			c.GroupsGone = append(c.GroupsGone, id)
		case row.dirty && !row.gone:
			c.Groups = append(c.Groups, row.Group)
		}
	}
	slices.SortFunc(c.Groups, func(a, b Group) int { return compareGroups(a.ID, b.ID) })
	slices.SortFunc(c.GroupsGone, compareGroups)
	slices.SortFunc(c.Pending, func(a, b Cell) int { return a.Spot.Compare(b.Spot) })
	slices.SortFunc(c.PendingGone, Spot.Compare)
	return *c
}

func compareClaims(a, b Claim) int { return a.compare(&b) }

// compare orders claims by what names them.
func (c *Claim) compare(o *Claim) int {
	return cmp.Or(bytes.Compare(c.Tag[:], o.Tag[:]), cmp.Compare(c.Number, o.Number),
		bytes.Compare(c.Hash[:], o.Hash[:]), bytes.Compare(c.By[:], o.By[:]))
}

func compareGroups(a, b GroupID) int {
	return cmp.Or(bytes.Compare(a.Tag[:], b.Tag[:]), cmp.Compare(a.Number, b.Number),
		cmp.Compare(a.Parts, b.Parts), bytes.Compare(a.Key[:], b.Key[:]))
}
