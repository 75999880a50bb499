package gateway

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	access "github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// house is a gateway with the room lab at a relay of its own, asked without a network. Call newHouse inside of synctest.Test.
type house struct {
	t        *testing.T
	server   *relaytest.Server
	room     model.Room
	h        *handler
	followed *followedRooms
	home     string
	grants   *Grants
	token    string // for everything
}

func newHouse(t *testing.T, profile string, options ...relaytest.Option) *house {
	t.Helper()
	server := relaytest.InBubble(t, options...)
	channel := server.CreateChannel(t, relaytest.AllFields(true))
	x := &house{t: t, server: server, home: t.TempDir(), room: model.Room{
		Name: "lab", Relay: server.URL, Channel: channel.ID, WriteKey: model.Secret(channel.WriteKey),
		Fields: []int{1, 2, 3, 4, 5, 6, 7, 8}, Interval: "0s", Profile: profile,
		Keys: []model.Secret{model.Secret(fernet.GenerateKey().Reveal())},
	}}
	x.h, x.token, x.grants = newTestHandler(t, Options{})
	x.open()
	t.Cleanup(x.close)
	return x
}

// testPace is how often the relays of tests are asked.
var testPace = Pace{time.Second, 10 * time.Second}

// newEngine makes an engine that keeps all in a directory.
func newEngine(home string, a access.Access) *messenger.Engine {
	return messenger.New(messenger.Options{
		Dir: func(kind string) (string, error) { return filepath.Join(home, kind), nil }, Access: a, ArchiveSize: func() int64 { return 0 },
	})
}

// engine is that of somebody with a home of their own.
func (x *house) engine(home string) *messenger.Engine {
	x.t.Helper()
	e := newEngine(home, access.Access{Timeout: 10 * time.Second, Transport: x.server.Transport(x.t)})
	if err := e.Add(x.room); err != nil && !errors.Is(err, model.ErrRoomExists) {
		x.t.Fatal(err)
	}
	return e
}

func (x *house) open() {
	x.h = newHandler(Options{}, x.grants, newClients(discard))
	x.followed = newFollowedRooms(x.engine(x.home), testPace, discard)
	x.h.openRooms(x.followed)
}

func (x *house) close() {
	if err := x.followed.close(); err != nil {
		x.t.Error(err)
	}
}

// restart is what is left after the process was killed.
func (x *house) restart() {
	x.close()
	x.open()
}

