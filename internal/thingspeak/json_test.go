package thingspeak

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func house() Channel {
	return Channel{
		ID: 9, Name: "my_house", Description: "a <b> & c", Latitude: "40.44", Longitude: "-79.9", Elevation: "3 m",
		Labels:      [FieldCount]string{"Light", "", "Temp"},
		Metadata:    `{"v":1}`,
		URL:         "https://example.org/",
		Tags:        []string{"temp", "light"},
		CreatedAt:   time.Date(2010, 12, 14, 1, 20, 6, 0, time.UTC),
		UpdatedAt:   time.Date(2018, 6, 12, 20, 47, 55, 0, time.UTC),
		LastEntryID: 17,
		Public:      true,
		Keys:        []Key{{"WRITEKEYWRITEKEY", true}, {"READKEYREADKEY01", false}},
	}
}

func TestAppendJSON(t *testing.T) {
	full := entry(17, "5", "", `a "b" \ <c>`)
	full.Fields[3] = Text("")
	full.Latitude, full.Longitude, full.Elevation, full.Status = Text("1.5"), Text("-2"), Text("x"), Text("ü\n\xff")
	c := house()
	empty := Channel{ID: 3, Name: "Channel 3", CreatedAt: c.CreatedAt, UpdatedAt: c.CreatedAt}
	west := time.FixedZone("", -4*3600)
	tests := []struct {
		name, got, want string
	}{
		{
			"entry", string(AppendEntryJSON(nil, &full, FieldsOf(1, 2), false, false, nil)),
			`{"created_at":"2018-06-12T21:16:46Z","entry_id":17,"field1":"5","field2":null}`,
		},
		{
			"entry with everything asked for", string(AppendEntryJSON(nil, &full, FieldsOf(3, 4), true, true, west)),
			`{"created_at":"2018-06-12T17:16:46-04:00","entry_id":17,"field3":"a \"b\" \\ \u003cc\u003e","field4":"",` +
				`"latitude":"1.5","longitude":"-2","elevation":"x","status":"ü\n\ufffd"}`,
		},
		{
			"entry without fields", string(AppendEntryJSON(nil, &full, 0, false, false, nil)),
			`{"created_at":"2018-06-12T21:16:46Z","entry_id":17}`,
		},
		{
			"update", string(AppendUpdateJSON(nil, 9, new(entry(17, "5")), 0, nil)),
			`{"channel_id":9,"created_at":"2018-06-12T21:16:46Z","entry_id":17,"field1":"5","field2":null,"field3":null,` +
				`"field4":null,"field5":null,"field6":null,"field7":null,"field8":null,"latitude":null,"longitude":null,` +
				`"elevation":null,"status":null}`,
		},
		{
			"update with numbers", string(AppendUpdateJSON(nil, 9, new(entry(17, "24.90", "7", "-1e3")), FieldsOf(1, 3), nil)),
			`{"channel_id":9,"created_at":"2018-06-12T21:16:46Z","entry_id":17,"field1":24.90,"field2":"7","field3":-1e3,` +
				`"field4":null,"field5":null,"field6":null,"field7":null,"field8":null,"latitude":null,"longitude":null,` +
				`"elevation":null,"status":null}`,
		},
		{
			"calculated row", string(AppendEntryJSON(nil, new(entry(0, "20.5")), FieldsOf(1, 2), false, false, nil)),
			`{"created_at":"2018-06-12T21:16:46Z","field1":"20.5","field2":null}`,
		},
		{
			"channel", string(AppendChannelJSON(nil, &c, false, nil)),
			`{"id":9,"name":"my_house","description":"a \u003cb\u003e \u0026 c","latitude":"40.44","longitude":"-79.9",` +
				`"field1":"Light","field3":"Temp","created_at":"2010-12-14T01:20:06Z",` +
				`"updated_at":"2018-06-12T20:47:55Z","elevation":"3 m","last_entry_id":17}`,
		},
		{
			"channel with metadata and zone", string(AppendChannelJSON(nil, &c, true, west)),
			`{"id":9,"name":"my_house","description":"a \u003cb\u003e \u0026 c","latitude":"40.44","longitude":"-79.9",` +
				`"field1":"Light","field3":"Temp","created_at":"2010-12-13T21:20:06-04:00",` +
				`"updated_at":"2018-06-12T16:47:55-04:00","elevation":"3 m","last_entry_id":17,"metadata":"{\"v\":1}"}`,
		},
		{
			"new channel", string(AppendChannelJSON(nil, &empty, true, nil)),
			`{"id":3,"name":"Channel 3","latitude":"0.0","longitude":"0.0","created_at":"2010-12-14T01:20:06Z",` +
				`"updated_at":"2010-12-14T01:20:06Z","last_entry_id":null,"metadata":null}`,
		},
		{
			"settings for the owner", string(AppendSettingsJSON(nil, &c, true, "hans", nil)),
			`{"id":9,"name":"my_house","description":"a \u003cb\u003e \u0026 c","latitude":"40.44","longitude":"-79.9",` +
				`"created_at":"2010-12-14T01:20:06Z","elevation":"3 m","last_entry_id":17,"public_flag":true,` +
				`"url":"https://example.org/","ranking":85,"metadata":"{\"v\":1}","license_id":0,"github_url":null,` +
				`"tags":[{"id":1,"name":"temp"},{"id":2,"name":"light"}],` +
				`"api_keys":[{"api_key":"WRITEKEYWRITEKEY","write_flag":true},` +
				`{"api_key":"READKEYREADKEY01","write_flag":false}]}`,
		},
		{
			"settings for everybody", string(AppendSettingsJSON(nil, &c, false, "hans", nil)),
			`{"id":9,"name":"my_house","description":"a \u003cb\u003e \u0026 c","latitude":"40.44","longitude":"-79.9",` +
				`"created_at":"2010-12-14T01:20:06Z","elevation":"3 m","last_entry_id":17,"public_flag":true,` +
				`"url":"https://example.org/","ranking":85,"github_url":null,"username":"hans",` +
				`"tags":[{"id":1,"name":"temp"},{"id":2,"name":"light"}]}`,
		},
		{
			"settings of a new channel", string(AppendSettingsJSON(nil, &empty, true, "", nil)),
			`{"id":3,"name":"Channel 3","description":null,"latitude":"0.0","longitude":"0.0",` +
				`"created_at":"2010-12-14T01:20:06Z","elevation":null,"last_entry_id":null,"public_flag":false,` +
				`"url":null,"ranking":30,"metadata":null,"license_id":0,"github_url":null,"tags":[],"api_keys":[]}`,
		},
		{
			"error", string(AppendErrorJSON(nil, CodeAuthRequired, `"a" hint`)),
			`{"status":"401","error":{"error_code":"error_auth_required","message":"Authorization Required",` +
				`"details":"\"a\" hint"}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !json.Valid([]byte(tt.got)) {
				t.Error("not JSON")
			}
		})
	}
}

func TestJSONTextsAreWrittenAsByTheStandardLibrary(t *testing.T) {
	var all strings.Builder
	for c := range 256 {
		all.WriteByte(byte(c))
		all.WriteString("x")
	}
	for _, text := range []string{
		"", "plain", all.String(), "\u2027\u2028\u2029\u202a", "ü\xe2\x80", "\ufffd", "😀<\xed\xa0\x80",
	} {
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendJSONString(nil, text); string(got) != string(want) {
			t.Errorf("%q is written as %s, want %s", text, got, want)
		}
	}
}

func TestDecodeChannel(t *testing.T) {
	c := house()
	public := c
	public.Keys, public.Metadata, public.Labels, public.UpdatedAt = nil, "", [FieldCount]string{}, time.Time{}
	owner := public
	owner.Keys, owner.Metadata = c.Keys, c.Metadata
	shown := c
	shown.Keys, shown.URL, shown.Tags, shown.Public = nil, "", nil, false
	object := string(AppendChannelJSON(nil, &c, true, nil))
	tests := []struct {
		name, data string
		want       Channel
	}{
		{"settings for the owner", string(AppendSettingsJSON(nil, &c, true, "", nil)), owner},
		{"settings for everybody", string(AppendSettingsJSON(nil, &c, false, "hans", nil)), public},
		{"settings in another zone", string(AppendSettingsJSON(nil, &c, false, "", time.FixedZone("", 3600))), public},
		{"channel object", object, shown},
		{"feed document", "\ufeff" + `{"channel":` + object + `,"feeds":[]}` + "\r\n", shown},
		{
			"texts and numbers in each other's places",
			`{"id":"9","name":5,"latitude":40.44,"field1":1,"field2":null,"last_entry_id":"17","public_flag":"TRUE",` +
				`"created_at":null,"updated_at":"soon","tags":["a",{"name":"b"},null,7,{}],"api_keys":[{"api_key":1},5,{}]}`,
			Channel{
				ID: 9, Name: "5", Latitude: "40.44", Labels: [FieldCount]string{"1"}, LastEntryID: 17, Public: true,
				Tags: []string{"a", "b", "7"}, Keys: []Key{{Text: "1"}},
			},
		},
		{
			"things of other kinds",
			`{"id":9,"name":{"a":1},"description":["x"],"last_entry_id":-5,"public_flag":1,"tags":"a","api_keys":{},` +
				`"channel":"x","field1":true,"extra":[[[]]]}`,
			Channel{ID: 9, Labels: [FieldCount]string{"true"}},
		},
		{
			"labels of white space only", `{"id":9,"field1":" ","field2":"b ","field3":"\u00a0\n"}`,
			Channel{ID: 9, Labels: [FieldCount]string{"", "b "}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeChannel([]byte(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("DecodeChannel(%s) (-want +got):\n%s", tt.data, diff)
			}
		})
	}
}

// notFeeds are replies that are neither settings nor a feed, with the error that they are.
var notFeeds = []struct {
	name, body string
	want       error
}{
	{"nothing", " \n", ErrEmptyReply},
	{"refusal", "-1", ErrDenied},
	{"refusal as text", "\"-1\"\n", ErrDenied},
	{"zero", "0", &NotDataError{Excerpt: "0"}},
	{"null", "null", &NotDataError{Excerpt: "null"}},
	{"list", "[]", &NotDataError{Excerpt: "[]"}},
	{"page", "<html><title>Oops</title>", &NotDataError{HTML: true, Excerpt: "Oops"}},
	{"other object", `{"a":1}`, &NotDataError{Excerpt: `{"a":1}`}},
	{"broken object", `{"channel":{"id":x}}`, &NotDataError{Excerpt: `{"channel":{"id":x}}`}},
	{
		"error", string(AppendErrorJSON(nil, CodeNotFound, "")),
		&ServiceError{Code: CodeNotFound, Message: "Resource Not Found"},
	},
	{"code word", "error_not", &NotDataError{Excerpt: "error_not"}},
	{"cut short", `{"channel":{"id":9,"na`, ErrCutShort},
}

func TestDecodersRefuse(t *testing.T) {
	for _, tt := range notFeeds {
		t.Run(tt.name, func(t *testing.T) {
			_, channelErr := DecodeChannel([]byte(tt.body))
			_, feedErr := DecodeFeedJSON(strings.NewReader(tt.body), func(*Entry) error { return nil })
			for name, err := range map[string]error{"DecodeChannel": channelErr, "DecodeFeedJSON": feedErr} {
				if notData, ok := tt.want.(*NotDataError); ok {
					got, ok := errors.AsType[*NotDataError](err)
					if !ok || got.HTML != notData.HTML || got.Excerpt != notData.Excerpt {
						t.Errorf("%s(%q) = %#v, want %#v", name, tt.body, err, tt.want)
					}
				} else if _, ok := tt.want.(*ServiceError); ok {
					if diff := cmp.Diff(tt.want, err); diff != "" {
						t.Errorf("%s(%q) (-want +got):\n%s", name, tt.body, diff)
					}
				} else if !errors.Is(err, tt.want) {
					t.Errorf("%s(%q) = %v, want %v", name, tt.body, err, tt.want)
				}
			}
		})
	}
}

func TestDecodeFeedJSON(t *testing.T) {
	const at = `"created_at":"2018-06-12T21:16:46Z"`
	located := entry(17, "5")
	located.Latitude, located.Longitude, located.Elevation, located.Status = Text("1"), Text("2.5"), Text("x"), Text("")
	empty := entry(18)
	empty.Fields[7] = Text("")
	tests := []struct {
		name, feed string
		channel    int64
		want       []Entry
		told       string
	}{
		{"no entries", `{"channel":{"id":9},"feeds":[]}`, 9, nil, ""},
		{
			"as the service writes it",
			`{"channel":{"id":9,"name":"x"},"feeds":[{` + at + `,"entry_id":17,"field1":"5","field2":null},{` + at +
				`,"entry_id":18,"field8":""}]}`,
			9,
			[]Entry{entry(17, "5"), empty},
			"",
		},
		{
			"entries first, other kinds, unknown keys",
			"\ufeff\n" + `{"x":[{"feeds":[1]}],"feeds":[{"entry_id":"17",` + at + `,"field1":5,"latitude":1,"longitude":2.5,` +
				`"elevation":"x","status":"","field9":"y","field2":{"a":[1]},"field3":[2]}],"channel":{"id":"9"},"y":null} `,
			9,
			[]Entry{located},
			"",
		},
		{
			"entries that cannot be read",
			`{"channel":{"id":9},"feeds":[{` + at + `,"entry_id":1},{` + at + `},{"entry_id":3,"created_at":"no"},null,7,"x",` +
				`[{}],{` + at + `,"entry_id":8}]}`,
			9,
			[]Entry{entry(1), entry(8)},
			`row 2 of a feed: entry_id is not a number above 0: ""`,
		},
		{"no channel", `{"feeds":[{` + at + `,"entry_id":1}]}`, 0, []Entry{entry(1)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, src := range map[string]io.Reader{
				"at once":      strings.NewReader(tt.feed),
				"byte by byte": iotest.OneByteReader(strings.NewReader(tt.feed)),
			} {
				var got []Entry
				c, err := DecodeFeedJSON(src, func(e *Entry) error { got = append(got, *e); return nil })
				if row, ok := errors.AsType[*RowError](err); ok && row.Error() == tt.told || err == nil && tt.told == "" {
					if diff := cmp.Diff(tt.want, got); diff != "" {
						t.Errorf("%s: entries (-want +got):\n%s", name, diff)
					}
					if c.ID != tt.channel {
						t.Errorf("%s: channel %d, want %d", name, c.ID, tt.channel)
					}
				} else {
					t.Errorf("%s: error %v, want %q", name, err, tt.told)
				}
			}
		})
	}
}

func TestDecodeFeedJSONStops(t *testing.T) {
	const feed = `{"channel":{"id":9},"feeds":[{"created_at":"2018-06-12","entry_id":1},` +
		`{"created_at":"2018-06-12","entry_id":2}`
	enough := errors.New("enough")
	n := 0
	_, err := DecodeFeedJSON(strings.NewReader(feed+"]}"), func(*Entry) error { n++; return enough })
	if err != enough || n != 1 {
		t.Errorf("after an error of yield: %v, %d entries", err, n)
	}
	n = 0
	_, err = DecodeFeedJSON(strings.NewReader(feed), func(*Entry) error { n++; return nil })
	if !errors.Is(err, ErrCutShort) || n != 2 {
		t.Errorf("cut short: %v, %d entries", err, n)
	}
	broken := errors.New("connection reset")
	src := io.MultiReader(strings.NewReader(feed), iotest.ErrReader(broken))
	_, err = DecodeFeedJSON(src, func(*Entry) error { return nil })
	if !errors.Is(err, broken) {
		t.Errorf("a broken connection: %v", err)
	}
}

func TestDecodeFeedJSONIsBounded(t *testing.T) {
	const head = `{"channel":{"id":9},"feeds":[`
	for name, flood := range map[string]string{
		"endless text":        `{"entry_id":1,"field1":"` + strings.Repeat("x", 1<<20),
		"endless nesting":     strings.Repeat("[", 1<<20),
		"endless blanks":      strings.Repeat(" ", 1<<20),
		"endless object":      "{" + strings.Repeat(`"a":1,`, 1<<18),
		"endless unknown key": `],"` + strings.Repeat("x", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			src := &countingReader{src: strings.NewReader(head + flood)}
			_, err := DecodeFeedJSON(src, func(*Entry) error { return nil })
			if err == nil || len(err.Error()) > 500 {
				t.Errorf("unexpected error %v", err)
			}
			if src.n > 3*MaxEntryJSONBytes {
				t.Errorf("%d bytes were read", src.n)
			}
		})
	}
}

func FuzzJSON(f *testing.F) {
	const at = `"created_at":"2018-06-12T21:16:46Z"`
	c := house()
	channel := string(AppendChannelJSON(nil, &c, true, nil))
	f.Add(`{"channel":` + channel + `,"feeds":[{` + at + `,"entry_id":17,"field1":"5"}]}`)
	f.Add(`{"feeds":[{` + at + `,"entry_id":"1","field1":5,"field2":true,"field3":"\ud800<&>"},7],"channel":{"id":9}}`)
	f.Add(string(AppendSettingsJSON(nil, &c, true, "", nil)))
	f.Add(`{"id":1,"field1":" "}`)
	f.Add("{\"id\":1,\"field1\":\" \xa7L\"}")
	f.Add(`{"feeds":[{` + at + ",\"entry_id\":1,\"field1\":\"\xa7\"}]}")
	for _, tt := range notFeeds {
		f.Add(tt.body)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Texts are written as the standard library writes them.
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendJSONString(nil, text); string(got) != string(want) {
			t.Fatalf("%q is written as %s, by the standard library as %s", text, got, want)
		}
		if c, err := DecodeChannel([]byte(text)); err == nil {
			again, err := DecodeChannel(AppendChannelJSON(nil, &c, true, nil))
			if err != nil || again.ID != c.ID || again.Name != c.Name || again.Labels != c.Labels {
				t.Fatalf("%v was written and read as %v, %v", c, again, err)
			}
			if _, err := DecodeChannel(AppendSettingsJSON(nil, &c, true, "", nil)); err != nil {
				t.Fatalf("%v was written and not read: %v", c, err)
			}
		}
		entries, err := decodeAll(text)
		if err != nil && len(err.Error()) > 2000 {
			t.Fatalf("an error of %d bytes", len(err.Error()))
		}
		if len(entries) == 0 {
			return
		}
		// What was read is written and read back as it is.
		feed := []byte(`{"feeds":[`)
		for i := range entries {
			if i > 0 {
				feed = append(feed, ',')
			}
			feed = AppendEntryJSON(feed, &entries[i], AllFields, true, true, time.FixedZone("", -5400))
		}
		feed = append(feed, "]}"...)
		again, err := decodeAll(string(feed))
		if err != nil || !slices.Equal(entries, again) {
			t.Fatalf("%v was written as %s and read as %v, %v", entries, feed, again, err)
		}
	})
}

func decodeAll(feed string) (entries []Entry, err error) {
	_, err = DecodeFeedJSON(strings.NewReader(feed), func(e *Entry) error {
		entries = append(entries, *e)
		return nil
	})
	return entries, err
}

func ExampleAppendEntryJSON() {
	e := Entry{ID: 17, CreatedAt: time.Date(2018, 6, 12, 21, 16, 46, 0, time.UTC)}
	e.Fields[0] = Text("5")
	fmt.Printf("%s\n", AppendEntryJSON(nil, &e, FieldsOf(1, 2), false, false, nil))
	// Output: {"created_at":"2018-06-12T21:16:46Z","entry_id":17,"field1":"5","field2":null}
}

// What a broker pushes, and a stream, is an entry that has a number, a date and a channel, or an error; written, it is read as it was.
func FuzzParseUpdateJSON(f *testing.F) {
	e := Entry{ID: 7, CreatedAt: time.Date(2026, 11, 30, 17, 0, 0, 0, time.UTC), Fields: Fields{Text("21.5"), 7: Text("\x00<&>")}, Status: Text("on")}
	f.Add(AppendUpdateJSON(nil, 9, &e, 1, nil))
	f.Add(AppendUpdateJSON(nil, 9, &e, 0, time.FixedZone("", -5400)))
	f.Add([]byte(`{"channel_id":"9","entry_id":"7","created_at":"2026-11-30T17:00:00Z","field1":21.50,"field2":null}`))
	f.Add([]byte(`{"channel_id":9,"entry_id":7}`))
	f.Add([]byte(`{"channel_id":-9,"entry_id":7,"created_at":"2026-11-30T17:00:00Z"}`))
	f.Add([]byte(`{"channel_id":9,"entry_id":1e300,"created_at":"2026-11-30T17:00:00Z"}`))
	f.Add([]byte(`-1`))
	f.Fuzz(func(t *testing.T, data []byte) {
		channel, e, err := ParseUpdateJSON(data)
		if err != nil {
			if channel != 0 || e != (Entry{}) || len(err.Error()) > 2000 {
				t.Fatalf("channel %d, %v beside the error %v", channel, e, err)
			}
			return
		}
		if channel <= 0 || e.ID <= 0 || e.CreatedAt.IsZero() {
			t.Fatalf("entry %d of channel %d at %v was taken", e.ID, channel, e.CreatedAt)
		}
		written := AppendUpdateJSON(nil, channel, &e, 0, nil)
		if again, back, err := ParseUpdateJSON(written); err != nil || again != channel || back != e {
			t.Fatalf("%v was written as %s and read as %v of channel %d, %v", e, written, back, again, err)
		}
	})
}
