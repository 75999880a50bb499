package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/sqlite"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// fakeRooms are rooms of tests: lab and attic. What was queued is there, by number, as first field.
type fakeRooms struct {
	ring fernet.Ring

	mu             sync.Mutex // guards what follows
	queued, posted map[string][]string
	trouble        error // of Post
	away           error // of Check: the room cannot be found
	lab            int64 // the channel of the room lab, if it is another one by now
	// posting is called before each Post, if there is one.
	posting func()
	// following tells what is in a room, if it is there.
	following func(ctx context.Context, take func(*news) error) error
}

const labChannel, atticChannel = 1_234_567, 1_234_568

func newRooms(t testing.TB) *fakeRooms {
	t.Helper()
	ring, err := testKeys(t)()
	if err != nil {
		t.Fatal(err)
	}
	return &fakeRooms{ring: ring, queued: map[string][]string{}, posted: map[string][]string{}}
}

func (r *fakeRooms) find(roomID string) (knownRoom, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := knownRoom{Room: model.Room{Name: roomID, Relay: "https://relay.example", Channel: labChannel}, ring: r.ring}
	switch {
	case roomID == "attic":
		k.Channel = atticChannel
	case roomID != "lab":
		return k, errors.New("no such room")
	case r.lab != 0:
		k.Channel = r.lab
	}
	return k, nil
}

// follow tells nothing but who writes.
func (r *fakeRooms) follow(ctx context.Context, _, _ string, take func(*news) error) error {
	if err := take(&news{authors: []author{}}); err != nil {
		return err
	}
	if r.following != nil {
		return r.following(ctx, take)
	}
	<-ctx.Done()
	return ctx.Err()
}

func (r *fakeRooms) check(_ string, e *thingspeak.Entry) error {
	if e.Fields[0].Text == "impossible" {
		return errors.New("field1 is impossible")
	}
	if e.CreatedAt.Unix() < 0 {
		return errors.New("its date is before 1970")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away != nil {
		return &roomError{"lab", r.away}
	}
	return nil
}

// deliver keeps what it is told of.
func (r *fakeRooms) deliver(_ context.Context, room, _ string, fill func(func(*thingspeak.Entry) error) error) error {
	err := fill(func(e *thingspeak.Entry) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.queued[room] = append(r.queued[room], fmt.Sprintf("%d:%s", e.ID, e.Fields[0].Text))
		return nil
	})
	if err != nil {
		return err
	}
	if r.posting != nil {
		r.posting()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.trouble == nil {
		r.posted[room] = append(r.posted[room], r.queued[room]...)
		r.queued[room] = nil
	}
	return r.trouble
}

// fail lets posting fail, until it is called with nil.
func (r *fakeRooms) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = err
}

func (r *fakeRooms) arrived(room string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.posted[room]...)
}

// running is a gateway on loopback, with keys for the room lab.
type running struct {
	*Running
	home              string
	writeKey, readKey string
}

func startGateway(t testing.TB, home string, all rooms) *running {
	t.Helper()
	g, err := Start(t.Context(), Options{Listen: "127.0.0.1:0", Home: home, rooms: all})
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Running: g, home: home}
	t.Cleanup(func() { r.stop(t) })
	r.writeKey, r.readKey = r.add(t, "lab", 0, Write), r.add(t, "lab", 0, Read)
	return r
}

func (r *running) stop(t testing.TB) {
	t.Helper()
	if r.Running == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	r.Running = nil
}

