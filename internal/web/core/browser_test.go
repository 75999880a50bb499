package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// built is the core as it is in the tree.
func built(t testing.TB) []byte {
	t.Helper()
	packed, err := os.ReadFile("core.wasm.gz")
	if err != nil {
		t.Fatal(err)
	}
	in, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// host serves a page of the test, as our web pages are served, under a name that is not this machine's, so that a browser gives it
// nothing of what it keeps for secure contexts.
type host struct {
	t    *testing.T
	port string

	mu       sync.Mutex // guards what follows
	commands map[string]chan command
	events   map[string][]map[string]any
	waiting  map[int]chan done
	last     int
}

type command struct {
	ID    int    `json:"id"`
	What  string `json:"what"`
	Value any    `json:"value"`
}

type done struct {
	ID    int             `json:"id"`
	Value json.RawMessage `json:"value"`
	Error *failure        `json:"error"`
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, commands: map[string]chan command{}, events: map[string][]map[string]any{}, waiting: map[int]chan done{}}
	wasm, err := os.ReadFile("core.wasm.gz")
	if err != nil {
		t.Fatal(err)
	}
	policy := "default-src 'none'; script-src 'self'; connect-src 'self' http://relay.test:*; worker-src 'self'; base-uri 'none'; " +
		"require-trusted-types-for 'script'; trusted-types fernpost"
	serve := func(name, kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Content-Security-Policy", policy)
			if filepath.Base(name) == "worker.js" {
				w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'")
			}
			http.ServeFile(w, r, name)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", serve("testdata/page.html", "text/html; charset=utf-8"))
	mux.HandleFunc("GET /page.js", serve("testdata/page.js", "text/javascript"))
	for _, name := range []string{"core.js", "worker.js"} {
		mux.HandleFunc("GET /"+name, serve(filepath.Join("../static", name), "text/javascript"))
	}
	mux.HandleFunc("GET /core.wasm", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/wasm")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(wasm)
	})
	mux.HandleFunc("GET /frames", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		for _, at := range r.URL.Query()["of"] {
			_, _ = io.WriteString(w, `<iframe src="http://`+at+`"></iframe>`)
		}
	})
	mux.HandleFunc("GET /next", h.next)
	mux.HandleFunc("POST /tell/{what}", h.told)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	_, h.port, err = net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// next hands out what a page is to do.
func (h *host) next(w http.ResponseWriter, r *http.Request) {
	select {
	case c := <-h.commandsFor(tabOf(r)):
		_ = json.NewEncoder(w).Encode(c)
	case <-r.Context().Done():
	}
}

// tabOf names the page that a request is of: by its host, and what tells several pages of one host apart.
func tabOf(r *http.Request) string { return r.Host + "/?tab=" + r.URL.Query().Get("tab") }

func (h *host) commandsFor(name string) chan command {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.commands[name] == nil {
		h.commands[name] = make(chan command, 16)
	}
	return h.commands[name]
}

func (h *host) told(_ http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return // the browser has ended
	}
	switch r.PathValue("what") {
	case "event":
		var e map[string]any
		if err := json.Unmarshal(text, &e); err != nil {
			h.t.Error(err)
		}
		h.mu.Lock()
		h.events[tabOf(r)] = append(h.events[tabOf(r)], e)
		h.mu.Unlock()
	case "done":
		var d done
		if err := json.Unmarshal(text, &d); err != nil {
			h.t.Error(err)
		}
		h.mu.Lock()
		to := h.waiting[d.ID]
		h.mu.Unlock()
		if to != nil {
			to <- d
		}
	default:
		h.t.Errorf("%s: %s: %s", tabOf(r), r.PathValue("what"), text)
	}
}

// tab is a page in a browser, under a host name of its own: a person of its own, as to what is kept.
type tab struct {
	*host

	name string // its address, without the scheme
}

// browse opens pages in one browser, in frames of one page since it takes one only without a screen: each under a host name of its
// own; "ana.test/2" is a second one under that of "ana.test".
func (h *host) browse(names ...string) []*tab {
	h.t.Helper()
	flags := []string{
		"--host-resolver-rules=MAP *.test 127.0.0.1", "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
		"--disable-backgrounding-occluded-windows", "--no-proxy-server",
	}
	var tabs []*tab
	of := url.Values{}
	for _, name := range names {
		name, number, _ := strings.Cut(name, "/")
		t := &tab{h, name + ":" + h.port + "/?tab=" + number}
		tabs = append(tabs, t)
		of.Add("of", t.name)
	}
	testenv.Browse(h.t, "http://"+tabs[0].name[:strings.Index(tabs[0].name, "/")]+"/frames?"+of.Encode(), flags...)
	return tabs
}