// request makes a request with the token for everything.
func (x *house) request(method, path, body string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(x.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:4711"
	r.Header.Set("Authorization", "Bearer "+x.token)
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return r
}

// record returns what is answered.
func (x *house) record(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	x.h.ServeHTTP(w, x.request(method, path, body, headers...))
	return w
}

// ask returns the status and the answer, which is read into the given value if that is not nil.
func (x *house) ask(into any, method, path, body string, headers ...string) (int, string) {
	x.t.Helper()
	w := x.record(method, path, body, headers...)
	if into != nil && w.Code < 300 {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			x.t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	if w.Code >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
		x.t.Errorf("%s %s is refused with %q", method, path, w.Header().Get("Content-Type"))
	}
	return w.Code, w.Body.String()
}

func (x *house) must(into any, method, path, body string, headers ...string) {
	x.t.Helper()
	if status, answer := x.ask(into, method, path, body, headers...); status >= 300 {
		x.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
}

// bo says something in the room, from elsewhere.
func (x *house) bo(bodies ...record.Body) {
	x.t.Helper()
	e := x.engine(x.t.TempDir())
	if err := e.SetNickname("bo"); err != nil {
		x.t.Fatal(err)
	}
	for _, body := range bodies {
		if _, err := e.Send(x.t.Context(), x.room, body, messenger.SendOptions{}, messenger.Face{}); err != nil {
			x.t.Fatal(err)
		}
	}
}

func texts(a *messagesAnswer) string {
	var all []string
	for _, m := range a.Messages {
		if m.Text != nil {
			all = append(all, *m.Text)
		} else {
			all = append(all, m.Kind)
		}
	}
	return strings.Join(all, " ")
}

// A consumer is given what came while nobody listened, also over a restart, until it has acknowledged it; and then never again.
func TestABotThatWasAwayIsGivenAll(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newHouse(t, profile)
				x.bo(record.Text("before"))
				var got messagesAnswer
				take := func(path, want string) {
					t.Helper()
					got = messagesAnswer{}
					if x.must(&got, "GET", "/rooms/lab/messages?"+path, ""); texts(&got) != want {
						t.Errorf("%s brings %q, want %q", path, texts(&got), want)
					}
				}
				ack := func(consumer string) {
					t.Helper()
					x.must(nil, "POST", "/rooms/lab/messages/ack?consumer="+consumer, `{"cursor":"`+*got.Cursor+`"}`)
				}
				take("consumer=bot", "")
				take("consumer=all&from=start&wait=1m", "before")
				x.bo(record.Text("one"), record.Text("two"))
				time.Sleep(time.Minute)
				take("consumer=bot", "one two")
				x.restart()
				take("consumer=bot&from=now", "one two")
				take("consumer=bot&limit=1", "one")
				ack("bot")
				take("consumer=bot", "two")
				ack("bot")
				for range 2 {
					take("consumer=bot", "")
					ack("bot")
					x.restart()
				}
				take("consumer=all", "before one two")
				take("limit=2", "one two")
				var all consumersAnswer
				if x.must(&all, "GET", "/rooms/lab/consumers", ""); len(all.Consumers) != 2 || !all.Consumers[0].Waiting || all.Consumers[1].Waiting {
					t.Errorf("consumers %+v", all)
				}
				x.must(nil, "DELETE", "/rooms/lab/consumers/all", "")
				if status, _ := x.ask(nil, "DELETE", "/rooms/lab/consumers/all", ""); status != 404 {
					t.Errorf("what is gone is removed with %d", status)
				}
			})
		})
	}
}

// A request that waits ends when something comes, after its time, when its token is taken back, and when the gateway stops.
func TestWaitsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		x.must(nil, "GET", "/rooms/lab/messages?consumer=bot", "")
		began := time.Now()
		if status, answer := x.ask(nil, "GET", "/rooms/lab/messages?consumer=bot&wait=30s", ""); status != 200 || time.Since(began) != 30*time.Second {
			t.Errorf("after %v: %d %s", time.Since(began), status, answer)
		}
		wait := func(end func()) (status int, got messagesAnswer, took time.Duration) {
			began := time.Now()
			var waiting sync.WaitGroup
			waiting.Go(func() { status, _ = x.ask(&got, "GET", "/rooms/lab/messages?consumer=bot&wait=1m", "") })
			time.Sleep(5 * time.Second)
			end()
			waiting.Wait()
			return status, got, time.Since(began)
		}
		if status, got, took := wait(func() { x.bo(record.Text("hello")) }); status != 200 || texts(&got) != "hello" || took > 20*time.Second {
			t.Errorf("a message brings %d %q after %v", status, texts(&got), took)
		}
		x.must(nil, "POST", "/rooms/lab/messages/ack?consumer=bot", `{"cursor":"1-0"}`)
		token, grant, err := x.grants.Add(Grant{Token: true, Scopes: []Scope{Read}})
		if err != nil {
			t.Fatal(err)
		}
		admin := x.token
		x.token = token
		if status, _, took := wait(func() { _, _ = x.grants.Revoke(grant.ID, true) }); status != 401 || took > 5*time.Second+alive {
			t.Errorf("a token that was taken back ends it with %d after %v", status, took)
		}
		x.token = admin
		if status, _, took := wait(x.followed.end); status != 200 || took != 5*time.Second {
			t.Errorf("a stop ends it with %d after %v", status, took)
		}
	})
}

