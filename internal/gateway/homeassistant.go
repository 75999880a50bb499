package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Topics of Home Assistant's discovery: where it hears of devices, and says that it has started.
const (
	discoveryTopics = "homeassistant/device/fernpost-"
	birthTopic      = "homeassistant/status"
	birth           = "online"
)

// ownTopics are below this: fernpost/ROOM/field1 and fernpost/gateway-HOME/availability.
const ownTopics = "fernpost/"

// States of the gateway, as Home Assistant knows them.
const (
	available   = "online"
	unavailable = "offline"
)

const (
	// roomsLookedAt is how often somebody looks which rooms are to be published, and how their fields are called.
	roomsLookedAt = 5 * time.Second
	// announcedAgain is the shortest time between two announcements because Home Assistant has started.
	announcedAgain = 5 * time.Second
	// maxBehind is how many readings of a room are published one by one. Of more only the newest values are.
	maxBehind = 100
	// maxState is how many bytes a value may have. Home Assistant takes 255 characters.
	maxState = 255
	// maxRoomName is how many characters the name of a room has there.
	maxRoomName = 64
)

// retainer keeps the newest message of each topic for those who subscribe, and publishes it; an empty one is the last of its topic.
type retainer interface {
	Retain(ctx context.Context, topic string, payload []byte) error
}

// homeAssistant tells Home Assistant of rooms, by MQTT: each is a device, and each field a sensor.
type homeAssistant struct {
	readings *readings
	grants   *Grants
	rooms    rooms
	// follow begins to take what comes in a room.
	follow func(*shelf)
	// remembers says that what is published is kept by a broker when this process has ended.
	remembers bool
	log       *slog.Logger
}

// availability is the topic that says whether the gateway is there.
func (h *homeAssistant) availability() string {
	return ownTopics + "gateway-" + h.readings.home + "/availability"
}

// idOf names a room for good, whatever it is called: by its channel, and a piece of the hash of its relay's address.
func (h *homeAssistant) idOf(roomID string, channel int64) (string, error) {
	k, err := h.rooms.find(roomID)
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(k.Relay))
	return fmt.Sprintf("%d-%x", channel, hash[:4]), nil
}

// sensor is what is published of a field.
type sensor struct {
	field Field // without a name if it has none
	// value is the newest, of date, and told says that it was published. Without a value there is no topic yet.
	value string
	date  int64
	told  bool
	// announced says that Home Assistant knows it.
	announced bool
}

// device is what is published of a room.
type device struct {
	id string
	// room is the room by its name for good, and shelf its readings, nil for one that was published by an earlier process.
	room  string
	shelf *shelf
	// until is the number of the newest reading that was looked at.
	until   int64
	sensors [thingspeak.FieldCount]sensor
	config  []byte // as it was published
}

func (d *device) topic(field int) string {
	return fmt.Sprintf("%s%s/field%d", ownTopics, d.id, field+1)
}

func (d *device) configTopic() string { return discoveryTopics + d.id + "/config" }

// errLost: a connection to a broker has ended.
var errLost = errors.New("the connection was lost")

// run publishes what is there, and what comes, until the context ends, the connection is lost, or publishing fails. Nothing waits
// for it but a place among the readings. The devices are those that were published before, and again tells that Home Assistant has
// started.
func (h *homeAssistant) run(ctx context.Context, to retainer, devices map[string]*device, again, lost <-chan struct{}) error {
	woken, end := h.readings.subscribers.Add(anyRoom)
	defer end()
	looking := time.NewTicker(roomsLookedAt)
	defer looking.Stop()
	for _, d := range devices {
		d.until = 0 // of what came meanwhile the newest values are enough
	}
	var announced time.Time
	wanted, look := true, true
	for {
		if look {
			if err := h.look(ctx, to, devices); err != nil {
				return err
			}
		}
		if wanted && time.Since(announced) >= announcedAgain {
			wanted, announced = false, time.Now()
			if err := to.Retain(ctx, h.availability(), []byte(available)); err != nil {
				return err
			}
			for _, d := range devices {
				d.announceAgain()
			}
			look = true
		}
		for _, id := range slices.Sorted(maps.Keys(devices)) {
			if err := h.publish(ctx, to, devices[id], look); err != nil {
				return err
			}
		}
		look = false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-lost:
			return errLost
		case <-woken:
		case <-looking.C:
			look = true
		case <-again:
			wanted = true
		}
	}
}

