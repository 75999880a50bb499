package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// BenchmarkFirstRead measures the first read of 8,000 rows after a start: with the system's memory of the file dropped,
// and as it is after a restart of the relay alone.
func BenchmarkFirstRead(b *testing.B) {
	const rows, channels = 8000, 64
	for _, together := range []bool{true, false} {
		lie := map[bool]string{true: "together", false: fmt.Sprintf("%dinterleaved", channels)}[together]
		dir := b.TempDir()
		fill(b, dir, rows, channels, rows, together)
		for _, cold := range []bool{true, false} {
			b.Run(lie+"/"+map[bool]string{true: "disk", false: "memory"}[cold], func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					if cold {
						forget(b, filepath.Join(dir, sqlite.FileName))
					}
					s, err := sqlite.Open(dir)
					if err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					read := 0
					err = s.Entries(b.Context(), channels/2, 1, rows, func(*thingspeak.Entry) error {
						read++
						return nil
					})
					if err != nil || read != rows {
						b.Fatalf("%d rows, %v", read, err)
					}
					b.StopTimer()
					if err := s.Close(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

// forget makes the system drop what it holds of a file in memory.
func forget(b *testing.B, name string) {
	b.Helper()
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		b.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		b.Fatal(err)
	}
}