// Whoever asks again under the same Idempotency-Key is told of the message that is there, also when the process was killed in between
// and nothing had been posted; what was answered is posted.
func TestARequestThatIsRepeatedSendsOnce(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newHouse(t, profile)
				const path, once = "/rooms/lab/messages", "Idempotency-Key: 7d1f"
				x.server.Inject(relaytest.On("update", relaytest.LoseRequest()))
				var first, again sentAnswer
				if status, answer := x.ask(&first, "POST", path, `{"text":"once"}`, once); status != 202 || first.State == "accepted" || first.Again {
					t.Fatalf("%d %s", status, answer)
				}
				x.restart()
				if status, answer := x.ask(&again, "POST", path, `{"text":"once"}`, once); status != 202 || !again.Again || again.Number != first.Number {
					t.Errorf("after a kill: %d %s", status, answer)
				}
				x.server.Inject(nil)
				x.restart()
				x.followed.takeUp() // as at the start
				time.Sleep(2 * time.Minute)
				if status, answer := x.ask(&again, "POST", path, "once", once, "Content-Type: text/plain"); status != 200 || again.State != "accepted" {
					t.Errorf("once it is posted: %d %s", status, answer)
				}
				if status, answer := x.ask(nil, "POST", path, `{"text":"other"}`, once); status != 422 {
					t.Errorf("something else: %d %s", status, answer)
				}
				if status, answer := x.ask(&again, "POST", path+"?wait=30s", `{"text":"next"}`); status != 200 || again.Entry == nil && profile == "fernpost" {
					t.Errorf("a wait: %d %s", status, answer)
				}
				var got messagesAnswer
				if x.must(&got, "GET", path, ""); texts(&got) != "once next" {
					t.Errorf("the room holds %q", texts(&got))
				}
			})
		})
	}
}

// A file comes back as it was sent, and as nothing that a browser would show.
func TestFilesGoUpAndComeDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		const page = "<script>alert(1)</script>"
		var sent sentAnswer
		x.must(&sent, "POST", "/rooms/lab/files?name=a%20page.html&wait=1m", page, "Content-Type: text/html", "Idempotency-Key: f")
		if x.must(&sent, "POST", "/rooms/lab/files?name=a%20page.html", page, "Content-Type: text/html", "Idempotency-Key: f"); !sent.Again {
			t.Error("it is sent twice")
		}
		var got messagesAnswer
		x.must(&got, "GET", "/rooms/lab/messages?consumer=bot&from=start&wait=1m", "")
		if len(got.Messages) != 1 || *got.Messages[0].File != "a page.html" || got.Messages[0].Path == nil {
			t.Fatalf("%+v", got)
		}
		w := x.record("GET", *got.Messages[0].Path, "")
		head := w.Header()
		if w.Code != 200 || w.Body.String() != page || head.Get("Content-Type") != "application/octet-stream" ||
			head.Get("Content-Disposition") != `attachment; filename="a page.html"` || head.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%d %q %v", w.Code, w.Body, head)
		}
		for path, want := range map[string]int{
			*got.Messages[0].Path + "7": 404, "/rooms/lab/files/x/1": 404, "/rooms/lab/files/" + strings.Repeat("00", 32) + "/1": 404,
		} {
			if status, answer := x.ask(nil, "GET", path, ""); status != want {
				t.Errorf("%s: %d %s", path, status, answer)
			}
		}
		x.room.Interval = "15s" // as at a service
		if status, answer := x.ask(nil, "POST", "/rooms/lab/files?name=big", strings.Repeat("x", record.MaxFile+1)); status != 413 {
			t.Errorf("more than fits: %d %s", status, answer)
		}
	})
}

// events reads events until there are n of them, and returns their names and the last id.
func events(t *testing.T, r io.Reader, n int) (names []string, id string) {
	t.Helper()
	lines := bufio.NewScanner(r)
	for (len(names) < n || id == "") && lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			names, id = append(names, name), ""
		}
		id = cmp.Or(strings.TrimPrefix(lines.Text(), "id: "), id)
		if !strings.HasPrefix(lines.Text(), "id: ") {
			id = ""
		}
	}
	return names, id
}

