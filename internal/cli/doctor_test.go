package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/wire"
)

// Each finding of an examination has words, a state and, if it is wrong, a next step.
func TestDoctorSaysWhatIsWrong(t *testing.T) {
	room := model.Room{
		Name: "lab", Relay: "http://relay.example", Channel: 7, Fields: []int{1, 2}, Profile: "fernpost", Keys: []model.Secret{"k"}, WriteKey: "w",
	}
	well := messenger.Health{
		Took: 20 * time.Millisecond, HasClock: true, Private: true, Proven: true, Opens: true, Newest: 12,
		Told: true, Interval: 15 * time.Second, Granted: exchange.Limits{Interval: 15 * time.Second},
	}
	refused := &wire.RefusedError{Doing: "reading channel 7", Reason: wire.KeyRefused, Status: 401}
	for name, c := range map[string]struct {
		provoke     func(*messenger.Health, *model.Room)
		check       string
		state       checkState
		says, hints string
	}{
		"all is well":      {check: "room key", state: checkGood, says: "the newest entry is 12"},
		"quick":            {check: "relay", state: checkGood, says: "answers in 20ms"},
		"private":          {check: "channel", state: checkGood, says: "nobody without a key"},
		"fields are shown": {check: "fields", state: checkGood, says: "uses: 1 2"},
		"a damaged room": {
			func(h *messenger.Health, _ *model.Room) { h.Keys = errors.New("the key is none") },
			"room", checkWrong, "the key is none", "join the room again",
		},
		"a damaged archive": {
			func(h *messenger.Health, _ *model.Room) { h.Archive = fs.ErrPermission },
			"archive", checkWrong, "permission denied", "",
		},
		"messages wait": {
			func(h *messenger.Health, _ *model.Room) { h.Unposted = 2 },
			"archive", checkMind, "2 entries", "outbox --retry",
		},
		"signed here": {
			func(h *messenger.Health, _ *model.Room) { h.Signed = true },
			"identity", checkGood, "signs", "",
		},
		"an identity that has moved away": {
			func(h *messenger.Health, _ *model.Room) {
				h.Signed, h.Signer = true, &messenger.GoneError{At: time.Unix(1_800_000_000, 0)}
			},
			"identity", checkWrong, "signs nothing here", "identity import FILE",
		},
		"somebody compared has moved to a new key": {
			func(h *messenger.Health, _ *model.Room) {
				h.Moved = &model.MovedError{Room: "lab", By: model.Moved{Name: "bo", Compared: true}}
			},
			"new key", checkWrong, "bo", "key add --room lab",
		},
		"relay away": {func(h *messenger.Health, _ *model.Room) {
			h.Relay = &wire.UnreachableError{Doing: "reading", Host: "relay.example", Detail: "connection refused"}
		}, "relay", checkWrong, "relay.example", ""},
		"no such channel": {
			func(h *messenger.Health, _ *model.Room) { h.Relay = refused },
			"channel", checkWrong, "no channel 7", "channel's number",
		},
		"slow": {
			func(h *messenger.Health, _ *model.Room) { h.Took = 3 * time.Second },
			"relay", checkMind, "took 3s", "--timeout",
		},
		"clock behind": {
			func(h *messenger.Health, _ *model.Room) { h.Ahead = time.Hour },
			"clock", checkMind, "1h0m0s behind the relay's", "set the clock",
		},
		"clock ahead": {
			func(h *messenger.Health, _ *model.Room) { h.Ahead = -2 * time.Minute },
			"clock", checkMind, "2m0s ahead of the relay's", "set the clock",
		},
		"clock not told": {
			func(h *messenger.Health, _ *model.Room) { h.HasClock = false },
			"clock", checkNone, "does not say", "",
		},
		"public": {
			func(h *messenger.Health, _ *model.Room) { h.Private, h.Public = false, true },
			"channel", checkMind, "everybody sees its rows", "eavesdrop",
		},
		"public or not": {
			func(h *messenger.Health, _ *model.Room) { h.Private = false },
			"channel", checkNone, "did not turn out", "",
		},
		"a field is not shown": {
			func(h *messenger.Health, _ *model.Room) {
				h.Fields = &messenger.EntryError{Why: messenger.FieldHidden, Err: errors.New("channel 7 does not show field 2")}
			},
			"fields", checkWrong, "does not show field 2", "rooms set lab --fields",
		},
		"as the relay wants":    {check: "interval", state: checkGood, says: "15s between two updates, and so does the room"},
		"no limit to a channel": {check: "quota", state: checkGood, says: "names no limit"},
		"sooner than the relay wants": {
			func(h *messenger.Health, _ *model.Room) { h.Interval = time.Second },
			"interval", checkMind, "refused at first", "rooms set lab --interval 15s",
		},
		"later than the relay wants": {
			func(h *messenger.Health, _ *model.Room) { h.Granted.Interval = 0 },
			"interval", checkMind, "waits for 15s", "rooms set lab --interval 0s",
		},
		"as the relay says": {
			func(h *messenger.Health, _ *model.Room) { h.Interval = 0 },
			"interval", checkGood, "says when to wait", "",
		},
		"limits that are not told": {
			func(h *messenger.Health, _ *model.Room) { h.Told, h.Granted = false, exchange.Limits{} },
			"interval", checkNone, "keeps to 15s", "",
		},
		"a quota that is not told": {
			func(h *messenger.Health, _ *model.Room) { h.Told, h.Granted = false, exchange.Limits{} },
			"quota", checkNone, "does not tell", "",
		},
		"room for more": {
			func(h *messenger.Health, _ *model.Room) { h.Granted.Entries = 100 },
			"quota", checkGood, "newest entry is 12, and 100", "",
		},
		"nearly full": {
			func(h *messenger.Health, _ *model.Room) { h.Granted.Entries = 13 },
			"quota", checkMind, "nearly full", "--max-entries",
		},
		"a full channel": {
			func(h *messenger.Health, _ *model.Room) { h.Granted.Entries = 12 },
			"quota", checkWrong, "is full", "new room",
		},
		"a full channel that is only read": {
			func(h *messenger.Health, r *model.Room) { h.Granted.Entries, r.WriteKey, h.Proven = 12, "", false },
			"quota", checkMind, "is full", "new room",
		},
		"no write key": {
			func(h *messenger.Health, r *model.Room) { r.WriteKey, h.Proven = "", false },
			"write key", checkMind, "only be read", "rooms set lab --write-key-file",
		},
		"a wrong write key": {
			func(h *messenger.Health, _ *model.Room) { h.Proven, h.WriteKey = false, refused },
			"write key", checkWrong, "reading channel 7", "rooms set lab --write-key-file",
		},
		"a write key that nobody proves": {
			func(h *messenger.Health, _ *model.Room) { h.Proven = false },
			"write key", checkNone, "the first message shows it", "",
		},
		"rows that cannot be read": {
			func(h *messenger.Health, _ *model.Room) { h.Rows = errors.New("an HTML page") },
			"room key", checkWrong, "an HTML page", "",
		},
		"some rows do not open": {
			func(h *messenger.Health, _ *model.Room) { h.Unopened = 3 },
			"room key", checkMind, "3 rows", "key add --room lab",
		},
		"no row opens": {
			func(h *messenger.Health, _ *model.Room) { h.Opens, h.Unopened = false, 3 },
			"room key", checkWrong, "none of the newest rows", "key add --room lab",
		},
		"no row is there": {
			func(h *messenger.Health, _ *model.Room) { h.Opens = false },
			"room key", checkNone, "no message is there", "",
		},
	} {
		r, h := room, well
		if c.provoke != nil {
			c.provoke(&h, &r)
		}
		found := false
		for _, got := range roomChecks(&r, &h) {
			if got.name != c.check {
				if got.state == checkWrong {
					t.Errorf("%s: %s is wrong as well: %s", name, got.name, got.what)
				}
				continue
			}
			found = true
			if got.state != c.state || !strings.Contains(got.what, c.says) || !strings.Contains(got.next, c.hints) {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if !found {
			t.Errorf("%s: nothing is said of %s", name, c.check)
		}
	}
}

func TestDoctorLooksAtTheDevice(t *testing.T) {
	for name, c := range map[string]struct {
		env         map[string]string
		terminal    bool
		width       int
		check       func(*app) checkResult
		state       checkState
		says, never string
	}{
		"no proxy":             {check: (*app).checkProxy, state: checkGood, says: "none"},
		"a proxy":              {env: map[string]string{"HTTPS_PROXY": "http://u:pw@p.example:1"}, check: (*app).checkProxy, state: checkMind, says: "p.example:1", never: "pw"},
		"no such proxy":        {env: map[string]string{"http_proxy": "%zz:pw"}, check: (*app).checkProxy, state: checkWrong, says: "http_proxy", never: "pw"},
		"a proxy for all":      {env: map[string]string{"ALL_PROXY": "socks5://u:pw@p.example:1"}, check: (*app).checkProxy, state: checkMind, says: "p.example:1 (ALL_PROXY)", never: "pw"},
		"a proxy without kind": {env: map[string]string{"http_proxy": "p.example:3128"}, check: (*app).checkProxy, state: checkMind, says: "p.example:3128 (http_proxy)"},
		"an unknown kind":      {env: map[string]string{"all_proxy": "socks4://u:pw@p.example:1"}, check: (*app).checkProxy, state: checkWrong, says: "all_proxy", never: "pw"},
		"no terminal":          {check: (*app).checkTerminal, state: checkGood, says: "none"},
		"a terminal":           {env: map[string]string{"TERM": "xterm", "LANG": "C.UTF-8"}, terminal: true, width: 80, check: (*app).checkTerminal, state: checkGood, says: "xterm"},
		"without UTF-8":        {env: map[string]string{"TERM": "xterm", "LANG": "C"}, terminal: true, width: 80, check: (*app).checkTerminal, state: checkMind, says: "UTF-8"},
		"a narrow one":         {env: map[string]string{"LC_ALL": "de_DE.utf8"}, terminal: true, width: 40, check: (*app).checkTerminal, state: checkMind, says: "broken"},
		"no place":             {env: map[string]string{}, check: (*app).checkFiles, state: checkWrong, says: "nothing can be kept"},
		"a place":              {env: map[string]string{"XDG_DATA_HOME": t.TempDir()}, check: (*app).checkFiles, state: checkGood, says: "are kept in"},
		"a file instead":       {env: map[string]string{"XDG_DATA_HOME": "/dev/null"}, check: (*app).checkFiles, state: checkWrong, says: "nothing can be kept"},
	} {
		a := &app{getenv: func(name string) string { return c.env[name] }, stdoutTerminal: c.terminal, width: c.width}
		got := c.check(a)
		if got.state != c.state || !strings.Contains(got.what, c.says) || c.never != "" && strings.Contains(got.what+got.next, c.never) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestDoctorSeesDirectoriesThatOthersMayWrite: whoever may write where rooms are kept can put one of his own in the place of
// a room, whatever the mode of the files.
func TestDoctorSeesDirectoriesThatOthersMayWrite(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("directories have no such modes here")
	}
	for _, c := range []struct {
		name string // below the directory for data
		mode os.FileMode
		want checkState
	}{
		{"fernpost", 0o777, checkWrong},
		{"fernpost", 0o770, checkWrong},
		{"fernpost", 0o755, checkGood},
		{"fernpost/rooms", 0o777, checkWrong},
		{"fernpost/archive", 0o722, checkWrong},
		{"", 0o777, checkWrong},
		{"", 0o777 | os.ModeSticky, checkGood},
		{"", 0o775, checkGood},
	} {
		data := filepath.Join(t.TempDir(), "da[ta") // it was taken for a pattern
		for _, name := range []string{"fernpost/rooms", "fernpost/archive"} {
			if err := os.MkdirAll(filepath.Join(data, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		dir := filepath.Join(data, c.name)
		if err := os.Chmod(dir, c.mode); err != nil { // past the umask
			t.Fatal(err)
		}
		a := &app{getenv: func(name string) string { return map[string]string{"XDG_DATA_HOME": data}[name] }}
		got := a.checkFiles()
		if got.state != c.want || (c.want == checkWrong) != strings.Contains(got.next, "chmod go-w "+dir+"\"") {
			t.Errorf("%q of mode %v: %+v", c.name, c.mode, got)
		}
	}
}
