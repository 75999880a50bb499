package web

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/gateway"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/qr"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Switches are what a teacher changes while the lesson goes on.
type Switches struct {
	// Padding has phones fill up every entry.
	Padding bool `json:"padding"`
	// Profile is "fernpost", signed records, or "tutorial", plain texts: another profile is another room.
	Profile string `json:"profile"`
	// Lies are those that the relay tells.
	Lies []string `json:"lies"`
	// IntervalMS is the least time between two updates, in milliseconds.
	IntervalMS int64 `json:"interval_ms"`
	// Steals has phones run a page that sends the key, and what is typed, to whoever serves it.
	Steals bool `json:"steals"`
}

// room is one of the class's rooms.
type room struct {
	name     string // of the channel
	profile  passphrase.Profile
	key      fernet.Key
	channel  int64
	writeKey string
	link     string
	code     qr.Code
}

// now is the room that the class is in. The caller holds mu.
func (c *Class) now() *room { return c.rooms[c.switches.Profile] }

// channel is the number of the channel of the room that the class is in.
func (c *Class) channel() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().channel
}

// room returns the room of a profile; it is made if it is not there. The caller holds mu, or is alone.
func (c *Class) room(ctx context.Context, profile string) (*room, error) {
	if r := c.rooms[profile]; r != nil {
		return r, nil
	}
	p, ok := passphrase.ByName(profile)
	if !ok {
		return nil, fmt.Errorf("there is no profile %q", profile)
	}
	fields := thingspeak.AllFields
	r := &room{name: c.options.Name, profile: p, key: fernet.GenerateKey()}
	if p.Form == passphrase.FormText {
		fields, r.name = thingspeak.FieldsOf(1), r.name+"-texts"
	}
	settings := relay.Settings{Name: &r.name, Public: new(true)}
	for n := range fields.All() {
		settings.Labels[n-1] = new(fmt.Sprintf("field%d", n))
	}
	channel, err := c.relay.Rules().CreateChannel(ctx, relay.LocalAccountID, settings)
	if err != nil {
		return nil, fmt.Errorf("making the class's channel: %w", err)
	}
	r.channel, r.writeKey = channel.ID, channel.Keys[0].Text
	i := invite.Invitation{
		Relay: c.options.Address, Channel: r.channel, Fields: slices.Collect(fields.All()), Profile: p, Name: r.name,
		Keys: []fernet.Key{r.key}, WriteKey: r.writeKey,
	}
	if r.link, err = i.Link(); err != nil {
		return nil, err
	}
	if r.code, err = qr.Encode(r.link); err != nil {
		return nil, err
	}
	c.rooms[profile] = r
	return r, nil
}

// lies reads the names of lies.
func lies(names []string) (l cheat.Lies, err error) {
	if len(names) > 0 {
		err = l.Set(strings.Join(names, ","))
	}
	return l, err
}

// longestInterval is the longest time between two updates that a class may be shown.
const longestInterval = time.Minute

// turn brings the lesson to where other switches say.
func (c *Class) turn(ctx context.Context, to Switches) error {
	told, err := lies(to.Lies)
	if err != nil {
		return err
	}
	if to.IntervalMS < 0 || to.IntervalMS > longestInterval.Milliseconds() || to.IntervalMS%1000 != 0 {
		return fmt.Errorf("an interval is 0 to %d whole seconds, in milliseconds", int(longestInterval.Seconds()))
	}
	if _, err := c.room(ctx, to.Profile); err != nil {
		return err
	}
	before := c.switches
	c.switches = to
	limits := c.limits
	limits.Interval = time.Duration(to.IntervalMS) * time.Millisecond
	rules := !slices.Equal(before.Lies, to.Lies) || before.IntervalMS != to.IntervalMS
	if rules {
		if err := c.relay.Change(limits, told); err != nil {
			c.switches = before
			return err
		}
	}
	if before.Profile != to.Profile {
		c.wires.reset(map[string]any{"reset": "Wi-Fi"})
	}
	if rules || before.Profile != to.Profile {
		c.watch()
	}
	c.private.add(map[string]any{"state": c.state()})
	return nil
}

// classState is what the projector's page is told of the lesson.
type classState struct {
	Switches    Switches          `json:"switches"`
	Name        string            `json:"name"`
	Link        string            `json:"link"`
	Code        codeState         `json:"code"`
	Relay       string            `json:"relay"`
	Channel     int64             `json:"channel"`
	Fields      []int             `json:"fields"`
	Seats       int               `json:"seats"`
	TLS         bool              `json:"tls"`
	Certificate string            `json:"certificate"`
	Loopback    bool              `json:"loopback"`
	Lies        map[string]string `json:"lies"`
	Notice      string            `json:"notice"`
}