// TestEvents: messages and states come as they happen, and whoever was cut off goes on behind the last that came.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		stream := func(path string, headers ...string) (io.Reader, func()) {
			in, out := io.Pipe()
			r := x.request("GET", path, "", headers...)
			var serving sync.WaitGroup
			serving.Go(func() {
				x.h.ServeHTTP(&pipeReply{PipeWriter: out, head: http.Header{}}, r)
				out.Close()
			})
			return in, func() {
				in.Close()
				serving.Wait()
			}
		}
		in, end := stream("/rooms/lab/events")
		time.Sleep(15 * time.Second)
		x.bo(record.Text("one"))
		names, id := events(t, in, 1)
		if fmt.Sprint(names) != "[message]" || id == "" {
			t.Errorf("%q, id %q", names, id)
		}
		end()
		x.must(nil, "POST", "/rooms/lab/messages?wait=30s", `{"text":"two"}`)
		time.Sleep(time.Minute)
		in, end = stream("/rooms/lab/events?from=start", "Last-Event-ID: "+id)
		if names, _ = events(t, in, 2); fmt.Sprint(names) != "[message state]" {
			t.Errorf("behind %s came %q", id, names)
		}
		end()
		in, end = stream("/rooms/lab/events")
		time.Sleep(time.Second)
		x.followed.end()
		all, err := io.ReadAll(in)
		if err != nil || string(all) != ":\n\n" {
			t.Errorf("%q, %v", all, err)
		}
		end()
	})
}

// pipeReply is a reply that somebody reads while it is written.
type pipeReply struct {
	*io.PipeWriter
	head http.Header
}

func (w *pipeReply) Header() http.Header { return w.head }
func (w *pipeReply) WriteHeader(int)     {}
func (w *pipeReply) Flush()              {}

// TestTokensOfRooms: a token does in its room what its scopes say, and nothing elsewhere.
func TestTokensOfRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		add := func(room string, scopes ...Scope) string {
			t.Helper()
			token, _, err := x.grants.Add(Grant{Token: true, Room: room, Scopes: scopes})
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		admin := x.token
		for name, tt := range map[string]struct {
			token               string
			read, write, remove int
		}{
			"admin": {admin, 200, 202, 404}, "reader": {add("lab", Read), 200, 403, 404}, "writer": {add("lab", Write), 403, 202, 403},
			"reader of all": {add("", Read), 200, 403, 404}, "elsewhere": {add("attic", Read, Write), 403, 403, 403},
			"none": {"", 401, 401, 401}, "wrong": {"fpt_AAAA", 401, 401, 401},
		} {
			x.token = tt.token
			if status, answer := x.ask(nil, "GET", "/rooms/lab/messages", ""); status != tt.read {
				t.Errorf("%s reads: %d %s", name, status, answer)
			}
			if status, answer := x.ask(nil, "GET", "/rooms", ""); status != tt.read {
				t.Errorf("%s lists: %d %s", name, status, answer)
			}
			status, answer := x.ask(nil, "POST", "/rooms/lab/messages", `{"text":"x"}`)
			if status == http.StatusOK { // the relay was quicker than the answer
				status = http.StatusAccepted
			}
			if status != tt.write {
				t.Errorf("%s writes: %d %s", name, status, answer)
			}
			if status, answer := x.ask(nil, "DELETE", "/rooms/lab/consumers/x", ""); status != tt.remove {
				t.Errorf("%s removes: %d %s", name, status, answer)
			}
			// Whose words were compared is not for a bot to say.
			compares := map[string]int{"admin": 404, "none": 401, "wrong": 401}[name]
			if status, answer := x.ask(nil, "POST", "/rooms/lab/people/"+strings.Repeat("1", 64), ""); status != cmp.Or(compares, 403) {
				t.Errorf("%s says that words were compared: %d %s", name, status, answer)
			}
		}
		x.token = admin
		if status, _ := x.ask(nil, "GET", "/rooms/none/messages", ""); status != 404 {
			t.Errorf("a room that is not there: %d", status)
		}
		r := x.request("POST", "/rooms/lab/messages", `{"text":"from a page"}`, "Origin: http://evil.example")
		w := httptest.NewRecorder()
		if x.h.ServeHTTP(w, r); w.Code != 403 {
			t.Errorf("a page of another site: %d", w.Code)
		}
	})
}