// announceAgain lets everything be published as if for the first time.
func (d *device) announceAgain() {
	d.config = nil
	for i := range d.sensors {
		d.sensors[i].told = false
	}
}

// look finds the rooms that are to be published: those that a key may read, and those that have names for fields. What is published
// of others is taken back.
func (h *homeAssistant) look(ctx context.Context, to retainer, devices map[string]*device) error {
	keys, err := h.grants.List(false)
	if err != nil {
		return err
	}
	names, err := h.grants.Fields()
	if err != nil {
		return err
	}
	wanted := map[string]*[thingspeak.FieldCount]Field{}
	away := map[string]bool{}
	add := func(room string, channel int64) *[thingspeak.FieldCount]Field {
		s, err := h.readings.open(room, channel)
		var id string
		if err == nil {
			id, err = h.idOf(room, channel)
		}
		if err != nil {
			// Whoever uses a key of it hears why. One that cannot be read right now is not taken back.
			away[room] = !errors.Is(err, errOtherRoom)
			return nil
		}
		h.follow(s)
		if d := devices[id]; d == nil || d.shelf != s {
			devices[id] = &device{id: id, room: room, shelf: s}
		}
		if wanted[id] == nil {
			wanted[id] = &[thingspeak.FieldCount]Field{}
		}
		return wanted[id]
	}
	for i := range keys {
		if g := &keys[i]; g.May(Read, g.Room) {
			add(g.RoomID, g.Channel)
		}
	}
	for _, f := range names {
		if fields := add(f.RoomID, f.Channel); fields != nil {
			f.Room = "" // it may be renamed
			fields[f.Number-1] = f
		}
	}
	for id, d := range devices {
		if fields := wanted[id]; fields != nil {
			d.call(fields)
			continue
		}
		if away[d.room] {
			continue
		}
		if err := h.takeBack(ctx, to, d); err != nil {
			return err
		}
		delete(devices, id)
	}
	return nil
}

// call gives the sensors their names. One that has another unit shows other values, too.
func (d *device) call(fields *[thingspeak.FieldCount]Field) {
	for i := range d.sensors {
		s := &d.sensors[i]
		if s.field == fields[i] {
			continue
		}
		s.field, s.value, s.date, s.told = fields[i], "", 0, false
		d.until = 0
	}
}

// takeBack ends what is published of a room.
func (h *homeAssistant) takeBack(ctx context.Context, to retainer, d *device) error {
	topics := []string{d.configTopic()}
	for i := range d.sensors {
		topics = append(topics, d.topic(i))
	}
	for _, topic := range topics {
		if err := to.Retain(ctx, topic, nil); err != nil {
			return err
		}
	}
	if h.remembers {
		return h.grants.unannounce(d.id)
	}
	return nil
}

// after returns the readings of a shelf behind a number.
func (r *readings) after(s *shelf, number int64) []row {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.rows[s.at(number+1):] // rows that stand there are not changed any more
}

// publish tells what has come in a room, and with all what else is not as it was published.
func (h *homeAssistant) publish(ctx context.Context, to retainer, d *device, all bool) error {
	if d.shelf == nil { // its room cannot be read right now
		return nil
	}
	rows := h.readings.after(d.shelf, d.until)
	if len(rows) == 0 && !all {
		return nil
	}
	oneByOne := d.until > 0 && len(rows) <= maxBehind
	now := time.Now().Unix()
	for i := range rows {
		d.until = rows[i].number
		if d.read(&rows[i], now) && oneByOne {
			if err := h.tell(ctx, to, d); err != nil {
				return err
			}
		}
	}
	return h.tell(ctx, to, d)
}

