package record

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
)

// Which keys belong to one person. Each claim is judged by itself on all that are held, so that the order in which the
// records came does not matter.

// maxDevices is how many claims of one author are looked at, and how many about one key: those with the lowest keys. So
// whoever writes thousands costs no more than that for each.
const maxDevices = 64

// DeviceClaim is what the records of one author say of another key: one row for the two.
type DeviceClaim struct {
	Author, Device PublicKey
	// Number is the highest number of a record of Author about Device, and Claims tells that this record calls Device a
	// device of theirs; otherwise it withdraws. Of two records with one number the one that withdraws counts.
	Number uint32
	Claims bool
	// Refuses means that some record of Author has withdrawn: Author does not consent any more to be a device of Device.
	// A consent has no number, so that is for good.
	Refuses bool
	// Claimed means that some record of Author has called Device theirs, with its consent.
	Claimed bool
}

// devicePair names a [DeviceClaim].
type devicePair struct{ author, device PublicKey }

func (c *DeviceClaim) pair() devicePair { return devicePair{c.Author, c.Device} }

func compareDevices(a, b DeviceClaim) int {
	return cmp.Or(bytes.Compare(a.Author[:], b.Author[:]), bytes.Compare(a.Device[:], b.Device[:]))
}

type deviceRow struct {
	DeviceClaim
	dirty bool
}

func compareRows(a, b *deviceRow) int { return compareDevices(a.DeviceClaim, b.DeviceClaim) }

// deviceRows are the claims that a ledger knows of.
type deviceRows struct {
	rows map[devicePair]*deviceRow
	// by and on are those of an author and those about a key, in order, for keys that Known was asked for.
	by, on map[PublicKey][]*deviceRow
	asked  map[PublicKey]bool
	// What follows is remembered until a row changes: which of them stand, and the answers of [ledger.person].
	standingBy, standingOn map[PublicKey][]*deviceRow
	persons                map[PublicKey]PublicKey
}

func newDeviceRows() deviceRows {
	d := deviceRows{
		rows: map[devicePair]*deviceRow{}, by: map[PublicKey][]*deviceRow{}, on: map[PublicKey][]*deviceRow{},
		asked: map[PublicKey]bool{},
	}
	d.standingBy, d.standingOn = map[PublicKey][]*deviceRow{}, map[PublicKey][]*deviceRow{}
	d.persons = map[PublicKey]PublicKey{}
	return d
}

// changed forgets what was remembered of the claims of two keys about each other.
func (d *deviceRows) changed(a, b PublicKey) {
	for _, key := range []PublicKey{a, b} {
		delete(d.standingBy, key)
		delete(d.standingOn, key)
	}
	clear(d.persons)
}

func (d *deviceRows) add(row *deviceRow) {
	d.rows[row.pair()] = row
	insert := func(rows []*deviceRow) []*deviceRow {
		i, _ := slices.BinarySearchFunc(rows, row, compareRows)
		return slices.Insert(rows, i, row)
	}
	d.by[row.Author] = insert(d.by[row.Author])
	d.on[row.Device] = insert(d.on[row.Device])
}

// askDevices makes sure that all claims by a key and about it are there.
func (l *ledger) askDevices(key PublicKey) {
	d := &l.devices
	if d.asked[key] {
		return
	}
	d.asked[key] = true
	claims, err := l.known.Devices(key)
	if err != nil {
		l.fail(err)
	}
	for _, c := range claims {
		if d.rows[c.pair()] == nil {
			c.Claimed = c.Claimed || c.Claims // also where an older version has kept it
			d.add(&deviceRow{DeviceClaim: c})
		}
	}
}

// claimsBy returns the first claims of a key that nobody has withdrawn.
func (l *ledger) claimsBy(key PublicKey) []*deviceRow {
	l.askDevices(key)
	return l.devices.standing(l.devices.standingBy, l.devices.by, key)
}

// claimsOn returns the first claims about a key that nobody has withdrawn.
func (l *ledger) claimsOn(key PublicKey) []*deviceRow {
	l.askDevices(key)
	return l.devices.standing(l.devices.standingOn, l.devices.on, key)
}

func (d *deviceRows) standing(known, all map[PublicKey][]*deviceRow, key PublicKey) []*deviceRow {
	standing, ok := known[key]
	if ok {
		return standing
	}
	for _, row := range all[key] {
		if len(standing) < maxDevices && d.stands(row) {
			standing = append(standing, row)
		}
	}
	known[key] = standing
	return standing
}

// stands reports whether a claim is withdrawn neither by its author nor by the key that it is about.
func (d *deviceRows) stands(row *deviceRow) bool {
	back := d.rows[devicePair{row.Device, row.Author}]
	return row.Claims && (back == nil || !back.Refuses)
}