// add makes a key.
func (r *running) add(t testing.TB, room string, wait time.Duration, scopes ...Scope) string {
	t.Helper()
	channel := int64(labChannel)
	if room == "attic" {
		channel = atticChannel
	}
	key, _, err := r.grants.Add(Grant{Room: room, Channel: channel, Scopes: scopes, Wait: wait})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// ask sends a request and returns the status and the body.
func (r *running) ask(t testing.TB, method, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(body, "{") {
		request.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(all)
}

// write writes a reading by /update and returns the answer.
func (r *running) write(t testing.TB, value string) string {
	t.Helper()
	_, body := r.ask(t, http.MethodPost, "/update", "api_key="+r.writeKey+"&field1="+value)
	return body
}

// requests are what real clients send: the files beside the relay's own test of them. Wanted is the answer that each looks for,
// with one reading there before.
var requests = map[string]struct {
	status int // 0 is an answer without a head
	answer string
}{
	"arduino-write-field":   {200, "2"},
	"arduino-write-fields":  {200, "2"},
	"arduino-read-field":    {200, "first"},
	"arduino-read-status":   {200, `{"created_at":"{any}","entry_id":1,"field1":"first",{any},"status":null}`},
	"arduino-read-multiple": {200, `{any},"latitude":null,"longitude":null,"elevation":null,"status":null}`},
	"arduino-bulk":          {202, `{"success":true}`},
	"at-esp8266":            {0, "2"},
	"at-esp8266-host":       {0, "2"},
	"sim900":                {0, "2"},
	"multipart":             {200, `{any}"entry_id":2,"field1":"77",{any}`},
	"domoticz":              {200, "2"},
	"esp-idf-bulk":          {202, `{"success":true}`},
	"esp8266-post":          {200, "2"},
	"espeasy":               {200, "2"},
	"grafana-infinity":      {200, `{"channel":{{any}},"feeds":[]}`},
	"matlab-read":           {200, `{"channel":{{any}},"feeds":[{{any}"entry_id":1,{any}}]}`},
	"matlab-write":          {200, `{"channel_id":1234567,"created_at":"2026-11-29T08:00:00-05:00","entry_id":2,{any}`},
	"matlab-bulk":           {202, `{"success":true}`},
	"python-thingspeak":     {200, `{any}"entry_id":2,"field1":"21.5",{any}`},
	"shelly":                {200, `{any}"entry_id":2,"field1":12.5,{any}`},
	"tasmota-webquery":      {200, "2"},
	"weewx":                 {200, "2"},
}

// TestClients sends what real clients send, to the byte, and looks for what they do in the answer.
func TestClients(t *testing.T) {
	for name, want := range requests {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("..", "relay", "httpapi", "testdata", "requests", name+".http"))
			if err != nil {
				t.Fatal(err)
			}
			g := startGateway(t, t.TempDir(), newRooms(t))
			if n := g.write(t, "first"); n != "1" {
				t.Fatalf("the first reading is answered with %q", n)
			}
			raw = bytes.ReplaceAll(raw, []byte("AAAABBBBCCCCDDDD"), []byte(g.writeKey))
			raw = bytes.ReplaceAll(raw, []byte("EEEEFFFFGGGGHHHH"), []byte(g.readKey))
			if bytes.HasPrefix(raw, []byte("GET /channels/")) && !bytes.Contains(raw, []byte("key=")) {
				status, body := sendRaw(t, g.listener.Addr().String(), raw)
				if status != http.StatusBadRequest || body != "-1" {
					t.Errorf("without a key it is answered with %d %q", status, body)
				}
				end := []byte("\r\nHost:")
				raw = bytes.Replace(raw, end, append([]byte("\r\nX-THINGSPEAKAPIKEY: "+g.readKey), end...), 1)
			}
			status, body := sendRaw(t, g.listener.Addr().String(), raw)
			if status != want.status || !relaytest.Like(want.answer, body) {
				t.Errorf("answered with %d %q, want %d %q", status, body, want.status, want.answer)
			}
		})
	}
}

// sendRaw sends bytes as they are and reads the answer. Status 0 is one without a head, after which the connection ends.
func sendRaw(t *testing.T, address string, raw []byte) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(testenv.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(raw); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	if first, err := reader.Peek(5); err != nil || string(first) != "HTTP/" {
		all, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		return 0, string(all)
	}
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.ContentLength < 0 {
		t.Error("the answer has no length")
	}
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(all)
}

