package capture

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Exchange is a request and what came of it. Its texts are strangers'.
type Exchange struct {
	At time.Time
	// Client and Server are the two ends, and Hardware is the client's address in its own network; "" where the recording has none.
	Client, Server netip.AddrPort
	Hardware       string
	// Method, Path (without what stands behind a question mark), Host and Agent are what the request says; each has at most 300 bytes.
	Method, Path, Host, Agent string
	// Channel is the channel that is asked for, or written where the answer tells; 0 if that does not show.
	Channel int64
	// Keys are the API keys that were sent, or came in the answer, at most [MostKeys]; MoreKeys is how many more were sent.
	Keys     []Key
	MoreKeys int
	// Fields are the numbers of the fields that were written.
	Fields []int
	// Status is that of the answer, 0 if none came. Entry is the number under which an update was stored, 0 if it was none, or refused.
	Status int
	Entry  int64
	// Outcome is what the answer says of the request.
	Outcome Outcome
	// Cut says that the recording lacks some of the request: what stands here came before that.
	Cut bool
}

// Outcome is what became of a request; "" if the recording does not show it.
type Outcome string

// The outcomes. What is refused is so for whatever reason: the key is wrong, or the client was too fast.
const (
	Taken   Outcome = "taken"
	Refused Outcome = "refused"
)

// Use is what a key is for, as far as a request shows.
type Use string

// The uses of keys.
const (
	ForWriting Use = "write"
	ForReading Use = "read"
	ForAccount Use = "account"
)

// Key is an API key, which everybody who has it may use.
type Key struct {
	Use  Use
	Text string
}

// MostKeys is how many keys are told of a request.
const MostKeys = 10

// longest is how many bytes of a text are kept.
const longest = 300

func short(s string) string { return strings.Clone(s[:min(len(s), longest)]) }

func exchangeOf(m *said, from, to *end) *Exchange {
	r := m.request
	x := &Exchange{
		At: m.at, Client: from.address, Server: to.address, Hardware: from.hardware, Method: short(r.Method), Path: short(r.URL.Path),
		Host: short(r.Host), Agent: short(r.UserAgent()), Cut: m.cut,
	}
	values := r.URL.Query()
	body := parameters(r.Header.Get("Content-Type"), m.body, m.cut)
	for name, all := range body {
		values[name] = append(values[name], all...)
	}
	x.ofPath(values)
	var sent []string
	for name, all := range r.Header {
		if strings.Contains(strings.ToUpper(name), "THINGSPEAKAPIKEY") {
			sent = append(sent, all...)
		}
	}
	for _, name := range []string{"key", "api_key", "apikey", "write_api_key"} {
		sent = append(sent, values[name]...)
	}
	slices.Sort(sent)
	for _, key := range slices.Compact(sent) {
		x.addKey(x.use(), key)
	}
	for n := 1; n <= 8; n++ {
		if name := "field" + strconv.Itoa(n); len(values[name]) > 0 || len(values[strconv.Itoa(n)]) > 0 && x.writes() {
			x.Fields = append(x.Fields, n)
		}
	}
	return x
}

func (x *Exchange) addKey(use Use, key string) {
	key = strings.TrimSpace(key)
	switch {
	case key == "" || len(key) > 100:
	case len(x.Keys) >= MostKeys:
		x.MoreKeys++
	default:
		x.Keys = append(x.Keys, Key{use, strings.Clone(key)})
	}
}

// ofChannel finds a channel's number in a path: channels/1234567/feeds.csv, channels/1234567.json.
var ofChannel = regexp.MustCompile(`/channels/(\d{1,18})(?:[./]|$)`)

func (x *Exchange) ofPath(values url.Values) {
	if found := ofChannel.FindStringSubmatch(x.Path); found != nil {
		x.Channel = number(found[1])
	} else if x.writes() {
		x.Channel = number(values.Get("channel_id"))
	}
}

// number is that of a channel or an entry, 0 if a text is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// ofUpdate finds the paths that write a channel.
var ofUpdate = regexp.MustCompile(`^(?:.*/)?(?:update(?:\.\w+)?|bulk_update\.(?:json|csv))/?$`)

func (x *Exchange) writes() bool { return ofUpdate.MatchString(x.Path) }

// use is what a key in the request is for.
func (x *Exchange) use() Use {
	switch {
	case x.writes():
		return ForWriting
	case strings.HasSuffix(x.Path, "/may_write.json"):
		return ForWriting
	case x.Method == "GET" || x.Method == "HEAD":
		if x.Channel > 0 {
			return ForReading
		}
	}
	return ForAccount
}

// parameters are those of a body: of a form, as far as it is whole, or the texts and numbers of a JSON object.
func parameters(kind string, body []byte, cut bool) url.Values {
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '{' {
		var object map[string]any
		if json.Unmarshal(trimmed, &object) != nil {
			return nil
		}
		values := url.Values{}
		for name, v := range object {
			switch v := v.(type) {
			case string:
				values.Set(name, v)
			case float64:
				values.Set(name, strconv.FormatFloat(v, 'f', -1, 64))
			case []any: // the rows of a bulk update
				for _, row := range v {
					row, _ := row.(map[string]any)
					for name := range row {
						values.Set(name, "")
					}
				}
			}
		}
		return values
	}
	if kind == "" || strings.Contains(kind, "form") {
		if cut || len(body) == mostBody { // half a key is none
			body = body[:max(bytes.LastIndexByte(body, '&'), 0)]
		}
		values, _ := url.ParseQuery(string(body)) // what of it can be read
		return values
	}
	return nil
}

// answered notes what came of the request.
func (x *Exchange) answered(m *said) {
	x.Status = m.answer.StatusCode
	text := bytes.TrimSpace(m.body)
	x.Outcome = x.outcome(string(bytes.Trim(text, `"`)), m.cut)
	if x.Status != 200 {
		return
	}
	var object struct {
		Channel int64 `json:"channel_id"`
		Entry   int64 `json:"entry_id"`
		ID      int64 `json:"id"`
		Keys    []struct {
			Key   string `json:"api_key"`
			Write bool   `json:"write_flag"`
		} `json:"api_keys"`
	}
	isObject := json.Unmarshal(text, &object) == nil && bytes.HasPrefix(text, []byte("{"))
	switch {
	case x.writes() && isObject:
		x.Entry = max(object.Entry, 0)
		if x.Channel == 0 {
			x.Channel = max(object.Channel, 0)
		}
	case x.writes() && !m.cut:
		x.Entry = number(string(text))
	case isObject && len(object.Keys) > 0:
		x.Channel = max(object.ID, 0)
		for _, key := range object.Keys {
			use := ForReading
			if key.Write {
				use = ForWriting
			}
			x.addKey(use, key.Key)
		}
	}
	if x.Entry > 0 {
		x.Outcome = Taken
	}
}

// outcome is what an answer's status and body say, of an update without the number of its entry.
func (x *Exchange) outcome(body string, cut bool) Outcome {
	switch {
	case x.Status >= 400 && x.Status < 600:
		return Refused
	case x.Status == 304 || x.Status == 202:
		return Taken
	case x.Status < 200 || x.Status >= 300 || cut && len(body) < 3:
		return ""
	case body == "-1" || x.writes() && body == "0": // as the service says it, also with status 200
		return Refused
	case x.writes():
		return ""
	}
	return Taken
}
