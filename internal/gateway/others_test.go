package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/relay/metrics"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// TestNumbersOfOthers: whatever order readings are taken here and come from the room in, repeated or not, over restarts, each has one
// number, which stays: what was taken here that which was answered, and the room's copy of that no other one.
func TestNumbersOfOthers(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	all, home := newRooms(t), t.TempDir()
	r, _, s := openLab(t, all, home)
	var want []string // by number
	var back, sent []arrival
	at := testTime.UTC()
	for step := range 300 {
		switch random.IntN(6) {
		case 0, 1: // taken here; many say the same in the same second
			at = at.Add(time.Duration(random.IntN(2)) * time.Second)
			e := newEntries([]string{"same", fmt.Sprint("own", step)}[random.IntN(2)])
			e[0].CreatedAt = at
			if d, err := commit(r, s, e); err != nil || d[0].Entries[0].ID != int64(len(want)+1) {
				t.Fatalf("%v, %v", d, err)
			}
			want = append(want, e[0].Fields[0].Text)
			a := newArrival(fmt.Append(nil, "own", step), e[0], at)
			a.own, a.author = true, "ana"
			back = append(back, a)
		case 2: // it comes back
			if len(back) > 0 {
				sent = append(sent, back[0])
				if err := r.take(s, &news{arrivals: back[:1]}); err != nil {
					t.Fatal(err)
				}
				back = back[1:]
			}
		case 3: // somebody else's
			e := newEntries([]string{"same", fmt.Sprint("other", step)}[random.IntN(2)])
			e[0].CreatedAt = at
			a := newArrival(fmt.Append(nil, "other", step), e[0], at)
			a.author = []string{"", "bo"}[random.IntN(2)]
			sent = append(sent, a)
			if err := r.take(s, &news{arrivals: []arrival{a}}); err != nil {
				t.Fatal(err)
			}
			want = append(want, e[0].Fields[0].Text)
		case 4: // some are told again
			if len(sent) > 0 {
				if err := r.take(s, &news{arrivals: sent[random.IntN(len(sent)):]}); err != nil {
					t.Fatal(err)
				}
			}
		case 5:
			if random.IntN(5) > 0 {
				continue
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			r, _, s = openLab(t, all, home)
		}
	}
	var got []string
	for i := range s.rows {
		e := s.rows[i].unpack()
		if e.ID != int64(i+1) {
			t.Fatalf("row %d has number %d", i, e.ID)
		}
		got = append(got, e.Fields[0].Text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the numbers are of\n%q, want\n%q", got, want)
	}
}

// TestWhoHasSigned: only what somebody has signed is shown as signed, only as verified what somebody has signed whose words were compared,
// and nobody's reading as somebody's, whatever it says.
func TestWhoHasSigned(t *testing.T) {
	all := newRooms(t)
	all.following = func(ctx context.Context, take func(*news) error) error {
		n := &news{
			authors: []author{
				{key: "A", name: "ana", standing: model.Yours},
				{key: "B", name: "bo", standing: model.Verified},
				{key: "C", name: "carl"},
				{key: "D", name: "dora", standing: model.Lost},
			},
			findings: []item.Finding{{Text: "somebody lies"}},
		}
		for i, author := range []string{"B", "C", "", "D"} {
			e := newEntries(fmt.Sprint("value", i))
			if author == "" {
				e[0].Status = thingspeak.Text("signed by bo")
			}
			a := newArrival([]byte{byte(i)}, e[0], testTime)
			a.author = author
			n.arrivals = append(n.arrivals, a)
		}
		if err := take(n); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}
	g := startGateway(t, t.TempDir(), all)
	read := func(choice string) string {
		_, body := g.ask(t, "GET", fmt.Sprintf("/channels/%d/feeds.json?status=true%s&api_key=%s", labChannel, choice, g.readKey), "")
		return body
	}
	testenv.Await(t, "what others wrote is at the door", func() bool { return strings.Contains(read(""), "value3") })
	if n := g.write(t, "own"); n != "5" {
		t.Errorf("a reading taken here is number %s", n)
	}
	for choice, want := range map[string]string{
		"":                                "value0 value1 value2 value3 own",
		"&signed=true":                    "value0 value1 value3 own",
		"&verified=true":                  "value0 own",
		"&author=bo":                      "value0",
		"&author=C":                       "value1",
		"&author=carl&verified=true":      "",
		"&author=nobody":                  "",
		"&signed=TRUE&results=1":          "own",
		"&signed=true&start_entry_id=3":   "value3 own",
		"&signed=true&end_entry_id=3":     "value0 value1",
		"&verified=true&start_entry_id=9": "",
	} {
		body := read(choice)
		for _, value := range []string{"value0", "value1", "value2", "value3", "own"} {
			if is := strings.Contains(body, `"`+value+`"`); is != slices.Contains(strings.Fields(want), value) {
				t.Errorf("%s: %s is there: %v\n%s", choice, value, is, body)
			}
		}
	}
	if body := read(""); !strings.Contains(body, `"value1",`) || !strings.Contains(body, `"status":"signed by carl"`) ||
		!strings.Contains(body, `"status":"signed by ana"`) || !strings.Contains(body, `"findings":1`) {
		t.Error(body)
	}
	if body := read(""); !strings.Contains(body, `"status":"unsigned: signed by bo"`) {
		t.Errorf("what nobody has signed says it is signed: %s", body)
	}
	path := fmt.Sprintf("/channels/%d/findings.json?api_key=", labChannel)
	if status, body := g.ask(t, "GET", path+g.readKey, ""); status != 200 || !strings.Contains(body, `"text":"somebody lies"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, body := g.ask(t, "GET", path+g.writeKey, ""); status != 400 {
		t.Errorf("the write key: %d %s", status, body)
	}
}

// TestNoStatusSaysWhoHasSigned: whoever could write had "signed by bo" shown of a reading of nobody, and of one of somebody else.
func TestNoStatusSaysWhoHasSigned(t *testing.T) {
	r, s := openShelf(t)
	if err := r.take(s, &news{authors: []author{{key: "C", name: "carl"}}}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ author, status, want string }{
		{"", "signed by bo", "unsigned: signed by bo"},
		{"", "Signed  By bo", "unsigned: Signed  By bo"},
		{"", "\u00a0\u200b signed\u00a0by bo", "unsigned: \u00a0\u200b signed\u00a0by bo"},
		{"", "ѕіgnеd bу bo", "unsigned: ѕіgnеd bу bo"}, // with Cyrillic letters
		{"", "ｓｉｇｎｅｄ ｂｙ bo", "unsigned: ｓｉｇｎｅｄ ｂｙ bo"},
		{"", "✓ s\u0301igned by bo", "unsigned: ✓ s\u0301igned by bo"},
		{"", "", ""},
		{"", "signal lost", "signal lost"},
		{"", "not signed by bo", "not signed by bo"},
		{"C", "", "signed by carl"},
		{"C", "wet", "wet"},
		{"C", "signed by bo", "signed by carl: signed by bo"},
		{"K", "signed by bo", "signed by K: signed by bo"},
	} {
		e := newEntries("1")[0]
		if tt.status != "" {
			e.Status = thingspeak.Text(tt.status)
		}
		a := newArrival([]byte(tt.author+tt.status), e, testTime)
		a.author = tt.author
		if err := r.take(s, &news{arrivals: []arrival{a}}); err != nil {
			t.Fatal(err)
		}
		_, state, err := r.Channel(t.Context(), labChannel)
		if err != nil {
			t.Fatal(err)
		}
		err = r.Entries(t.Context(), state.Generation, state.Last, state.Last, func(e *thingspeak.Entry) error {
			if e.Status.Text != tt.want {
				t.Errorf("%q by %q is shown as %q, want %q", tt.status, tt.author, e.Status.Text, tt.want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzPack: what was packed is unpacked as it was, but for what is empty.
func FuzzPack(f *testing.F) {
	f.Add("21.5", "", "warm", true)
	f.Add(strings.Repeat("x", 127), strings.Repeat("ü", 127), "\x00", false)
	f.Fuzz(func(t *testing.T, one, eight, status string, given bool) {
		e := thingspeak.Entry{ID: 7, CreatedAt: testTime.UTC()}
		e.Fields[0], e.Status = thingspeak.Text(one), thingspeak.Text(status)
		if given {
			e.Fields[7] = thingspeak.Text(eight)
		}
		r := row{number: 7, date: testTime.Unix(), said: pack(&e)}
		if status == "" {
			e.Status = thingspeak.Value{}
		}
		if got := r.unpack(); got != e {
			t.Errorf("%+v, want %+v", got, e)
		}
	})
}

// TestThePageOfARoom: a browser that shows a read key sees a room's values, with plots, and nobody else any.
func TestThePageOfARoom(t *testing.T) {
	g := startGateway(t, t.TempDir(), newRooms(t))
	for _, value := range []string{"20.5", "21.5", "22.5"} {
		g.write(t, value+"&field2=<b>wet</b>")
	}
	if err := g.grants.NameField(Field{RoomID: "lab", Channel: labChannel, Number: 1, Name: "Temperature", Unit: "°C"}); err != nil {
		t.Fatal(err)
	}
	page := func(query string, headers ...string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/channels/%d%s", g.URL(), labChannel, query), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		all, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer, string(all)
	}
	answer, body := page("?signed=false&api_key=" + g.readKey)
	for _, want := range []string{
		"<h1><bdi>lab</bdi></h1>", "Temperature (°C)", "21.5", "<svg", "&lt;b&gt;wet", "feeds.csv?results=8000&amp;api_key=" + g.readKey + "&amp;signed=false",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not there: %s", want, body)
		}
	}
	g.readings.mu.Lock()
	s := g.readings.shelves[labChannel]
	s.findings = []item.Finding{{Text: "bo 3 is missing <b>"}}
	s.setAuthors([]author{{"A", "ana", model.Yours}, {"B", "bo", model.Verified}, {"C", "carl <b>", model.Known}, {"D", "dora", model.Lost}})
	g.readings.mu.Unlock()
	_, found := page("?api_key=" + g.readKey)
	for _, want := range []string{"bo 3 is missing &lt;b&gt;", "ana: this device", "bo: verified", "carl &lt;b&gt;: words not compared", "dora: a device that was lost"} {
		if !strings.Contains(found, want) {
			t.Errorf("%q is not there: %s", want, found)
		}
	}
	policy := answer.Header.Get("Content-Security-Policy")
	if answer.StatusCode != 200 || !strings.HasPrefix(policy, "default-src 'none'; style-src 'self'; script-src 'self';") ||
		answer.Header.Get("Cache-Control") != "no-store" || strings.Contains(body, "<b>wet") || strings.Contains(body, "Field 3") {
		t.Errorf("%d %v", answer.StatusCode, answer.Header)
	}
	for query, header := range map[string]string{
		"": "Accept: text/html", "?api_key=" + g.writeKey: "Accept: text/html", "?api_key=AAAABBBBCCCCDDDD": "Accept: text/html",
		"?api_key=" + g.readKey: "Sec-Fetch-Site: cross-site",
	} {
		if answer, body := page(query, header); answer.StatusCode < 400 || strings.Contains(body, "21.5") || strings.Contains(body, "<bdi>lab") {
			t.Errorf("%q %s: %d %s", query, header, answer.StatusCode, body)
		}
	}
	if _, body := page(""); !strings.Contains(body, "A read key is needed") {
		t.Error(body)
	}
	for _, file := range []string{"style.css", "refresh.js", "icon.svg"} {
		if status, body := g.ask(t, "GET", "/page/"+file, ""); status != 200 || body == "" {
			t.Errorf("%s: %d", file, status)
		}
	}
}

// FuzzReadQuery: whatever is asked at the read door, it is answered or refused, and whoever asks for signed rows gets no other.
func FuzzReadQuery(f *testing.F) {
	for _, query := range []string{
		"", "signed=true", "signed=TRUE&results=1", "verified=true&author=bo", "author=", "signed=1", "signed=true&signed=false", "results=-1&start=x",
		"average=10&timescale=daily&round=2&numbers=true", "start_entry_id=2&end_entry_id=9223372036854775807", "%zz=1&signed=true", "days=1;signed=true",
		"signed", "verified&results=1", "signed\x9a", // which say neither yes nor no, and showed all rows
		"Signed=true", "signed%3Dtrue", "min=20&max=1&sum=10&median=60&callback=x&timezone=Mars", "signed[]=true&status=true&location=true",
	} {
		f.Add("feeds.json", query)
		f.Add("fields/1.csv", query)
	}
	home := f.TempDir()
	r, err := openReadings(home, newRooms(f), discard)
	if err != nil {
		f.Fatal(err)
	}
	grants, err := OpenGrants(home)
	if err != nil {
		f.Fatal(err)
	}
	d, err := newDoor(grants, r, newClients(discard), metrics.New(), discard)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		d.close()
		if err := errors.Join(r.Close(), grants.Close()); err != nil {
			f.Error(err)
		}
	})
	s, err := r.open("lab", labChannel)
	if err != nil {
		f.Fatal(err)
	}
	n := &news{authors: []author{{key: "B", name: "bo"}}}
	for i, value := range []string{"signed1", "unsigned2"} {
		a := newArrival([]byte(value), newEntries(value)[0], testTime)
		a.author = []string{"B", ""}[i]
		n.arrivals = append(n.arrivals, a)
	}
	if err := r.take(s, n); err != nil {
		f.Fatal(err)
	}
	key, _, err := grants.Add(Grant{Room: "lab", Channel: labChannel, Scopes: []Scope{Read}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		request := httptest.NewRequest(http.MethodGet, "http://localhost/", nil)
		request.URL.Path, request.URL.RawQuery = fmt.Sprintf("/channels/%d/%s", labChannel, path), query
		request.Header.Set("X-THINGSPEAKAPIKEY", key)
		w := httptest.NewRecorder()
		d.ServeHTTP(w, request)
		if w.Code >= 500 || w.Code < 200 {
			t.Errorf("%s?%s: %d %s", path, query, w.Code, w.Body)
		}
		asked, _ := form.ParseQuery(query)
		if c, err := parseChoice(asked); (err != nil || c.signed || c.verified) && strings.Contains(w.Body.String(), "unsigned2") {
			t.Errorf("%s?%s shows what nobody has signed: %s", path, query, w.Body)
		}
	})
}