// try has a page do something.
func (t *tab) try(what string, value any) done {
	t.t.Helper()
	t.mu.Lock()
	t.last++
	c := command{t.last, what, value}
	answer := make(chan done, 1)
	t.waiting[c.ID] = answer
	t.mu.Unlock()
	t.commandsFor(t.name) <- c
	return testenv.Receive(t.t, answer, t.name+"'s answer to "+what)
}

// do has a page do something, and fails where that is refused.
func (t *tab) do(to any, what string, value any) {
	t.t.Helper()
	d := t.try(what, value)
	if d.Error != nil {
		t.t.Fatalf("%s: %s: %+v", t.name, what, *d.Error)
	}
	if to != nil {
		if err := json.Unmarshal(d.Value, to); err != nil {
			t.t.Fatal(err)
		}
	}
}

// of returns what a page was told of a type.
func (t *tab) of(kind string) (all []map[string]any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.events[t.name] {
		if e["type"] == kind {
			all = append(all, e)
		}
	}
	return all
}

// awaitText waits until a page was told of a text by somebody, and returns the message.
func (t *tab) awaitText(author, text string) (m map[string]any) {
	t.t.Helper()
	testenv.Await(t.t, t.name+" is shown "+text, func() bool {
		for _, e := range t.of("message") {
			m, _ = e["message"].(map[string]any)
			if m["author"] == author && m["text"] == text && m["entry"] != nil {
				return true
			}
		}
		return false
	})
	return m
}

// awaitState waits until a page was told of a state of its own message.
func (t *tab) awaitState(is func(map[string]any) bool, what string) {
	t.t.Helper()
	testenv.Await(t.t, t.name+" is told "+what, func() bool { return slices.ContainsFunc(t.of("state"), is) })
}

// program is the Go program of somebody, in a room.
type program struct {
	t      testing.TB
	engine *messenger.Engine
}

func newProgram(t testing.TB, server *relaytest.Server, ch relaytest.Channel, key fernet.Key, nick string, fields ...int) *program {
	t.Helper()
	return newProgramBy(t, server.Transport(t), server.URL, ch, key, nick, fields...)
}