// TestKeysOfTheDoor: a key opens its own room, as far as it may, until it is revoked.
func TestKeysOfTheDoor(t *testing.T) {
	g := startGateway(t, t.TempDir(), newRooms(t))
	attic, both := g.add(t, "attic", 0, Read, Write), g.add(t, "lab", 0, Read, Write)
	gone, _, err := g.grants.Add(Grant{Room: "cellar", Channel: 8, Scopes: []Scope{Read, Write}})
	if err != nil {
		t.Fatal(err)
	}
	moved, _, err := g.grants.Add(Grant{Room: "lab", Channel: 7, Scopes: []Scope{Read, Write}})
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := g.grants.Add(Grant{Token: true, Scopes: []Scope{Admin}})
	if err != nil {
		t.Fatal(err)
	}
	if n := g.write(t, "1"); n != "1" {
		t.Fatal(n)
	}
	if status, body := g.ask(t, "GET", "/update?field1=2&api_key="+both, ""); status != 200 || body != "2" {
		t.Errorf("the key for both writes: %d %q", status, body)
	}
	for name, tt := range map[string]struct {
		key         string
		write, read int // statuses
		feeds       int // of a POST to /channels/ID/feeds.json
	}{
		"writer":    {g.writeKey, 200, 400, 200},
		"reader":    {g.readKey, 400, 200, 401},
		"both":      {both, 200, 200, 200},
		"elsewhere": {attic, 200, 400, 401}, // /update names no channel
		"gone":      {gone, 400, 400, 401},
		"moved":     {moved, 400, 400, 401},
		"token":     {token, 400, 400, 401},
		"none":      {"", 400, 400, 401},
		"small":     {strings.ToLower(g.writeKey), 400, 400, 401},
	} {
		if status, body := g.ask(t, "POST", "/update", "api_key="+tt.key+"&field1=9"); status != tt.write || (body == "0") != (status != 200) {
			t.Errorf("%s writes: %d %q", name, status, body)
		}
		path := fmt.Sprintf("/channels/%d/feeds.csv?api_key=%s", labChannel, tt.key)
		if status, body := g.ask(t, "GET", path, ""); status != tt.read || (body == "-1") != (status != 200) {
			t.Errorf("%s reads: %d %q", name, status, body)
		}
		path = fmt.Sprintf("/channels/%d/feeds.json", labChannel)
		if status, body := g.ask(t, "POST", path, `{"key":"`+tt.key+`","field1":"9"}`); status != tt.feeds {
			t.Errorf("%s posts to the feed: %d %q", name, status, body)
		}
	}
	all, err := g.grants.List(false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.grants.Revoke(all[0].ID, false); err != nil {
		t.Fatal(err)
	}
	if n := g.write(t, "1"); n != "0" {
		t.Errorf("after it was revoked the key is answered with %q", n)
	}
}

// TestDoorIsForEntries: nothing else of a relay is there, with whatever key.
func TestDoorIsForEntries(t *testing.T) {
	g := startGateway(t, t.TempDir(), newRooms(t))
	g.write(t, "1")
	for _, key := range []string{g.writeKey, g.readKey} {
		for _, request := range []string{
			"POST /channels", "GET /channels.json", "GET /channels/public.json", "GET /channels/1234567", "GET /channels/1234567.json",
			"PUT /channels/1234567.json", "DELETE /channels/1234567.json", "DELETE /channels/1234567/feeds.json",
			"POST /channels/1234567/clear", "GET /users/local.json", "GET /stream?channels=1234567",
			"GET /stream/channels/1234567/feeds.csv", "GET /limits.json", "GET /channels/1234567/may_write.json", "GET /",
		} {
			method, path, _ := strings.Cut(request, " ")
			body := ""
			if method != "GET" {
				body = `{"api_key":"` + key + `","name":"x"}`
			} else if strings.Contains(path, "?") {
				path += "&api_key=" + key
			} else {
				path += "?api_key=" + key
			}
			if status, answer := g.ask(t, method, path, body); status != 404 && status != 405 {
				t.Errorf("%s: %d %q", request, status, answer)
			}
		}
	}
}

// TestNumbersStay: readings are counted from 1 on, over a stop and a kill, and what had not left is delivered then, in order
// and once; on disk nobody reads them.
func TestNumbersStay(t *testing.T) {
	all, home := newRooms(t), t.TempDir()
	all.fail(errors.New("the cloud is away"))
	g := startGateway(t, home, all)
	for i := range 3 {
		if n := g.write(t, fmt.Sprint("secret", i)); n != fmt.Sprint(i+1) {
			t.Fatalf("reading %d is answered with %q", i+1, n)
		}
	}
	path := fmt.Sprintf("/channels/%d/fields/1/last.txt?api_key=%s", labChannel, g.readKey)
	if _, body := g.ask(t, "GET", path, ""); body != "secret2" {
		t.Errorf("what was answered is not read: %q", body)
	}
	testenv.Await(t, "all in the outbox", func() bool { all.mu.Lock(); defer all.mu.Unlock(); return len(all.queued["lab"]) == 3 })
	for _, end := range []string{"", "-wal"} {
		onDisk, err := os.ReadFile(filepath.Join(home, "gateway.db"+end))
		if err != nil && end == "" {
			t.Fatal(err)
		}
		if bytes.Contains(onDisk, []byte("secret")) || bytes.Contains(onDisk, []byte(g.writeKey)) {
			t.Errorf("gateway.db%s shows what it should not", end)
		}
	}
	g.stop(t)
	all.fail(nil)
	g = startGateway(t, home, all)
	if n := g.write(t, "after"); n != "4" {
		t.Errorf("after a stop the next reading is answered with %q", n)
	}
	want := []string{"1:secret0", "2:secret1", "3:secret2", "4:after"}
	testenv.Await(t, "all at the cloud", func() bool { return len(all.arrived("lab")) >= len(want) })
	if d := cmp.Diff(want, all.arrived("lab")); d != "" {
		t.Error(d)
	}
}

// TestWhatWaitsIsKept: what was answered and not handed over is on disk, and readable, at the next start.
func TestWhatWaitsIsKept(t *testing.T) {
	all, home := newRooms(t), t.TempDir()
	r, err := openReadings(home, all, discard)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.open("lab", labChannel)
	if err != nil {
		t.Fatal(err)
	}
	entries := newEntries("a", "b", "c")
	entries[1].CreatedAt = testTime // before the others
	entries[2].Status = thingspeak.Text("warm")
	if _, err := commit(r, s, entries); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil { // and nobody has delivered anything
		t.Fatal(err)
	}
	g := startGateway(t, home, all)
	path := fmt.Sprintf("/channels/%d/feeds.csv?status=true&api_key=%s", labChannel, g.readKey)
	_, body := g.ask(t, "GET", path, "")
	const want = "created_at,entry_id,field1,field2,field3,field4,field5,field6,field7,field8,status\n" +
		"2023-11-14 22:13:20 UTC,2,b,,,,,,,,\n{any} UTC,1,a,,,,,,,,\n{any} UTC,3,c,,,,,,,,warm\n"
	if !relaytest.Like(want, body) {
		t.Errorf("the feed is %q", body)
	}
	testenv.Await(t, "all at the cloud", func() bool { return len(all.arrived("lab")) == 3 })
}

// newEntries are readings with these values in their first field.
func newEntries(values ...string) (all []thingspeak.Entry) {
	for _, v := range values {
		all = append(all, thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(v)}})
	}
	return all
}