// read takes the values of a reading, and reports whether there are any. One that is older than what is shown is not shown; one of a clock
// that is ahead counts as of now, or nothing would be shown after it.
func (d *device) read(r *row, now int64) (any bool) {
	e := r.unpack()
	date := min(r.date, now)
	for i, v := range e.Fields {
		s := &d.sensors[i]
		value := stateOf(v.Text)
		if value == "" || date < s.date || s.field.isNumeric() && !isNumber(value) {
			continue
		}
		s.value, s.date, s.told, any = value, date, false, true
	}
	return any
}

// tell publishes how the device looks, if that is new, and the values that were not published yet.
func (h *homeAssistant) tell(ctx context.Context, to retainer, d *device) error {
	config := h.configOf(d)
	if config != nil && !bytes.Equal(config, d.config) {
		if h.remembers && d.config == nil {
			if err := h.grants.announce(d.id, d.room); err != nil {
				return err
			}
		}
		if err := to.Retain(ctx, d.configTopic(), config); err != nil {
			return err
		}
		d.config = config
		for i := range d.sensors {
			d.sensors[i].announced = d.sensors[i].isShown()
		}
	}
	for i := range d.sensors {
		s := &d.sensors[i]
		if s.told || s.value == "" {
			continue
		}
		if err := to.Retain(ctx, d.topic(i), []byte(s.value)); err != nil {
			return err
		}
		s.told = true
	}
	return nil
}

func (s *sensor) isShown() bool { return s.value != "" || s.field.Name != "" }

// discovery is what Home Assistant is told of a device (its documentation: MQTT, "Device discovery payload").
type discovery struct {
	Device struct {
		IDs   []string `json:"ids"`
		Name  string   `json:"name"`
		Maker string   `json:"mf"`
	} `json:"dev"`
	Origin struct {
		Name string `json:"name"`
	} `json:"o"`
	Components map[string]component `json:"cmps"`
}

// component is a sensor. One that says its platform only is taken away.
type component struct {
	Platform     string `json:"p"`
	ID           string `json:"unique_id,omitempty"`
	Name         string `json:"name,omitempty"`
	State        string `json:"state_topic,omitempty"`
	Availability string `json:"availability_topic,omitempty"`
	Unit         string `json:"unit_of_measurement,omitempty"`
	Class        string `json:"device_class,omitempty"`
}

// configOf is what is to be told of a device, nil while there is nothing.
func (h *homeAssistant) configOf(d *device) []byte {
	all := discovery{Components: map[string]component{}}
	all.Device.IDs = []string{"fernpost-" + d.id}
	all.Device.Name = shortened(screen.Line(nameOf(h.rooms, d.room)), maxRoomName)
	all.Device.Maker, all.Origin.Name = "fernpost", "fernpost"
	for i := range d.sensors {
		s := &d.sensors[i]
		name := fmt.Sprintf("field%d", i+1)
		switch {
		case s.isShown():
			c := component{
				Platform: "sensor", ID: "fernpost-" + d.id + "-" + name, Name: s.field.Name, State: d.topic(i), Availability: h.availability(),
				Unit: s.field.Unit, Class: s.field.Class,
			}
			if c.Name == "" {
				c.Name = name
			}
			all.Components[name] = c
		case s.announced:
			all.Components[name] = component{Platform: "sensor"}
		}
	}
	if len(all.Components) == 0 {
		return nil
	}
	config, err := json.Marshal(all)
	if err != nil {
		h.log.Error("describing a room for Home Assistant failed", "err", err)
		return nil
	}
	return config
}

// stateOf is a value as it is published: one line, of bounded length, without what is not seen. It is no template, whatever it says.
func stateOf(text string) string {
	text = screen.Line(text)
	return strings.TrimSpace(text[:cut(text, maxState)])
}

// cut is where a text of more bytes ends between two characters.
func cut(text string, most int) int {
	end := 0
	for at, r := range text {
		if at+len(string(r)) > most {
			break
		}
		end = at + len(string(r))
	}
	return end
}

func shortened(text string, characters int) string {
	if r := []rune(text); len(r) > characters {
		return string(r[:characters-1]) + "…"
	}
	return text
}

var number = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// isNumber reports whether a value is a finite number, as Home Assistant reads it.
func isNumber(value string) bool {
	if !number.MatchString(value) {
		return false
	}
	_, err := strconv.ParseFloat(value, 64)
	return err == nil
}