// codeState is a QR code: an SVG path on a ground so many modules wide.
type codeState struct {
	Across int    `json:"across"`
	Path   string `json:"path"`
}

// state tells of the lesson. The caller holds mu.
func (c *Class) state() classState {
	r := c.now()
	told, _ := lies(c.switches.Lies) // they were read before
	s := classState{
		Switches: c.switches, Name: r.name, Link: r.link, Relay: c.options.Address, Channel: r.channel, Seats: c.options.Seats,
		TLS: c.relay.Encrypted(), Certificate: c.certificate, Loopback: c.relay.Loopback(), Lies: map[string]string{},
		Notice: told.Notice(),
	}
	s.Code.Across, s.Code.Path = r.code.Path()
	for _, line := range cheat.All.Confess() {
		name, does, _ := strings.Cut(line, ": ")
		s.Lies[name] = does
	}
	return s
}

func (c *Class) stateNow() classState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state()
}

func (c *Class) getState(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, c.stateNow())
}

func (c *Class) getEvents(w http.ResponseWriter, r *http.Request) {
	follow(w, r, c.ending, c.wires, c.rows, c.private)
}

func (c *Class) postSwitches(w http.ResponseWriter, r *http.Request) {
	body, err := gateway.ReadBody(w, r, maxRequest) // before the lock: who sends it slowly would stop everybody
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	to := c.switches // what is not named stays
	to.Lies = slices.Clone(to.Lies)
	if err := parseJSON(body, &to); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if to.Lies == nil {
		to.Lies = []string{}
	}
	if err := c.turn(r.Context(), to); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	answerJSON(w, c.state())
}

// nowState is what phones are told, who ask for it again and again.
type nowState struct {
	Channel int64 `json:"channel"`
	Padding bool  `json:"padding"`
	// Page changes when the page itself does.
	Page   string `json:"page"`
	Notice string `json:"notice"`
}

func (c *Class) forPhones() nowState {
	c.mu.Lock()
	defer c.mu.Unlock()
	told, _ := lies(c.switches.Lies)
	return nowState{c.now().channel, c.switches.Padding, c.phone().tag, told.Notice()}
}

func (c *Class) getNow(w http.ResponseWriter, _ *http.Request) { answerJSON(w, c.forPhones()) }

// getOutside streams what everybody outside sees, for the phones: who shows the write key of a room of the class may see the requests
// that it stands in.
func (c *Class) getOutside(w http.ResponseWriter, r *http.Request) {
	if !c.fromARoom(r) {
		refuse(w, http.StatusUnauthorized, "this is for those in the room")
		return
	}
	follow(w, r, c.ending, c.wires, c.rows)
}

// fromARoom reports whether a request shows the write key of a room of the class.
func (c *Class) fromARoom(r *http.Request) bool {
	c.mu.Lock()
	all := slices.Collect(maps.Values(c.rooms))
	c.mu.Unlock()
	return slices.ContainsFunc(all, func(one *room) bool { return bears(r, one.writeKey) })
}

// phone is the page that phones get now. The caller holds mu.
func (c *Class) phone() *file { return phonePages()[c.switches.Steals] }

func (c *Class) phonePage(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	page := c.phone()
	c.mu.Unlock()
	page.ServeHTTP(w, r)
}

// theft is what a page that steals has sent.
type theft struct {
	What string `json:"what"` // link or typed
	Name string `json:"name"`
	Text string `json:"text"`
}

// maxStolen is how much of a text is shown, in bytes, and maxThefts how often.
const (
	maxStolen = 1024
	maxThefts = 1000
)

func (c *Class) postStolen(w http.ResponseWriter, r *http.Request) {
	var t theft
	if !c.fromARoom(r) { // others would put words into a pupil's mouth
		refuse(w, http.StatusUnauthorized, "this is for those in the room")
		return
	}
	if err := readJSON(w, r, &t); err != nil || t.What != "link" && t.What != "typed" || len(t.Name)+len(t.Text) > maxStolen {
		refuse(w, http.StatusBadRequest, "that is nothing that was stolen")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.switches.Steals || c.stolen >= maxThefts {
		http.NotFound(w, r)
		return
	}
	c.stolen++
	c.private.add(map[string]any{"stolen": t, "from": r.RemoteAddr})
	w.WriteHeader(http.StatusNoContent)
}