// TestFullQueue: when no more may wait a reading is answered with 0, as the service answers one that came too soon, and none
// that was taken is lost.
func TestFullQueue(t *testing.T) {
	all := newRooms(t)
	g := startGateway(t, t.TempDir(), all)
	g.readings.mu.Lock()
	g.readings.most = 0
	g.readings.mu.Unlock()
	if status, body := g.ask(t, "POST", "/update", "api_key="+g.writeKey+"&field1=1"); status != 200 || body != "0" {
		t.Errorf("a full queue answers %d %q", status, body)
	}
	path := fmt.Sprintf("/channels/%d/bulk_update.json", labChannel)
	bulk := `{"write_api_key":"` + g.writeKey + `","updates":[{"delta_t":0,"field1":"a"},{"delta_t":1,"field1":"b"}]}`
	if status, body := g.ask(t, "POST", path, bulk); status != 429 {
		t.Errorf("a full queue answers a bulk call with %d %q", status, body)
	}
	g.readings.mu.Lock()
	g.readings.most = 2
	g.readings.mu.Unlock()
	if status, body := g.ask(t, "POST", path, bulk); status != 202 {
		t.Errorf("there is room, and a bulk call is answered with %d %q", status, body)
	}
	testenv.Await(t, "both at the cloud", func() bool { return len(all.arrived("lab")) == 2 })
}

