package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// TestRawToTheLetter: in a pipe --raw is what the relay or the file has, byte for byte; on a terminal nothing in it
// reaches the terminal's controls, and no line is lost.
func TestRawToTheLetter(t *testing.T) {
	relay := relaytest.New(t)
	eve := newDevice(t, relay)
	channel := eve.makeRoom(plainText)
	const hostile = "\x1b[31mred\x1b]0;title\x07 \u202egnp.exe \x9b2J ü"
	relay.Seed(t, channel, 3, func(int) thingspeak.Entry {
		return thingspeak.Entry{CreatedAt: time.Unix(1_700_000_000, 0), Fields: thingspeak.Fields{thingspeak.Text(hostile)}}
	})
	reply, err := http.Get(fmt.Sprintf("%s/channels/%d/feeds.csv?results=20", relay.URL, channel))
	if err != nil {
		t.Fatal(err)
	}
	served, err := io.ReadAll(reply.Body)
	if err := reply.Body.Close(); err != nil {
		t.Error(err)
	}
	if err != nil || !bytes.Contains(served, []byte("\x1b]0;title")) {
		t.Fatalf("the relay serves %q (%v)", served, err)
	}
	file := filepath.Join(t.TempDir(), "feed.csv")
	cut := append(bytes.Clone(served), "2026-11-20 10:00:00 UTC,4,\x1b[31mcut"...)
	if err := os.WriteFile(file, cut, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want []byte
	}{
		"relay": {[]string{"--channel", fmt.Sprint(channel)}, served},
		"file":  {[]string{"--csv", file}, cut},
	} {
		args := append([]string{"eavesdrop", "--raw"}, c.args...)
		eve.must(args...)
		if got := eve.stdout.Bytes(); !bytes.Equal(got, c.want) {
			t.Errorf("%s: in a pipe it prints %q, want %q", name, got, c.want)
		}
		eve.screen = true
		eve.must(args...)
		eve.screen = false
		got := eve.stdout.String()
		if strings.ContainsAny(got, "\x1b\x07\u009b\u202e") || !utf8.ValidString(got) {
			t.Errorf("%s: a terminal is sent %q", name, got)
		}
		if strings.Count(got, "[31mred]0;title gnp.exe") != 3 || strings.Contains(got, "[31mcut") != (name == "file") {
			t.Errorf("%s: a terminal shows\n%s", name, got)
		}
	}
}

// However it comes in pieces, what a terminal is sent is clean, and ends with the last line.
func TestCleanWriterInPieces(t *testing.T) {
	text := strings.Repeat("\x1b[2Ja line ü\r\n", 20) + strings.Repeat("x\x1b", 1<<16) + "\nthe end"
	for name, r := range map[string]io.Reader{
		"at once": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text)),
	} {
		var out bytes.Buffer
		w := &cleanWriter{to: &out}
		if _, err := io.Copy(w, r); err != nil {
			t.Fatal(err)
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		want := strings.Repeat("[2Ja line ü\n", 20) + strings.Repeat("x", 1<<16) + "\nthe end"
		if out.String() != want {
			t.Errorf("%s: %d bytes, want %d", name, out.Len(), len(want))
		}
	}
}

// TestNewestRowsOfAFileInAnyOrder: the newest rows of a file are those with the latest dates, wherever older ones stand.
func TestNewestRowsOfAFileInAnyOrder(t *testing.T) {
	d := newDevice(t, relaytest.New(t))
	file := filepath.Join(t.TempDir(), "feed.csv")
	var text strings.Builder
	text.WriteString("created_at,entry_id,field1\n")
	for i, day := range []string{"03-01", "03-02", "03-03", "03-04", "03-05", "02-01", "02-02", "02-03", "03-20"} {
		text.WriteString(fmt.Sprintf("2023-%s 10:00:00 UTC,%d,x\n", day, i+1))
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	d.must("eavesdrop", "--csv", file, "-n", "3")
	for _, day := range []string{"2023-03-04", "2023-03-05", "2023-03-20"} {
		if out := d.stdout.String(); strings.Count(out, "2023-") != 3 || !strings.Contains(out, day) {
			t.Errorf("the newest three rows lack %s:\n%s", day, out)
		}
	}
}

// Without -n --raw wrote the newest 20 entries into a file, and said nothing of the others.
func TestRawLacksNothingUnsaid(t *testing.T) {
	relay := relaytest.New(t, relaytest.InMemory())
	eve := newDevice(t, relay)
	channel := eve.makeRoom(plainText)
	seed := func(n int) {
		relay.Seed(t, channel, n, func(int) thingspeak.Entry { return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("x")}} })
	}
	for _, c := range []struct{ more, rows, told int }{{30, 30, 0}, {thingspeak.MaxResults - 20, thingspeak.MaxResults, 1}} {
		seed(c.more)
		eve.must("eavesdrop", "--raw", "--channel", fmt.Sprint(channel))
		if got := bytes.Count(eve.stdout.Bytes(), []byte("\n")) - 1; got != c.rows {
			t.Errorf("%d rows, want %d", got, c.rows)
		}
		eve.says(c.told, "lacks what is older than entry 11;")
	}
	eve.must("eavesdrop", "--raw", "-n", "5", "--channel", fmt.Sprint(channel))
	eve.says(0, "lacks")
}