// rival returns a claim that contradicts a standing one, nil if there is none: by somebody else about the same key, by
// that key, or about the author. It is contradicted in turn, so neither counts: people stand in stars, never in chains
// or circles, and nobody can take over a device by being the first or the last to claim it.
func (l *ledger) rival(c *deviceRow) *deviceRow {
	for _, other := range l.claimsOn(c.Device) {
		if other != c {
			return other
		}
	}
	for _, others := range [][]*deviceRow{l.claimsBy(c.Device), l.claimsOn(c.Author)} {
		if len(others) > 0 {
			return others[0]
		}
	}
	return nil
}

// person returns the author whose device a key is, and the key itself if it is nobody's.
func (l *ledger) person(key PublicKey) PublicKey {
	person, ok := l.devices.persons[key]
	if !ok {
		person = key
		if claims := l.claimsOn(key); len(claims) == 1 && l.rival(claims[0]) == nil &&
			slices.Contains(l.claimsBy(claims[0].Author), claims[0]) {
			person = claims[0].Author
		}
		l.devices.persons[key] = person
	}
	return person
}

// leftBy returns who has taken back that a key is a device of theirs, also while it is somebody else's: a stolen phone consents to
// whatever the thief wants. Without the claim that was there before, with the key's consent, anybody could say so of a stranger.
func (l *ledger) leftBy(key PublicKey) (by []PublicKey) {
	l.askDevices(key)
	for _, row := range l.devices.on[key] {
		if row.Claimed && !row.Claims && len(by) < maxDevices {
			by = append(by, row.Author)
		}
	}
	return by
}

// device takes in what a record says of another key.
func (s *session) device(r *Record, d Device) {
	s.askDevices(r.Author)
	s.askDevices(d.Key)
	row := s.devices.rows[devicePair{r.Author, d.Key}]
	if row == nil {
		row = &deviceRow{DeviceClaim: DeviceClaim{Author: r.Author, Device: d.Key}}
		s.devices.add(row)
	}
	before := row.DeviceClaim
	switch {
	case r.Number > row.Number:
		row.Number, row.Claims = r.Number, !d.Withdraws()
	case r.Number == row.Number:
		row.Claims = row.Claims && !d.Withdraws()
	}
	row.Refuses, row.Claimed = row.Refuses || d.Withdraws(), row.Claimed || !d.Withdraws()
	if row.DeviceClaim != before {
		row.dirty = true
		s.devices.changed(r.Author, d.Key)
	}
	s.judgeDevices(r.Author, d.Key) // also what was known before its record came
}

// judgeDevices tells which claims contradict each other, and who is whose namesake, once claims of two keys about each
// other have changed. It takes back what does not hold any more.
func (s *session) judgeDevices(a, b PublicKey) {
	rows, keys := map[*deviceRow]bool{}, map[PublicKey]bool{a: true, b: true}
	for _, pair := range []devicePair{{a, b}, {b, a}} { // one that stands no more is in no list
		if row := s.devices.rows[pair]; row != nil {
			rows[row] = true
		}
	}
	for _, claims := range [][]*deviceRow{s.claimsBy(a), s.claimsBy(b), s.claimsOn(a), s.claimsOn(b)} {
		for _, row := range claims {
			rows[row], keys[row.Author], keys[row.Device] = true, true, true
		}
	}
	// A nickname may be pinned to a key that was a device like others: they are its namesakes once it is one no more.
	for _, key := range slices.Collect(maps.Keys(keys)) {
		for _, row := range s.claimsBy(key) {
			keys[row.Device] = true
		}
	}
	for _, row := range slices.SortedFunc(maps.Keys(rows), compareRows) {
		s.judgeDevice(row)
	}
	for _, key := range slices.SortedFunc(maps.Keys(keys), func(a, b PublicKey) int { return bytes.Compare(a[:], b[:]) }) {
		s.judgeNewest(s.author(key))
	}
}

// judgeDevice tells of a claim that another one contradicts.
func (s *session) judgeDevice(row *deviceRow) {
	author := s.author(row.Author)
	f := s.finding(Contradiction, author, row.Number, s.placeOf(author, row.Number).Place)
	f.Name, f.Device = s.named(row.Author).Name, s.named(row.Device)
	// A claim may be known before its record is read: then it is told with that.
	if author.holds(row.Number) && slices.Contains(s.claimsOn(row.Device), row) {
		if rival := s.rival(row); rival != nil {
			f.Rival, f.RivalDevice = s.named(rival.Author), s.named(rival.Device)
			s.tell(f)
			return
		}
	}
	s.takeBack(f)
}

// named calls a key by its own nickname: what it is called as somebody's device depends on the claims that are judged.
func (s *session) named(key PublicKey) Named { return Named{key, s.called(key, s.author(key).Nick)} }