// refused are requests that are refused in words.
var refused = []struct {
	method, path, contentType, body string
	status                          int
}{
	{"POST", "/rooms/lab/messages", "application/json", `{"text":""}`, 400},
	{"POST", "/rooms/lab/messages", "application/json", `{"txt":"x"}`, 400},
	{"POST", "/rooms/lab/messages", "application/json", `{"text":7}`, 400},
	{"POST", "/rooms/lab/messages", "application/json", `{"text":"\ud800"}`, 400},
	{"POST", "/rooms/lab/messages", "application/json", "{\"text\":\"\xff\"}", 400},
	{"POST", "/rooms/lab/messages", "text/plain", "\xff", 400},
	{"POST", "/rooms/lab/messages", "text/plain; charset=latin1", "x", 415},
	{"POST", "/rooms/lab/messages", "application/x-www-form-urlencoded", "text=x", 415},
	{"POST", "/rooms/lab/messages?wait=1h", "text/plain", "x", 400},
	{"POST", "/rooms/lab/messages?wiat=1s", "text/plain", "x", 400},
	{"POST", "/rooms/lab/messages", "text/plain", strings.Repeat("x", maxMessage+1), 413},
	{"POST", "/rooms/lab/files", "text/plain", "x", 400},
	{"GET", "/rooms/lab/messages?wait=1s", "", "", 400},
	{"GET", "/rooms/lab/messages?consumer=a%20b", "", "", 400},
	{"GET", "/rooms/lab/messages?consumer=a&from=then", "", "", 400},
	{"GET", "/rooms/lab/messages?limit=0", "", "", 400},
	{"POST", "/rooms/lab/messages/ack?consumer=none", "application/json", `{"cursor":"0-0"}`, 404},
	{"POST", "/rooms/lab/messages/ack?consumer=none", "application/json", `{"cursor":"-1"}`, 400},
	{"GET", "/rooms/lab/events?from=there", "", "", 400},
	{"GET", "/rooms/lab/events?from=7-0", "", "", 400}, // so much has not come: it would wait for what nobody has said
	{"GET", "/rooms/..%2flab/messages", "", "", 400},
	{"PUT", "/rooms/lab/messages", "", "", 405},
	{"HEAD", "/rooms/lab/messages?consumer=head", "", "", 405},
	{"GET", "/rooms/lab/nothing", "", "", 404},
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		for _, tt := range refused {
			status, answer := x.ask(nil, tt.method, tt.path, tt.body, "Content-Type: "+tt.contentType)
			var p problem
			if err := json.Unmarshal([]byte(answer), &p); status != tt.status || err != nil || p.Status != status || p.Detail == "" {
				t.Errorf("%s %s %.20q: %d %s", tt.method, tt.path, tt.body, status, answer)
			}
		}
		var all consumersAnswer
		if x.must(&all, "GET", "/rooms/lab/consumers", ""); len(all.Consumers) != 0 {
			t.Errorf("consumers %+v were made", all)
		}
	})
}

// Whoever asks an address with a method that it has not, HEAD among them, is told those that it has.
func TestAllowedMethodsAreThoseOfTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		for path, want := range map[string]string{
			"/rooms/lab/messages/ack": "POST", "/rooms/lab/files": "POST", "/rooms/lab/messages": "POST, GET", "/rooms": "GET",
			"/openapi.json": "GET", "/rooms/lab/consumers/x": "DELETE",
		} {
			for _, method := range []string{"HEAD", "PATCH"} {
				w := x.record(method, path, "")
				if got := w.Header().Get("Allow"); w.Code != 405 || got != want || !strings.Contains(w.Body.String(), want) {
					t.Errorf("%s %s: %d, Allow %q, %s", method, path, w.Code, got, w.Body)
				}
			}
		}
	})
}

