package sqlite_test

import (
	"fmt"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// fillStatement writes past all rules, and a million entries in seconds.
const fillStatement = `
	PRAGMA cache_size = -400000; PRAGMA synchronous = OFF; BEGIN;
	UPDATE states SET generation = 1;
	UPDATE counter SET value = %[2]d;
	WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < %[2]d)
		INSERT INTO channels SELECT i, owner, name, description, latitude, longitude, elevation, label1, label2, label3,
			label4, label5, label6, label7, label8, metadata, url, tags, public, created_s, updated_s
		FROM n, channels WHERE channels.id = 1 AND i <= %[2]d;
	INSERT INTO states SELECT id, 'WRITE' || id, id, id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
		FROM channels WHERE id > 1;
	WITH RECURSIVE
		n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < max(%[1]d, %[3]d)),
		c (id, most) AS (SELECT id, CASE id WHEN 1 THEN %[1]d ELSE %[3]d END FROM channels)
		INSERT INTO entries (generation, number, created_s, unordered, field1)
		SELECT id, i, 1700000000 + i, 0, printf('%%0248d', i) FROM %[4]s WHERE i <= most;
	UPDATE states SET last = %[3]d, last1 = %[3]d, newest_s = 1700000000 + %[3]d;
	UPDATE states SET last = %[1]d, last1 = %[1]d, newest_s = 1700000000 + %[1]d WHERE channel = 1;
	COMMIT;`

// fill makes a database in a directory with public channels 1 to channels, whose write keys are WRITE1 and so on. The
// first has so many entries, a second apart from 1,700,000,001 s, the others have each. They lie as they arrived: those
// of all channels in turn, or with together one channel's after the other's.
func fill(b testing.TB, dir string, entries, channels, each int, together bool) {
	b.Helper()
	s, err := sqlite.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	err = s.CreateChannel(b.Context(), &relay.Channel{Owner: relay.LocalAccountID, Channel: thingspeak.Channel{
		ID: 1, Public: true, Labels: [thingspeak.FieldCount]string{"one"},
		Keys: []thingspeak.Key{{Text: "WRITE1", Write: true}},
	}}, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	order := "n CROSS JOIN c"
	if together {
		order = "c CROSS JOIN n"
	}
	script(b, dir, fmt.Sprintf(fillStatement, entries, channels, each, order))
}

// one is an update of one entry.
func one(channel int64, key string) relay.Update {
	return relay.Update{
		Channel: channel, Key: key, Limits: &relay.Limits{},
		Entries: []relay.NewEntry{{Entry: thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("x")}}}},
	}
}
