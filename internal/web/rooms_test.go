package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/gateway"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// member enters a room with everything that a device keeps in a directory of its own.
func member(t *testing.T, nick string, r model.Room) *messenger.Engine {
	t.Helper()
	home := t.TempDir()
	engine := messenger.New(messenger.Options{
		Dir:         func(kind string) (string, error) { return filepath.Join(home, kind), nil },
		Access:      channel.Access{Timeout: 10 * time.Second},
		ArchiveSize: func() int64 { return 0 },
	})
	if err := errors.Join(engine.SetNickname(nick), engine.Add(r)); err != nil {
		t.Fatal(err)
	}
	return engine
}

// say has a member send a text.
func say(t *testing.T, engine *messenger.Engine, text string) {
	t.Helper()
	r, err := engine.Find("lab")
	if err != nil {
		t.Fatal(err)
	}
	room, err := engine.Open(r, messenger.Face{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = room.Send(t.Context(), record.Text(text), messenger.SendOptions{})
	if err = errors.Join(err, room.Close()); err != nil {
		t.Fatal(err)
	}
}

// startRooms serves ana's room lab, in which bo has written, too.
func startRooms(t *testing.T) (*Rooms, *messenger.Engine) {
	t.Helper()
	relay, err := serve.Start(t.Context(), serve.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := relay.Close(); err != nil {
			t.Error(err)
		}
	})
	lab := model.Room{
		Name: "lab", Relay: relay.URL(), Fields: slices.Collect(thingspeak.AllFields.All()), Profile: passphrase.Fernpost().Name(),
		Interval: "0s", Keys: []model.Secret{model.Secret(fernet.GenerateKey().Reveal())},
	}
	maker := messenger.New(messenger.Options{Access: channel.Access{Timeout: 10 * time.Second}})
	if err := maker.MakeChannel(t.Context(), &lab, "lab", true, ""); err != nil {
		t.Fatal(err)
	}
	ana, bo := member(t, "ana", lab), member(t, "bo", lab)
	say(t, ana, "hello from ana")
	say(t, bo, "hello from bo")
	r, err := StartRooms(t.Context(), RoomsOptions{
		Listen: "127.0.0.1:0", Engine: ana, Pace: gateway.Pace{Fastest: time.Second, Slowest: 10 * time.Second},
		Access: channel.Access{Timeout: 10 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(r.dir.Path()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", r.dir.Path(), err)
		}
	})
	return r, bo
}

// askRooms makes a request with these headers.
func askRooms(t *testing.T, r *Rooms, method, path string, headers map[string]string) (status int, answer string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, r.Address()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		if q.Header.Set(name, value); name == "Host" {
			q.Host = value
		}
	}
	got, err := client(t).Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	all, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, string(all)
}

// TestRoomsAreTheirOwners: only who bears the token reads, and neither a page of another site nor another name for this machine is
// answered, token or not.
func TestRoomsAreTheirOwners(t *testing.T) {
	t.Parallel()
	r, _ := startRooms(t)
	token := "Bearer " + r.gateway.FirstToken()
	paths := []string{"/outside/lab", "/rooms", "/rooms/lab/messages", "/rooms/lab/people"}
	for _, path := range paths {
		if status, answer := askRooms(t, r, "GET", path, map[string]string{"Authorization": token}); status != http.StatusOK {
			t.Errorf("%s with the token: %d %s", path, status, answer)
		}
		for _, shown := range []string{"", "Bearer wrong", "Bearer ", token[:20], "Basic " + token} {
			if status, _ := askRooms(t, r, "GET", path, map[string]string{"Authorization": shown}); status != http.StatusUnauthorized {
				t.Errorf("%s with %q: %d", path, shown, status)
			}
		}
	}
	for _, path := range append(paths, "/", "/static/rooms.js") {
		for name, value := range map[string]string{"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"} {
			headers := map[string]string{"Authorization": token, name: value}
			if status, _ := askRooms(t, r, "GET", path, headers); status != http.StatusForbidden && status != http.StatusMisdirectedRequest {
				t.Errorf("%s with %s: %s is answered: %d", path, name, value, status)
			}
		}
	}
	if _, page := askRooms(t, r, "GET", "/", nil); strings.Contains(page, r.gateway.FirstToken()) || !strings.Contains(page, "rooms.js") {
		t.Errorf("the page is\n%s", page)
	}
	for _, path := range []string{"/outside/none", "/rooms/none/people"} {
		if status, _ := askRooms(t, r, "GET", path, map[string]string{"Authorization": token}); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// TestRoomsShowWhatOthersSee: the right side has every row with its tokens, and nothing that was said.
func TestRoomsShowWhatOthersSee(t *testing.T) {
	t.Parallel()
	r, _ := startRooms(t)
	token := map[string]string{"Authorization": "Bearer " + r.gateway.FirstToken()}
	_, answer := askRooms(t, r, "GET", "/outside/lab", token)
	var shown struct {
		Rows []struct {
			Entry  int64
			CSV    string
			Values []struct{ Parts []any }
		}
		Trouble string
	}
	if err := json.Unmarshal([]byte(answer), &shown); err != nil || shown.Trouble != "" || len(shown.Rows) != 2 {
		t.Fatalf("what others see: %v\n%s", err, answer)
	}
	if row := shown.Rows[1]; row.Entry != 2 || len(row.Values) != 2 || len(row.Values[0].Parts) != 12 || !strings.Contains(row.CSV, ",2,gAAAA") {
		t.Fatalf("the second row is %+v", row)
	}
	if strings.Contains(answer, "hello") {
		t.Fatal("others see what was said")
	}
}

// TestRoomsKnowWhoWasCompared: who is in the room, by the words that are read aloud, and that they were.
func TestRoomsKnowWhoWasCompared(t *testing.T) {
	t.Parallel()
	r, bo := startRooms(t)
	token := map[string]string{"Authorization": "Bearer " + r.gateway.FirstToken()}
	lab, err := bo.Find("lab")
	if err != nil {
		t.Fatal(err)
	}
	key, err := bo.Own(lab)
	if err != nil {
		t.Fatal(err)
	}
	type person struct {
		Name     string
		Key      record.PublicKey
		Words    string
		Compared bool
	}
	people := func() (all []person) {
		var told struct{ People []person }
		_, answer := askRooms(t, r, "GET", "/rooms/lab/people", token)
		if err := json.Unmarshal([]byte(answer), &told); err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
		return told.People
	}
	called := func(p person) bool {
		return p.Name == "bo" && p.Key == key && p.Words == passphrase.SixWords(key.Safety())
	}
	testenv.Await(t, "bo among the people", func() bool {
		askRooms(t, r, "GET", "/rooms/lab/messages", token) // which follows the room
		return slices.ContainsFunc(people(), called)
	})
	if status, answer := askRooms(t, r, "POST", "/rooms/lab/people/"+key.String(), token); status != http.StatusNoContent {
		t.Fatalf("comparing: %d %s", status, answer)
	}
	all := people()
	if i := slices.IndexFunc(all, called); i < 0 || !all[i].Compared {
		t.Fatalf("afterwards the people are %+v", all)
	}
	if status, _ := askRooms(t, r, "POST", "/rooms/lab/people/nobody", token); status != http.StatusNotFound {
		t.Errorf("nobody's key: %d", status)
	}
}

// TestRoomsStayOnThisMachine: what the page shows is clear.
func TestRoomsStayOnThisMachine(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:0", "192.0.2.1:0", ":0", "example.com:0"} {
		if _, err := StartRooms(t.Context(), RoomsOptions{Listen: listen}); !errors.Is(err, ErrNotLoopback) {
			t.Errorf("StartRooms at %s: %v", listen, err)
		}
	}
}