// TestImpossibleReadings: what cannot be sent in a room is refused before it is numbered, in words where they are read.
func TestImpossibleReadings(t *testing.T) {
	g := startGateway(t, t.TempDir(), newRooms(t))
	if status, body := g.ask(t, "POST", "/update", "api_key="+g.writeKey+"&field1=impossible"); status != 400 {
		t.Errorf("%d %q", status, body)
	}
	body := `{"api_key":"` + g.writeKey + `","field1":"impossible"}`
	if status, body := g.ask(t, "POST", "/update.json", body); status != 400 || !strings.Contains(body, "field1 is impossible") {
		t.Errorf("%d %q", status, body)
	}
	if n := g.write(t, "possible"); n != "1" {
		t.Errorf("the next reading is number %s", n)
	}
}

// TestNothingIsTakenThatCannotBeSentAsItIs: readings that lay before 1970 once their age was taken off, and those of which a part was
// left out, were answered with a number, and never sent, or not all of it.
func TestNothingIsTakenThatCannotBeSentAsItIs(t *testing.T) {
	all := newRooms(t)
	g := startGateway(t, t.TempDir(), all)
	csv := "application/x-www-form-urlencoded"
	bulk := fmt.Sprintf("/channels/%d/bulk_update", labChannel)
	feeds := fmt.Sprintf("/channels/%d/feeds.json", labChannel)
	key := "api_key=" + g.writeKey
	for _, tt := range []struct{ path, kind, body, says string }{
		{"/update.json", csv, key + "&field1=1&created_at=1969-12-31T23:59:59Z", "before 1970"},
		{feeds, csv, key + "&field1=1&created_at=1960-01-01", "before 1970"},
		{bulk + ".json", "application/json", `{"write_api_key":"` + g.writeKey + `","updates":[{"delta_t":0,"field1":"1"},` +
			`{"delta_t":3000000000,"field1":"2"}]}`, "before 1970"},
		{bulk + ".csv", csv, "write_" + key + "&time_format=relative&updates=0,1|2999999999,2|1,3", "before 1970"},
		{bulk + ".csv", csv, "write_" + key + "&time_format=absolute&updates=1901-01-01T00:00:00Z,1", "before 1970"},
		{"/update.json", csv, key + "&field1=%ff", "field1 is not UTF-8"},
		{"/update.json", csv, key + "&field1=1&field2=a\xffb", "field2 is not UTF-8"},
		{"/update.json", csv, key + "&1=%00", "1 is not UTF-8"},
		{"/update.json", csv, key + "&field1=1&status=warm%80", "status is not UTF-8"},
		{"/update.json", "multipart/form-data; boundary=X", "--X\r\nContent-Disposition: form-data; name=\"api_key\"\r\n\r\n" + g.writeKey +
			"\r\n--X\r\nContent-Disposition: form-data; name=\"field1\"\r\n\r\n\xfe\r\n--X--\r\n", "field1 is not UTF-8"},
		{bulk + ".csv", csv, "write_" + key + "&time_format=absolute&updates=,1,%ff", "column 3 of an update is not UTF-8"},
		{"/update.json", csv, key + "&field1=1&latitude=north", "latitude is no decimal"},
		{"/update.json", csv, key + "&field1=1&long=1.5.2", "longitude is no decimal"},
		{"/update.json", "application/json", `{"api_key":"` + g.writeKey + `","field1":1,"latitude":"x"}`, "latitude is no decimal"},
		{bulk + ".csv", csv, "write_" + key + "&time_format=absolute&updates=,1,,,,,,,,x,", "latitude is no decimal"},
		{bulk + ".json", "application/json", `{"write_api_key":"` + g.writeKey + `","updates":[{"created_at":"2026-01-01","field1":"1",` +
			`"long":"x"}]}`, "longitude is no decimal"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL()+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", tt.kind)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), tt.says) {
			t.Errorf("%s %q: %d %s, want that %s", tt.path, tt.body, answer.StatusCode, body, tt.says)
		}
	}
	for _, body := range []string{"&field1=%ff", "&field1=1&lat=x", "&field1=1&created_at=1960-01-01"} {
		if status, body := g.ask(t, http.MethodPost, "/update", key+body); status != 400 {
			t.Errorf("%d %q", status, body)
		}
	}
	if n := g.write(t, "ü&latitude=&lat=&long=-7.5"); n != "1" {
		t.Errorf("the first that can be sent is number %s", n)
	}
}