// FuzzMessageBody: whatever is sent, the text that is taken is the one that was meant, and UTF-8.
func FuzzMessageBody(f *testing.F) {
	for _, tt := range refused {
		f.Add(tt.contentType, []byte(tt.body))
	}
	f.Add("application/json; charset=UTF-8", []byte(`{"text":"\u00fc \ud83c\udf3f","text2":1}`))
	f.Add("text/plain", []byte("line\r\n"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		text, err := textOf(contentType, body)
		if err != nil {
			if p := problemOf(err); p.Status < 400 || p.Status > 499 {
				t.Errorf("refused with %d: %v", p.Status, err)
			}
			return
		}
		if strings.Contains(contentType, "plain") && !bytes.HasPrefix(body, []byte(text)) {
			t.Errorf("of %q %q was taken", body, text)
		}
		written, err := json.Marshal(messageBody{string(text)})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := textOf("application/json", written); err != nil || again != text {
			t.Errorf("%q comes back as %q, %v", text, again, err)
		}
	})
}

// A gateway on which there is no room yet answers so.
func TestNoRoomsYet(t *testing.T) {
	home := t.TempDir()
	engine := newEngine(home, access.Access{})
	g, err := Start(t.Context(), Options{Listen: "127.0.0.1:0", Home: filepath.Join(home, "gateway"), Engine: engine, Pace: testPace})
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Running: g}
	t.Cleanup(func() { r.stop(t) })
	request, err := http.NewRequestWithContext(t.Context(), "GET", g.URL()+"/rooms", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+g.FirstToken())
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if all, err := io.ReadAll(answer.Body); err != nil || string(all) != "{\"rooms\":[]}\n" {
		t.Errorf("%q, %v", all, err)
	}
}

// TestUploadsAreBounded: each file on its way took 8 MB, and nobody counted them.
func TestUploadsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		post := func(body io.Reader, size int64) (status int) {
			r := x.request("POST", "/rooms/lab/files?name=f&long=true", "")
			r.Body, r.ContentLength = io.NopCloser(body), size
			w := httptest.NewRecorder()
			x.h.ServeHTTP(w, r)
			return w.Code
		}
		var slow []*io.PipeWriter
		ended := make(chan int)
		for range maxBodies / maxBody {
			in, out := io.Pipe()
			slow = append(slow, out)
			go func() { ended <- post(in, -1) }()
		}
		time.Sleep(time.Second)
		if status := post(strings.NewReader("x"), 1); status != http.StatusServiceUnavailable {
			t.Errorf("one file too many: %d", status)
		}
		if status, answer := x.ask(nil, "GET", "/rooms/lab/messages", ""); status != http.StatusOK {
			t.Errorf("who sends nothing is refused: %d %s", status, answer)
		}
		for _, out := range slow {
			if _, err := io.WriteString(out, "content"); err != nil {
				t.Error(err)
			}
			out.Close()
			if status := <-ended; status != http.StatusOK && status != http.StatusAccepted {
				t.Errorf("a file that comes slowly: %d", status)
			}
		}
		if status := post(strings.NewReader("x"), 1); status != http.StatusOK && status != http.StatusAccepted || x.h.bodies.held != 0 {
			t.Errorf("the next file: %d, and %d bytes are held", status, x.h.bodies.held)
		}
	})
}

