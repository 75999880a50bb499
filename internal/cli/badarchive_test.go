package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// An archive that cannot be used is named, with what to do, and left as it is.
func TestArchivesThatCannotBeUsed(t *testing.T) {
	server := relaytest.New(t)
	for name, c := range map[string]struct {
		spoil      func(file []byte)
		says, hint string
	}{
		"of a newer version": {
			func(file []byte) { file[63] = 99 }, // PRAGMA user_version (SQLite's file format, section 1.3)
			"written by a newer fernpost", "use the newer fernpost on this device",
		},
		"damaged": {
			func(file []byte) { copy(file, "no database at all") },
			"the file is damaged", "put a copy of the file back if you have one; else move it away to begin anew",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ana := newDevice(t, server)
			ana.makeRoom(quickSigned)
			ana.must("send", "hello")
			path := filepath.Join(ana.env["HOME"], ".local", "share", "fernpost", "archive", "lab.db")
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(before)
			if err := os.WriteFile(path, before, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, command := range []string{"send hello", "recv", "outbox", "identity list"} {
				if code := ana.run(strings.Fields(command)...); code != exitFailed {
					t.Errorf("%s: exit %d", command, code)
				}
				if got := ana.stderr.String(); !strings.Contains(got, c.says) || !strings.Contains(got, "hint: "+c.hint) {
					t.Errorf("%s says %q", command, got)
				}
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
	if got := nextStep(model.ErrDiskFull); !strings.HasPrefix(got, "make room on the disk") {
		t.Errorf("a full disk: %q", got)
	}
}

// A damaged position of an earlier version ended every watch of plain texts, until the user had deleted the file.
func TestAWatchWithADamagedPositionBeginsNow(t *testing.T) {
	for _, damage := range []string{"", "{", `{"relay":7}`, `{"position":{"last":"x"}}`, "\x00\x00", "[]"} {
		synctest.Test(t, func(t *testing.T) {
			server := relaytest.InBubble(t)
			ana := newDevice(t, server)
			ana.transport = server.Transport(t)
			ana.makeRoom(plainText)
			ana.must("send", "old")
			ana.watchedBefore(damage)
			other := ana.beside()
			go func() {
				time.Sleep(time.Minute)
				other.must("send", "new")
			}()
			ana.must("watch", "--messages", "1")
			synctest.Wait()
			if got := ana.stdout.String(); strings.Contains(got, "old") || !strings.Contains(got, "new\n") {
				t.Errorf("%q: watch prints %q", damage, got)
			}
			if got := ana.stderr.String(); !strings.Contains(got, "lab.json") || !strings.Contains(got, "begins with what comes from now on") {
				t.Errorf("%q: watch says %q", damage, got)
			}
			other.must("send", "newest")
			ana.must("watch", "--messages", "1")
			if got := ana.stdout.String(); !strings.Contains(got, "newest\n") || strings.Contains(ana.stderr.String(), "lab.json") {
				t.Errorf("%q: the next one prints %q, says %q", damage, got, &ana.stderr)
			}
		})
	}
}

// watchedBefore is what an earlier version left of a watch over the room lab.
func (d *device) watchedBefore(position string) (file string) {
	d.t.Helper()
	dir := filepath.Join(d.env["HOME"], ".local", "share", "fernpost", "state")
	file = filepath.Join(dir, "lab.json")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(file, []byte(position), 0o600)); err != nil {
		d.t.Fatal(err)
	}
	return file
}

// What a watch of an earlier version had printed is not printed again, and nothing that came after it is left out.
func TestAWatchGoesOnBehindThatOfAnEarlierVersion(t *testing.T) {
	for name, c := range map[string]struct {
		position string
		channel  int64 // beside the room's
		want     []string
	}{
		"0.1":              {`{"last":2,"at":"2026-11-20T10:00:00Z","row":{"fields":255,"sum":""}}`, 0, []string{"three", "four"}},
		"as it was lately": {`{"last":2,"gaps":[]},"anchors":{"held":true}`, 0, []string{"three", "four"}},
		"some left":        {`{"last":3},"rest":{"entries":[[2,3,0,0,0,0,0,0]]}`, 0, []string{"two", "three", "four"}},
		"another channel":  {`{"last":2}`, 1, []string{"four"}},
		"at the end":       {`{"last":-1}`, 0, []string{"four"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := relaytest.InBubble(t)
			ana := newDevice(t, server)
			ana.transport = server.Transport(t)
			channel := ana.makeRoom(plainText)
			for _, text := range []string{"one", "two", "three"} {
				ana.must("send", text)
			}
			file := ana.watchedBefore(fmt.Sprintf(`{"relay":%q,"channel":%d,"position":%s}`, server.URL, channel+c.channel, c.position))
			other := ana.beside()
			var sending sync.WaitGroup
			sending.Go(func() {
				time.Sleep(time.Minute)
				other.must("send", "four")
			})
			ana.must("watch", "--json", "--messages", fmt.Sprint(len(c.want)))
			sending.Wait() // a stream may show it before the sender has its answer
			var got []string
			for _, e := range ana.events()[""] {
				got = append(got, fmt.Sprint(e["text"]))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: watch prints %q, want %q\n%s", name, got, c.want, &ana.stderr)
			}
			if _, err := os.Stat(file); err == nil {
				t.Errorf("%s: the file is there still", name)
			}
		})
	}
}

// A damaged position ended every command that reads, for good: now the room is read from its beginning, once.
func TestADamagedPositionIsReadAnew(t *testing.T) {
	server := relaytest.New(t)
	for _, damage := range []string{"{", `{"last":9,"rows":"!"}`, `{"last":"nine"}`, `{"last":9,"gaps":[[1]`, "\x00\xff", "[]"} {
		ana := newDevice(t, server)
		ana.makeRoom(quickSigned)
		ana.must("send", "one")
		ana.must("recv")
		dir := filepath.Join(ana.env["HOME"], ".local", "share", "fernpost", "archive")
		store, err := archive.OpenRoom(dir, "lab")
		if err != nil {
			t.Fatal(err)
		}
		state, err := store.State()
		if err == nil {
			state.Position = []byte(damage)
			err = store.Apply(&kept.Change{State: &state})
		}
		if err := errors.Join(err, store.Close()); err != nil {
			t.Fatal(err)
		}
		ana.must("send", "two")
		for range 2 {
			ana.must("recv")
			if got := ana.stdout.String(); strings.Count(got, "one") != 1 || strings.Count(got, "two") != 1 || ana.stderr.Len() > 0 {
				t.Errorf("%q: recv prints %q, %q", damage, got, &ana.stderr)
			}
		}
		if store, err = archive.OpenRoom(dir, "lab"); err != nil {
			t.Fatal(err)
		}
		if state, err = store.State(); err != nil || lastOf(state.Position) != 2 {
			t.Errorf("%q: afterwards reading goes on at %q, %v", damage, state.Position, err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// lastOf is the newest entry that a kept position names, -1 if it is damaged.
func lastOf(position []byte) int64 {
	at := exchange.Position{Last: -1}
	if json.Unmarshal(position, &at) != nil {
		return -1
	}
	return at.Last
}

// Whoever had a damaged file of a room was told so by every command, and by none what to do: it could be neither removed nor
// entered again.
func TestADamagedRoomFileHasANextStep(t *testing.T) {
	server := relaytest.New(t)
	ana := newDevice(t, server)
	ana.makeRoom(quickSigned)
	path := filepath.Join(ana.env["HOME"], ".local", "share", "fernpost", "rooms", "lab.json")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"recv"}, {"send", "hi"}, {"rooms", "remove", "lab", "--yes"}} {
		ana.exits(exitFailed, command...)
		ana.says(1, path+" is damaged\nhint: put a copy of the file back if you have one; else \"mv "+path+" "+path+".damaged\"")
	}
	ana.exits(exitFailed, "doctor")
	if !strings.Contains(ana.stdout.String(), "mv "+path) {
		t.Errorf("doctor says\n%s", &ana.stdout)
	}
	if err := os.Rename(path, path+".damaged"); err != nil { // as it says
		t.Fatal(err)
	}
	ana.must("rooms")
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	ana.must("send", "hi")
}
