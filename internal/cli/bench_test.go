package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// sealed returns n messages of 100 bytes sealed with the key of the device's room.
func (d *device) sealed(n int) []thingspeak.Fields {
	d.t.Helper()
	a := &app{getenv: func(name string) string { return d.env[name] }}
	r, err := a.loadRoom("lab")
	if err != nil {
		d.t.Fatal(err)
	}
	key, err := fernet.ParseKey(r.Keys[0].Reveal())
	if err != nil {
		d.t.Fatal(err)
	}
	ring, err := fernet.NewRing(key)
	if err != nil {
		d.t.Fatal(err)
	}
	out := make([]thingspeak.Fields, n)
	for i := range out {
		text, err := ring.Seal(fmt.Appendf(nil, "message %06d %s", i, strings.Repeat("x", 85)), time.Now())
		if err != nil {
			d.t.Fatal(err)
		}
		out[i][0] = thingspeak.Text(text)
	}
	return out
}

// BenchmarkCommand runs whole commands, without the start of a process, against a relay on loopback.
func BenchmarkCommand(b *testing.B) {
	relay := relaytest.New(b)
	ana := newDevice(b, relay)
	channel := ana.makeRoom(plainText)
	rows := ana.sealed(8000)
	relay.Seed(b, channel, len(rows), func(i int) thingspeak.Entry {
		return thingspeak.Entry{Fields: rows[i], CreatedAt: time.Now().Add(time.Duration(i-len(rows)) * time.Second)}
	})
	for _, c := range []struct {
		name string
		args []string
	}{
		{"Help", []string{"--help"}},
		{"RecvNewest10Of8000", []string{"recv"}},
		{"Recv8000", []string{"recv", "-n", "0"}},
		{"Eavesdrop20Of8000", []string{"eavesdrop", "--room", "lab"}},
		{"Send100B", []string{"send", strings.Repeat("x", 100)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			ana.t = b
			b.ReportAllocs()
			for b.Loop() {
				ana.must(c.args...)
			}
		})
	}
}

// BenchmarkRecvCSV shows what the newest messages of a file cost: all its rows are looked at, and only these opened.
func BenchmarkRecvCSV(b *testing.B) {
	ana := newDevice(b, relaytest.New(b))
	ana.makeRoom(plainText)
	sealed := ana.sealed(8000)
	for _, n := range []int{8_000, 80_000} {
		csv := thingspeak.AppendCSVHeader(nil, thingspeak.FieldsOf(1), false, false)
		for i := range n {
			e := thingspeak.Entry{ID: int64(i + 1), CreatedAt: time.Unix(int64(i), 0), Fields: sealed[i%len(sealed)]}
			csv = thingspeak.AppendCSVRow(csv, &e, thingspeak.FieldsOf(1), false, false, nil)
		}
		file := filepath.Join(b.TempDir(), "feed.csv")
		if err := os.WriteFile(file, csv, 0o600); err != nil {
			b.Fatal(err)
		}
		for name, newest := range map[string]string{"Newest10": "10", "Newest1000": "1000"} {
			b.Run(fmt.Sprintf("%s/%drows", name, n), func(b *testing.B) {
				ana.t = b
				b.ReportAllocs()
				for b.Loop() {
					ana.must("recv", "--csv", file, "-n", newest)
				}
			})
		}
	}
}

// BenchmarkSigned sends a message, and a file to somebody else, in a signed room of a relay without interval.
func BenchmarkSigned(b *testing.B) {
	relay := relaytest.New(b)
	ana, bo := newDevice(b, relay), newDevice(b, relay)
	channel := ana.makeRoom("fernpost")
	bo.must("join", "lab", "--channel", fmt.Sprint(channel))
	b.Run("Send200B", func(b *testing.B) {
		ana.t = b
		b.ReportAllocs()
		for b.Loop() {
			ana.must("send", strings.Repeat("x", 200))
		}
	})
	bo.must("recv")
	b.Run("File1MiB", func(b *testing.B) {
		ana.t, bo.t = b, b
		in := b.TempDir()
		b.SetBytes(1 << 20)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			file := filepath.Join(b.TempDir(), "file")
			if err := os.WriteFile(file, fmt.Appendf(make([]byte, 1<<20), "%d", i), 0o600); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			ana.must("send", "--file", file)
			bo.must("recv", "-n", "1", "--save", in)
		}
	})
}