// TestHeadWritesNothing: whoever only looks whether something is at an address must not write there.
func TestHeadWritesNothing(t *testing.T) {
	g := startGateway(t, t.TempDir(), newRooms(t))
	for _, path := range []string{"/update", "/update.json", "/s/update", "//update/", "/update.xml"} {
		if status, body := g.ask(t, http.MethodHead, path+"?field1=1&api_key="+g.writeKey, ""); status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	if n := g.write(t, "1"); n != "1" {
		t.Errorf("the first reading is number %s", n)
	}
	path := fmt.Sprintf("/channels/%d/feeds.json?api_key=%s", labChannel, g.readKey)
	if status, _ := g.ask(t, http.MethodHead, path, ""); status != 200 {
		t.Errorf("a feed: %d", status)
	}
}

// TestNoScriptIsCalledBack: a script of another site's page would have read the feed, without a word of where it is from.
func TestNoScriptIsCalledBack(t *testing.T) {
	g := startGateway(t, t.TempDir(), newRooms(t))
	g.write(t, "secret")
	for _, path := range []string{"feeds.json", "feeds/last.json", "fields/1.json", "status.json", "feeds/1.json", "feeds"} {
		path := fmt.Sprintf("/channels/%d/%s?format=json&callback=x&api_key=%s", labChannel, path, g.readKey)
		if status, body := g.ask(t, http.MethodGet, path, ""); status != 400 || strings.Contains(body, "secret") || strings.HasPrefix(body, "x(") {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	if status, body := g.ask(t, http.MethodGet, "/update.json?callback=x&field1=2&api_key="+g.writeKey, ""); status != 400 {
		t.Errorf("a write: %d %q", status, body)
	}
}

// TestReadingsAreShownAfterARestart: a gateway that was started anew answered every read with 503, as it had the numbers and not what
// they say.
func TestReadingsAreShownAfterARestart(t *testing.T) {
	all, home := newRooms(t), t.TempDir()
	g := startGateway(t, home, all)
	for _, value := range []string{"1", "2", "3"} {
		g.write(t, value)
	}
	testenv.Await(t, "the cloud", func() bool { return len(all.arrived("lab")) == 3 })
	all.fail(errors.New("away"))
	g.write(t, "4")
	g.stop(t)
	g = startGateway(t, home, all)
	key := g.add(t, "lab", 0, Read)
	for _, path := range []string{"feeds.json", "fields/1.json", "feeds.json?start=2000-01-01"} {
		join := "?"
		if strings.Contains(path, "?") {
			join = "&"
		}
		status, body := g.ask(t, "GET", fmt.Sprintf("/channels/%d/%s%sapi_key=%s", labChannel, path, join, key), "")
		for n := 1; n <= 4; n++ {
			if status != 200 || !strings.Contains(body, fmt.Sprintf(`"entry_id":%d,"field1":"%d"`, n, n)) {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
	}
	all.fail(nil)
	if n := g.write(t, "5"); n != "5" {
		t.Errorf("the next reading is number %s", n)
	}
	testenv.Await(t, "the rest", func() bool { return len(all.arrived("lab")) == 5 })
	if d := cmp.Diff([]string{"1:1", "2:2", "3:3", "4:4", "5:5"}, all.arrived("lab")); d != "" {
		t.Errorf("the cloud has %s", d)
	}
}

// TestReadingsThatNoKeyOpensWait: without the key that sealed them they are neither sent as something else nor given up, and the others go on.
func TestReadingsThatNoKeyOpensWait(t *testing.T) {
	all, home := newRooms(t), t.TempDir()
	all.fail(errors.New("away"))
	r, _, s := openLab(t, all, home)
	mustCommit(t, r, s, "1", "2")
	err := r.conn.Exec("UPDATE readings SET sealed = 'gAAAAA' WHERE number = 1")
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	r, _, s = openLab(t, all, home)
	if e, err := r.next(s, 9); err != nil || len(e) != 1 || e[0].ID != 2 {
		t.Fatalf("next is %v, %v", e, err)
	}
	if _, err := r.handOver(s, 1, nil); err != nil {
		t.Fatal(err)
	}
	waiting := 0
	err = r.conn.Query("SELECT count(*) FROM readings WHERE handed = 0 AND number = 1", func(row sqlite.Row) error {
		waiting = int(row.Int(0))
		return nil
	})
	if err != nil || waiting != 1 || len(s.queue) > 0 {
		t.Errorf("%d wait, %v; to be handed over are %v", waiting, err, s.queue)
	}
	if all := r.waits(); len(all) > 0 { // or the deliverer would ask the cloud without end
		t.Errorf("%d rooms have something to deliver", len(all))
	}
}

// TestOneReadingHoldsUpNoRoom: one that had waited until it was too old to be shown, and that no key opened any more, was tried again and
// again, and nothing of its room left after it.
func TestOneReadingHoldsUpNoRoom(t *testing.T) {
	r, s := openShelf(t)
	mustCommit(t, r, s, "1", "2", "3", "4")
	s.fill(2*maxShown, nobody)
	lock := func(number int64) {
		if err := r.conn.Exec("UPDATE readings SET sealed = 'gAAAAA' WHERE number = ?", number); err != nil {
			t.Fatal(err)
		}
	}
	lock(1)
	lock(3)
	left := func(s *shelf, locked int, want ...int64) {
		t.Helper()
		var got []int64
		all, err := r.next(s, 9)
		for i := range all {
			got = append(got, all[i].ID)
		}
		if err != nil || !slices.Equal(got, want) || s.locked != locked || !slices.Equal(s.queue, want) {
			t.Errorf("%v are handed over, %d are locked, %v", got, s.locked, err)
		}
	}
	left(s, 2, 2, 4)
	// Nor at the next start.
	if err := r.conn.Exec("INSERT INTO readings (room, number, dated_s, handed) VALUES ('lab', ?, 0, 1)", int64(2*maxShown)); err != nil {
		t.Fatal(err)
	}
	lock(2)
	delete(r.shelves, labChannel)
	s, err := r.open("lab", labChannel)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.rows) > 0 {
		t.Fatal("they are not too old to be shown")
	}
	left(s, 3, 4)
}

// TestWhatWaitsGoesToNoOtherRoom: a room that was removed, and one that was made under its name, have other members. And a room that
// cannot be read for a moment loses nothing.
func TestWhatWaitsGoesToNoOtherRoom(t *testing.T) {
	all := newRooms(t)
	r, _, s := openLab(t, all, t.TempDir())
	mustCommit(t, r, s, "1", "2")
	d := &deliverer{r, all, discard}
	set := func(channel int64, away error) {
		all.mu.Lock()
		defer all.mu.Unlock()
		all.lab, all.away = channel, away
	}
	set(4711, nil)
	if _, err := d.handOver(t.Context(), s); !errors.Is(err, errOtherRoom) || len(all.arrived("lab")) > 0 {
		t.Errorf("to another room went %q, %v", all.arrived("lab"), err)
	}
	if _, err := commit(r, s, newEntries("3")); err == nil {
		t.Error("a reading for the room before is taken")
	}
	set(0, errors.New("no such room"))
	if _, err := d.handOver(t.Context(), s); err == nil {
		t.Error("readings leave for a room that is away")
	}
	set(0, nil)
	if _, err := d.handOver(t.Context(), s); err != nil || !slices.Equal(all.arrived("lab"), []string{"1:1", "2:2"}) {
		t.Errorf("once it is back it gets %q, %v", all.arrived("lab"), err)
	}
}

// TestWait: the answer to a key that waits comes when the cloud has the reading, and after that time in any case.
func TestWait(t *testing.T) {
	all := newRooms(t)
	g := startGateway(t, t.TempDir(), all)
	key := g.add(t, "lab", time.Minute, Write)
	if status, body := g.ask(t, "POST", "/update", "api_key="+key+"&field1=1"); status != 200 || body != "1" {
		t.Errorf("%d %q", status, body)
	}
	if d := cmp.Diff([]string{"1:1"}, all.arrived("lab")); d != "" {
		t.Errorf("when the answer came the cloud had %s", d)
	}
	all.fail(errors.New("away"))
	key = g.add(t, "lab", 10*time.Millisecond, Write)
	if status, body := g.ask(t, "POST", "/update", "api_key="+key+"&field1=2"); status != 200 || body != "2" {
		t.Errorf("%d %q", status, body)
	}
}

// TestTheCloudIsAway: what waits is tried again and again, less and less often, and leaves in order.
func TestTheCloudIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newRooms(t)
		all.fail(errors.New("away"))
		r, _, s := openLab(t, all, t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { (&deliverer{r, all, discard}).run(ctx) })
		for hour := range 24 {
			mustCommit(t, r, s, fmt.Sprint(hour))
			time.Sleep(time.Hour)
		}
		if n := r.count(s); n != 24 {
			t.Errorf("%d wait", n)
		}
		all.fail(nil)
		time.Sleep(longestPause)
		synctest.Wait()
		got := all.arrived("lab")
		if len(got) != 24 || got[0] != "1:0" || got[23] != "24:23" || r.count(s) != 0 {
			t.Errorf("the cloud has %q", got)
		}
		cancel()
		running.Wait()
	})
}

// TestTheQueueGrows: whoever has more devices than the cloud takes readings is told, before the queue is full.
func TestTheQueueGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newRooms(t)
		var log bytes.Buffer
		r, _, s := openLab(t, all, t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		posts, taken := 0, 0
		all.posting = func() { // while a few are posted more come, until there are none
			if posts++; posts > 5 {
				return
			}
			more := newEntries(slices.Repeat([]string{"x"}, maxHanded*(posts+1))...)
			taken += len(more)
			if _, err := commit(r, s, more); err != nil {
				t.Error(err)
			}
		}
		mustCommit(t, r, s, "x")
		var running sync.WaitGroup
		running.Go(func() { (&deliverer{r, all, slog.New(slog.NewTextHandler(&log, nil))}).run(ctx) })
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := strings.Count(log.String(), "readings come faster than the cloud takes them"); n != 1 || r.count(s) != 0 {
			t.Errorf("it is told %d times, and %d of %d wait: %s", n, r.count(s), taken, &log)
		}
		cancel()
		running.Wait()
	})
}

// TestNoRooms: without rooms ThingSpeak's addresses are not there.
func TestNoRooms(t *testing.T) {
	h, _, _ := newTestHandler(t, Options{})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/update?field1=1", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// BenchmarkUpdate is a reading from its request to its answer, on disk.
func BenchmarkUpdate(b *testing.B) {
	g := startGateway(b, b.TempDir(), newRooms(b))
	b.ReportAllocs()
	for b.Loop() {
		if n := g.write(b, "21.5"); n == "0" {
			b.Fatal(n)
		}
	}
}

var discard = slog.New(slog.DiscardHandler)

// commit keeps readings as an update does.
func commit(r *readings, s *shelf, entries []thingspeak.Entry) ([]relay.Decision, error) {
	u := relay.Update{Channel: s.channel.ID, Key: s.writeKey, Limits: &relay.Limits{}}
	for i := range entries {
		u.Entries = append(u.Entries, relay.NewEntry{Entry: entries[i]})
	}
	return r.Commit(context.Background(), []relay.Update{u})
}
