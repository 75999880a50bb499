package serve

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/metrics"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
)

const (
	// minFree is how many bytes the disk must have left for a relay to be ready. SQLite's log alone takes 4 MiB.
	minFree = 16 << 20
	// readyTimeout is how long the store may take to answer.
	readyTimeout = 2 * time.Second
)

// What /readyz says when it does not say "ready".
var (
	errStopping    = errors.New("stopping")
	errUnreachable = errors.New("store unavailable")
	errReadOnly    = errors.New("data directory is not writable")
	errDiskFull    = errors.New("disk full")
)

// ready reports whether the relay can take and give data.
func (r *Running) ready(ctx context.Context) error {
	if r.stopping.Load() {
		return errStopping
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	// No channel has the number 0; to learn that, the store has to look.
	if _, err := r.store.Position(ctx, 0); !errors.Is(err, relay.ErrNotFound) {
		r.log.Warn("not ready", "err", err)
		return errUnreachable
	}
	if r.data == "" {
		return nil
	}
	if err := writable(r.data); err != nil {
		r.log.Warn("not ready", "err", err)
		return errReadOnly
	}
	if free, err := freeBytes(r.data); err == nil && free < minFree {
		r.log.Warn("not ready", "free", free)
		return errDiskFull
	}
	return nil
}

// gauges adds what the process knows to the metrics.
func (r *Running) gauges(m *metrics.Metrics, c *guard.Clients, cert *certificate) {
	m.Gauge("fernpost_relay_connections", func() float64 { return float64(c.Open()) })
	m.Gauge("fernpost_relay_connections_refused_total", func() float64 { return float64(c.Refused()) })
	m.Gauge("fernpost_relay_cache_bytes", func() float64 {
		sum := 0
		for _, rules := range r.shown.Load().relays {
			sum += rules.CacheBytes()
		}
		return float64(sum)
	})
	if r.data != "" {
		m.Gauge("fernpost_relay_store_bytes", func() float64 { return storeBytes(r.data) })
		m.Gauge("fernpost_relay_disk_free_bytes", func() float64 {
			free, err := freeBytes(r.data)
			if err != nil {
				return -1
			}
			return float64(free)
		})
	}
	if cert != nil {
		m.Gauge("fernpost_relay_certificate_expires_seconds", func() float64 { return float64(cert.expires().Unix()) })
	}
}

// storeBytes is how much the database and its log take on disk.
func storeBytes(dir string) float64 {
	var sum int64
	for _, name := range []string{sqlite.FileName, sqlite.FileName + "-wal"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			sum += info.Size()
		}
	}
	return float64(sum)
}

// serverLog takes what net/http reports. Most of it is about clients that hang up or speak no TLS; what is about
// ourselves, such as too many open files, must not drown in that.
func serverLog(l *slog.Logger) *log.Logger { return log.New(&serverLines{l}, "", 0) }

type serverLines struct{ log *slog.Logger }

// Write is part of [io.Writer].
func (s *serverLines) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	level := slog.LevelDebug
	if strings.HasPrefix(text, "http: Accept error") || strings.HasPrefix(text, "http: superfluous") {
		level = slog.LevelError
	}
	s.log.Log(context.Background(), level, "from the HTTP server", "text", text)
	return len(line), nil
}