// TestOneTokenLeavesPlaceForConsumersOfOthers: whoever could read made as many consumers as a room can have, and nobody else any.
func TestOneTokenLeavesPlaceForConsumersOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		add := func(n int) int {
			status, _ := x.ask(nil, "GET", fmt.Sprintf("/rooms/lab/messages?consumer=c%d&from=start", n), "")
			return status
		}
		for n := range maxConsumers {
			if status := add(n); status != http.StatusOK {
				t.Fatalf("number %d: %d", n, status)
			}
		}
		if status := add(maxConsumers); status != http.StatusConflict {
			t.Errorf("one too many: %d", status)
		}
		if status := add(0); status != http.StatusOK {
			t.Errorf("one that is there: %d", status)
		}
		x.must(nil, "DELETE", "/rooms/lab/consumers/c0", "")
		if status := add(maxConsumers); status != http.StatusOK {
			t.Errorf("in place of one that was removed: %d", status)
		}
		var err error
		if x.token, _, err = x.grants.Add(Grant{Token: true, Scopes: []Scope{Read}}); err != nil {
			t.Fatal(err)
		}
		if status := add(maxConsumers + 1); status != http.StatusOK {
			t.Errorf("with another token: %d", status)
		}
	})
}

// TestNobodyKnowsBeforeTheRelayAnswers: an answer said that the relay answers before it had, and what it had already came as new.
func TestNobodyKnowsBeforeTheRelayAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		x.server.Inject(relaytest.On("/channels/", relaytest.Delay(time.Hour)))
		var got messagesAnswer
		if x.must(&got, "GET", "/rooms/lab/messages", ""); got.Away == nil {
			t.Error("an answer says that the relay answers")
		}
		for _, path := range []string{"/rooms/lab/events", "/rooms/lab/messages?consumer=bot"} {
			if status, answer := x.ask(nil, "GET", path, ""); status != http.StatusServiceUnavailable {
				t.Errorf("%s: %d %s", path, status, answer)
			}
		}
	})
}

// TestNamesOfFilesAreSafe: a file called ../x was given out under that name.
func TestNamesOfFilesAreSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		x.must(nil, "POST", "/rooms/lab/files?name=..%2F..%2F.profile&wait=1m", "x")
		var got messagesAnswer
		x.must(&got, "GET", "/rooms/lab/messages", "")
		if h := x.record("GET", *got.Messages[0].Path, "").Header().Get("Content-Disposition"); h != "attachment; filename=profile" {
			t.Errorf("it is called %s", h)
		}
	})
}

// TestManyWhoListenCostOneLook: each of 300 who listened looked up by itself what had come, one after the other, and all others waited.
func TestManyWhoListenCostOneLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		x.must(nil, "GET", "/rooms/lab/messages", "")
		x.bo(record.Text("hello"))
		time.Sleep(time.Minute)
		one, err := x.followed.get("lab")
		if err != nil {
			t.Fatal(err)
		}
		first, err := one.since(model.Mark{})
		if err != nil || len(first.Items) != 1 {
			t.Fatalf("%+v, %v", first, err)
		}
		one.reading.Lock() // nobody can look
		again, err := one.since(model.Mark{})
		one.reading.Unlock()
		if err != nil || &again.Items[0] != &first.Items[0] {
			t.Errorf("it is looked up again, %v", err)
		}
		x.bo(record.Text("world"))
		time.Sleep(time.Minute)
		if now, err := one.since(model.Mark{}); err != nil || len(now.Items) != 2 {
			t.Errorf("then there are %d, %v", len(now.Items), err)
		}
	})
}

// TestAFullDiskIsSaidOnce: each request got a line in the log, and the answer said where the archive is.
func TestAFullDiskIsSaidOnce(t *testing.T) {
	err := fmt.Errorf("writing the archive /home/ana/lab.db: %w: full (13)", model.ErrDiskFull)
	if p := problemOf(err); p.Status != http.StatusServiceUnavailable || p.Detail != "the disk is full" {
		t.Errorf("%d %s", p.Status, p.Detail)
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		quiet := slog.New(&quietHandler{slog.NewTextHandler(&log, nil), &said{at: map[string]time.Time{}}})
		for range 10 {
			quiet.Error("request failed", "err", err)
		}
		quiet.Error("request failed", "err", "another one")
		time.Sleep(saidAgain)
		quiet.Error("request failed", "err", err)
		if n := strings.Count(log.String(), "\n"); n != 3 {
			t.Errorf("%d lines:\n%s", n, &log)
		}
	})
}
