package store

import (
	"fmt"
	"math"
	"strings"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// selectChannels selects channels with their states, in the order of ScanChannel. The read keys are in one column, so that
// all is of one moment.
const selectChannels = `SELECT c.id, c.owner, c.name, c.description, c.latitude, c.longitude, c.elevation,
	c.label1, c.label2, c.label3, c.label4, c.label5, c.label6, c.label7, c.label8,
	c.metadata, c.url, c.tags, c.public, c.created_s, c.updated_s,
	(SELECT string_agg(k.key, '` + "\n" + `' ORDER BY k.id) FROM read_keys AS k WHERE k.channel = c.id), ` + StateColumns + `
	FROM channels AS c JOIN states AS s ON s.channel = c.id`

// Statements for channels. InsertChannel and UpdateChannel take [ChannelValues]; UpdateChannel takes the number that the
// channel had behind them.
const (
	SelectChannel = selectChannels + " WHERE c.id = $1"
	SelectOwned   = selectChannels + " WHERE c.owner = $1 ORDER BY c.id"
	CountOwned    = "SELECT COUNT(*) FROM channels WHERE owner = $1"
	SelectWriter  = "SELECT channel FROM states WHERE write_key = $1"
	InsertChannel = `INSERT INTO channels (id, owner, name, description, latitude, longitude, elevation,
		label1, label2, label3, label4, label5, label6, label7, label8,
		metadata, url, tags, public, created_s, updated_s)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`
	UpdateChannel = `UPDATE channels SET id = $1, owner = $2, name = $3, description = $4, latitude = $5,
		longitude = $6, elevation = $7, label1 = $8, label2 = $9, label3 = $10, label4 = $11, label5 = $12, label6 = $13,
		label7 = $14, label8 = $15, metadata = $16, url = $17, tags = $18, public = $19, created_s = $20, updated_s = $21
		WHERE id = $22`
	DeleteChannel   = "DELETE FROM channels WHERE id = $1"
	DeleteState     = "DELETE FROM states WHERE channel = $1"
	InsertReadKey   = "INSERT INTO read_keys (channel, key) VALUES ($1, $2)"
	DeleteReadKeys  = "DELETE FROM read_keys WHERE channel = $1"
	InsertAbandoned = "INSERT INTO abandoned (generation) VALUES ($1)"
)

// ChannelValues are the values of a row of channels.
func ChannelValues(c *relay.Channel) []any {
	values := []any{c.ID, c.Owner, c.Name, c.Description, c.Latitude, c.Longitude, c.Elevation}
	for _, label := range c.Labels {
		values = append(values, label)
	}
	return append(values, c.Metadata, c.URL, strings.Join(c.Tags, "\n"), c.Public, c.CreatedAt.Unix(), c.UpdatedAt.Unix())
}

// ScanChannel reads a channel and its state.
func ScanChannel[R Row](r R) (*relay.Channel, relay.State) {
	const after = 7 + thingspeak.FieldCount
	state := scanState(r, after+7)
	c := &relay.Channel{Owner: r.Number(1), Channel: thingspeak.Channel{
		ID:          r.Number(0),
		Name:        r.Text(2),
		Description: r.Text(3),
		Latitude:    r.Text(4),
		Longitude:   r.Text(5),
		Elevation:   r.Text(6),
		Keys:        []thingspeak.Key{{Text: state.WriteKey, Write: true}},
	}}
	for i := range c.Labels {
		c.Labels[i] = r.Text(7 + i)
	}
	c.Metadata, c.URL = r.Text(after), r.Text(after+1)
	if tags := r.Text(after + 2); tags != "" {
		c.Tags = strings.Split(tags, "\n")
	}
	c.Public = r.Truth(after + 3)
	c.CreatedAt, c.UpdatedAt = seconds(r.Number(after+4)), seconds(r.Number(after+5))
	if keys := r.Text(after + 6); keys != "" {
		for key := range strings.SplitSeq(keys, "\n") {
			c.Keys = append(c.Keys, thingspeak.Key{Text: key})
		}
	}
	return c, state
}

// ScanListed reads a channel for a list, with LastEntryID set.
func ScanListed[R Row](r R) *relay.Channel {
	c, state := ScanChannel(r)
	c.LastEntryID = state.Last
	return c
}

// Listing returns what counts the channels of a listing, and what selects its page, which takes the last two arguments
// too. Each part is one of a few texts, so that few statements are prepared.
func (d *Dialect) Listing(l *relay.Listing) (count, page string, args []any) {
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	where := " WHERE " + d.Public
	if l.Owner != 0 {
		where += " AND c.owner = " + arg(l.Owner)
	}
	if l.Tag != "" {
		where += " AND " + fmt.Sprintf(d.Tagged, arg(l.Tag))
	}
	if l.Near != nil && !math.IsInf(l.Near.Haversine(), 1) {
		// relay.Circle as SQL; the columns hold decimals, or nothing.
		latitude, longitude := arg(l.Near.Latitude), arg(l.Near.Longitude)
		const number = "CAST(NULLIF(c.%s, '') AS DOUBLE PRECISION)"
		own := fmt.Sprintf(number, "latitude")
		where += fmt.Sprintf(` AND pow(sin(radians(%s - %s) / 2), 2) +
			cos(radians(%s)) * cos(radians(%s)) * pow(sin(radians(%s - %s) / 2), 2) <= %s`,
			own, latitude, own, latitude, fmt.Sprintf(number, "longitude"), longitude, arg(l.Near.Haversine()))
	}
	return "SELECT COUNT(*) FROM channels AS c" + where, selectChannels + where + " ORDER BY c.id LIMIT " +
		arg(int64(max(0, l.Limit))) + " OFFSET " + arg(int64(l.Skip)), args
}