// newProgramBy is a program that reaches the relay by a way of its own.
func newProgramBy(
	t testing.TB, way http.RoundTripper, relay string, ch relaytest.Channel, key fernet.Key, nick string, fields ...int,
) *program {
	t.Helper()
	home := t.TempDir()
	p := &program{t, messenger.New(messenger.Options{
		Dir:         func(kind string) (string, error) { return filepath.Join(home, kind), nil },
		Access:      channel.Access{Timeout: 10 * time.Second, Transport: way},
		ArchiveSize: func() int64 { return 0 },
	})}
	err := errors.Join(p.engine.SetNickname(nick), p.engine.Add(model.Room{
		Name: "lab", Relay: relay, Channel: ch.ID, WriteKey: model.Secret(ch.WriteKey), ReadKey: model.Secret(ch.ReadKey),
		Fields: fields, Interval: "0s", Profile: "fernpost", Keys: []model.Secret{model.Secret(key.Reveal())},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *program) in(work func(*messenger.Room) error) {
	p.t.Helper()
	settings, err := p.engine.Find("lab")
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := p.engine.Open(settings, messenger.Face{})
	if err == nil {
		err = errors.Join(work(r), r.Close())
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) send(body record.Body) {
	p.t.Helper()
	p.in(func(r *messenger.Room) error {
		_, err := r.Send(p.t.Context(), body, messenger.SendOptions{})
		return err
	})
}

// read reads the room and returns what is kept.
func (p *program) read() (all []model.Item, found []record.Finding) {
	p.t.Helper()
	p.in(func(r *messenger.Room) error {
		_, err := r.Read(p.t.Context())
		if err == nil {
			found, _, err = r.Standing()
		}
		return errors.Join(err, r.History(0, func(it *model.Item) error {
			all = append(all, *it)
			return nil
		}))
	})
	return all, found
}

// openedRoom is what a page says of the room that it has opened.
type openedRoom struct {
	Info   info      `json:"info"`
	Sum    sumResult `json:"sum"`
	ID     string    `json:"id"`
	Secure bool      `json:"secure"`
}

// roomFor makes a room whose relay browsers know by another name.
func roomFor(t *testing.T) (relay *relaytest.Server, ch relaytest.Channel, key fernet.Key, link string) {
	t.Helper()
	relay = relaytest.New(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(relay.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	ch, key = relay.CreateChannel(t, relaytest.AllFields(false)), fernet.GenerateKey()
	return relay, ch, key, linkTo(t, "http://relay.test:"+port, ch, key, 1, 2, 3, 4)
}

// A page in a browser, on plain http, and the Go program read each other's texts, readings and files, and who has seen what.
func TestABrowserAndTheProgramTalk(t *testing.T) {
	testenv.Unwatched(t)
	relay, ch, key, link := roomFor(t)
	bo := newProgram(t, relay, ch, key, "bo", 1, 2, 3, 4)
	ana := newHost(t).browse("ana.test")[0]

	var at openedRoom
	ana.do(&at, "open", map[string]any{"link": link, "nick": "ana"})
	core := built(t)
	sum := sha256.Sum256(core)
	if want := (sumResult{hex.EncodeToString(sum[:]), int64(len(core))}); at.Sum != want || at.Secure {
		t.Errorf("what runs is %+v, want %+v; in a secure context: %v", at.Sum, want, at.Secure)
	}
	if at.Info.Nick != "ana" || !at.Info.Writes || !at.Info.CanWrite || at.Info.Name != "lab" {
		t.Errorf("the page says %+v of the room", at.Info)
	}
	ana.do(nil, "send", map[string]any{"text": "hello from a page"})
	ana.awaitText("ana", "hello from a page")
	all, _ := bo.read()
	if text, _ := all[0].Text(); len(all) != 1 || text != "hello from a page" || all[0].Record.Name != "ana" {
		t.Fatalf("the program reads %+v", all)
	}
	bo.in(func(r *messenger.Room) error {
		var shown model.Printed
		shown.Add(&all[0])
		return r.SetPrinted(shown)
	})
	bo.send(record.Text("hello from the program"))
	m := ana.awaitText("bo", "hello from the program")
	ana.awaitState(func(e map[string]any) bool { return e["state"] == "seen" && e["seen_by"] == "bo" }, "that bo has seen it")
	ana.do(nil, "verify", m["key"])
	bo.send(record.File{Name: "note.txt", Media: "text/plain", Content: []byte("content")})
	testenv.Await(t, "the page is shown the file", func() bool {
		return slices.ContainsFunc(ana.of("message"), func(e map[string]any) bool { return e["message"].(map[string]any)["file"] == "note.txt" })
	})
	var f struct{ Name, Media, Content string }
	ana.do(&f, "file", []any{m["key"], 2})
	if f.Name != "note.txt" || f.Media != "text/plain" || f.Content != "content" {
		t.Errorf("the page reads the file %+v", f)
	}
	content := strings.Repeat("a file of a page ", 300)
	ana.do(nil, "send", map[string]any{"file": map[string]any{"name": "page.txt", "media": "text/plain", "content": content}})
	ana.do(nil, "send", map[string]any{"reading": map[string]any{"field1": "21.5", "status": "ok"}})
	ana.awaitState(func(e map[string]any) bool { return e["number"] == 3.0 && e["state"] == "accepted" }, "that its reading was accepted")
	all, found := bo.read()
	if len(all) != 5 || len(found) > 0 {
		t.Fatalf("the program reads %d messages, and finds %v", len(all), found)
	}
	if f, ok := all[3].Record.Body.(record.File); !ok || string(f.Content) != content {
		t.Errorf("the program reads %+v for a file of the page", all[3].Record.Body)
	}
	if r, ok := all[4].Reading(); !ok || r.Values[0].Text != "21.5" || r.Status != "ok" {
		t.Errorf("the program reads %+v for a reading of the page", all[4].Record.Body)
	}
	var people []personResult
	ana.do(&people, "people", nil)
	if at := slices.IndexFunc(people, func(p personResult) bool { return p.Name == "bo" }); at < 0 || !people[at].Compared {
		t.Errorf("people: %+v", people)
	}
}

// Of two tabs of one browser one writes, and the other shows what that one keeps. Once the first is closed the second goes on.
func TestTwoTabsOfOneBrowser(t *testing.T) {
	testenv.Unwatched(t)
	_, _, _, link := roomFor(t)
	tabs := newHost(t).browse("ana.test", "ana.test/2")
	first, second := tabs[0], tabs[1]
	var at openedRoom
	first.do(&at, "open", map[string]any{"link": link, "nick": "ana"})
	var there openedRoom
	second.do(&there, "open", map[string]any{"room": at.ID})
	if !at.Info.Writes || there.Info.Writes || *at.Info.Key != *there.Info.Key {
		t.Errorf("the first tab writes: %v, the second: %v", at.Info.Writes, there.Info.Writes)
	}
	first.do(nil, "send", map[string]any{"text": "from the first"})
	second.awaitText("ana", "from the first")
	if d := second.try("send", map[string]any{"text": "no"}); d.Error == nil || d.Error.Code != "readonly" || d.Error.Hint == "" {
		t.Errorf("the second tab sends: %+v", d.Error)
	}
	first.do(nil, "close", nil)
	testenv.Await(t, "the second tab writes", func() bool {
		return slices.ContainsFunc(second.of("tab"), func(e map[string]any) bool { return e["writes"] == true })
	})
	second.do(nil, "send", map[string]any{"text": "from the second"})
	second.awaitText("ana", "from the second")
	first.do(&at, "open", map[string]any{"room": at.ID})
	if at.Info.Writes {
		t.Error("both tabs write")
	}
	first.do(nil, "history", 10)
}

// A core that dies, a page that is closed right after a message was kept, and one that nobody looks at: nothing is lost, and nothing
// is posted twice.
func TestABrowserGoesOnWhereItEnded(t *testing.T) {
	testenv.Unwatched(t)
	relay, ch, key, link := roomFor(t)
	ana := newHost(t).browse("ana.test")[0]
	var at openedRoom
	ana.do(&at, "open", map[string]any{"link": link, "nick": "ana"})
	ana.do(nil, "send", map[string]any{"text": "one"})
	ana.do(nil, "die", nil)
	ana.do(nil, "send", map[string]any{"text": "two"})
	testenv.Await(t, "the page says that its core was replaced", func() bool { return len(ana.of("restarted")) > 0 })
	ana.awaitText("ana", "two")
	ana.do(nil, "hide", true)
	testenv.Await(t, "nobody listens to the stream of a hidden page", func() bool { return ana.lastVia() == "polling" })
	ana.do(nil, "hide", false)
	testenv.Await(t, "it is listened to again", func() bool { return ana.lastVia() == "stream" })
	ana.do(nil, "send", map[string]any{"text": "three"})
	ana.do(nil, "reload", nil)
	ana.do(&at, "open", map[string]any{"room": at.ID})
	bo := newProgram(t, relay, ch, key, "bo", 1, 2, 3, 4)
	testenv.Await(t, "all three are stored", func() bool { all, _ := bo.read(); return len(all) == 3 })
	all, found := bo.read()
	for i, want := range []string{"one", "two", "three"} {
		if text, _ := all[i].Text(); text != want {
			t.Errorf("message %d is %q, want %q", i+1, text, want)
		}
	}
	if again := postedTwice(relay.Entries(t, ch.ID)); again > 0 || len(found) > 0 {
		t.Errorf("entry %d was posted before, and found is %v", again, found)
	}
}

// lastVia is by which way entries come, as the page was told last.
func (t *tab) lastVia() any {
	all := t.of("relay")
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]["via"]
}

// A link without a key wants the passphrase: a wrong one is refused before anything is kept, the right one opens the room, and the
// identity goes out and in as a file.
func TestABrowserJoinsByPassphrase(t *testing.T) {
	testenv.Unwatched(t)
	const pass = "maple orbit velvet thunder pickle canyon"
	relay, ch, _, link := roomFor(t)
	derived, err := passphrase.Fernpost().Derive(pass, passphrase.RoomSalt(ch.ID), "")
	if err != nil {
		t.Fatal(err)
	}
	i, err := invite.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	i.Keys = nil
	if link, err = i.Link(); err != nil {
		t.Fatal(err)
	}
	bo := newProgram(t, relay, ch, fernet.NewKey(derived), "bo", 1, 2, 3, 4)
	bo.send(record.Text("hello"))
	ana := newHost(t).browse("ana.test")[0]
	if d := ana.try("open", map[string]any{"link": link, "nick": "ana"}); d.Error == nil || d.Error.Code != "passphrase" {
		t.Errorf("without a passphrase: %+v", d)
	}
	d := ana.try("open", map[string]any{"link": link, "nick": "ana", "passphrase": "another one"})
	if d.Error == nil || d.Error.Code != "passphrase" || d.Error.Hint == "" {
		t.Errorf("with a wrong passphrase: %+v", d)
	}
	var rooms []any
	if ana.do(&rooms, "rooms", nil); len(rooms) > 0 {
		t.Errorf("rooms are kept: %v", rooms)
	}
	var at openedRoom
	ana.do(&at, "open", map[string]any{"link": link, "nick": "ana", "passphrase": pass, "mark": "start"})
	ana.awaitText("bo", "hello")
	if len(ana.of("progress")) == 0 {
		t.Error("no bar is shown while the key is made")
	}
	var file string
	ana.do(&file, "exportIdentity", pass)
	ana.do(nil, "forgetRoom", at.ID)
	ana.do(nil, "importIdentity", []any{file, pass})
	var again openedRoom
	if ana.do(&again, "open", map[string]any{"room": at.ID}); *again.Info.Key != *at.Info.Key {
		t.Error("another identity signs than the one of the file")
	}
}
