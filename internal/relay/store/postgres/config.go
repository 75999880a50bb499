package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// defaultConns is how many connections a relay works with unless the URL says pool_max_conns. Updates take one,
	// reads of positions another; servers allow 100 in all unless told otherwise.
	defaultConns = 8
	// patience is how long a call tries, at most: half of what clients wait for an answer unless told otherwise, as they are to hear
	// 503, not nothing.
	patience = 5 * time.Second
	// connectTimeout is how long one server may take to let us in, unless the URL says connect_timeout.
	connectTimeout = 2 * time.Second
	// ackTimeout is how long a server, or a relay, may leave bytes unacknowledged before the other drops the connection.
	ackTimeout = 3 * time.Second
)

// config says how to connect.
type config struct {
	connect *pgx.ConnConfig
	// conns is the most connections to work with.
	conns int
	// where names the database and its servers.
	where string
}

// parseURL reads a URL. Its errors show nothing that could be the password, or a part of it.
func parseURL(text string) (*config, error) {
	if !IsURL(text) {
		return nil, errors.New("the database's address must begin with postgres://, as in postgres://relay@localhost/relay")
	}
	if isAmbiguous(text) {
		return nil, errors.New("the database's URL cannot be read: in a password @ is written as %40, / as %2F, : as %3A, " +
			"? as %3F and % as %25")
	}
	c, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("the database's URL cannot be read: %s", withoutPassword(text))
	}
	conns := defaultConns
	if text, ok := c.RuntimeParams["pool_max_conns"]; ok {
		delete(c.RuntimeParams, "pool_max_conns")
		if conns, err = strconv.Atoi(text); err != nil || conns < 1 || conns > 1000 {
			return nil, fmt.Errorf("the database's URL: pool_max_conns=%s: from 1 to 1000", text)
		}
	}
	for name := range c.RuntimeParams {
		if strings.HasPrefix(name, "pool_") {
			return nil, fmt.Errorf("the database's URL: %s is not known; there is pool_max_conns", name)
		}
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	for name, value := range sessionSettings {
		if _, set := c.RuntimeParams[name]; !set {
			c.RuntimeParams[name] = value
		}
	}
	// A standby lags behind, and an answer from there could be outdated.
	c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	c.DialFunc = dial
	c.OnNotice = noteNotReplicated
	// The driver's own test reads a word that is in the server's language.
	c.OnPgError = func(_ *pgconn.PgConn, e *pgconn.PgError) (goesOn bool) { return e.SeverityUnlocalized == "ERROR" }
	return &config{connect: c, conns: conns, where: describe(c)}, nil
}

// IsURL reports whether a text looks like the URL of a PostgreSQL database.
func IsURL(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

// isAmbiguous reports whether a URL may have a password with a character in it that separates the URL's parts.
func isAmbiguous(text string) bool {
	_, rest, _ := strings.Cut(text, "://")
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	user, _, found := strings.Cut(authority, "@")
	if !found {
		return strings.Contains(rest, "@")
	}
	return strings.Count(rest, "@") > 1 || strings.Count(user, ":") > 1
}

// withoutPassword says what is wrong with a URL, or with what is left of it without passwords.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "it is postgres://USER@HOST/DATABASE"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	q.Del("password")
	q.Del("sslpassword")
	u.RawQuery = q.Encode()
	if _, err = pgx.ParseConfig(u.String()); err == nil {
		return "its password has a % that is not written as %25"
	}
	if cause := errors.Unwrap(err); cause != nil {
		return cause.Error()
	}
	return err.Error()
}

// sessionSettings hold for each connection, unless the URL has others.
var sessionSettings = map[string]string{
	"application_name":              "fernpost-relay",
	"client_encoding":               "UTF8",
	"default_transaction_isolation": "read committed",
	// All statements find their rows by an index, whatever their arguments are. The server would plan anew for each list
	// of channels, and that took more of its time than the answer.
	"plan_cache_mode": "force_generic_plan",
	// What was answered is on disk, whatever the server's default is.
	"synchronous_commit": "on",
	// A relay that is gone without a word must not keep channels locked; one that waits for a lock has given up by
	// then.
	"idle_in_transaction_session_timeout": "5s",
	"statement_timeout":                   strconv.FormatInt(patience.Milliseconds(), 10),
	"tcp_keepalives_idle":                 "5",
	"tcp_keepalives_interval":             "1",
	"tcp_keepalives_count":                "3",
	"tcp_user_timeout":                    strconv.FormatInt(ackTimeout.Milliseconds(), 10),
}

// describe names the database and its servers.
func describe(c *pgx.ConnConfig) string {
	servers := []string{net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))}
	for _, f := range c.Fallbacks {
		// Each server is there once with TLS and once without.
		if s := net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port))); s != servers[len(servers)-1] {
			servers = append(servers, s)
		}
	}
	return fmt.Sprintf("%s on %s", c.Database, strings.Join(servers, ", "))
}

// dial connects to a server in such a way that its silence is noticed.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 3},
		Control:         limitUnacknowledged,
	}
	return d.DialContext(ctx, network, address)
}

// open makes a connection.
//
// It never sends a cancel request, which the driver would do whenever it gives a connection up: a COMMIT that waits for
// the standby would end there and then, with entries that readers see and that a promotion loses.
func (c *config) open(ctx context.Context) (*pgx.Conn, error) {
	own := c.connect.Copy()
	var connected atomic.Bool
	own.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if connected.Load() {
			return nil, errNoCancel
		}
		return c.connect.DialFunc(ctx, network, address)
	}
	conn, err := pgx.ConnectConfig(ctx, own)
	if err != nil {
		return nil, err
	}
	connected.Store(true)
	if encoding := conn.PgConn().ParameterStatus("server_encoding"); encoding != "UTF8" {
		closeConn(conn)
		return nil, &encodingError{encoding}
	}
	return conn, nil
}

// errNoCancel keeps the driver from sending a cancel request.
var errNoCancel = errors.New("no cancel requests")

// encodingError refuses a database that could not keep every text.
type encodingError struct{ encoding string }

func (e *encodingError) Error() string {
	return fmt.Sprintf("its encoding is %s: it has to be UTF8, as \"createdb -E UTF8 -T template0\" makes it", e.encoding)
}
