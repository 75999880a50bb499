package mqttapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/mqtt"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/mqttapi"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// house is a relay with an MQTT door, in a bubble.
type house struct {
	testing.TB
	*relaytest.Server
	door *mqttapi.Door
}

func newHouse(t testing.TB, with ...relaytest.Option) *house {
	t.Helper()
	return newHouseFor(t, mqttapi.Options{}, with...)
}

func newHouseFor(t testing.TB, o mqttapi.Options, with ...relaytest.Option) *house {
	t.Helper()
	h := &house{TB: t, Server: relaytest.InBubble(t, with...)}
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	h.door = mqttapi.New(h.Relay, o)
	t.Cleanup(func() {
		if err := h.door.Shutdown(context.Background()); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return h
}

// device makes a device with rights and returns its credentials.
func (h *house) device(rights ...relay.Right) mqtt.Credentials {
	h.Helper()
	d, password := relay.NewDevice()
	for _, r := range rights {
		if err := d.Allow(r); err != nil {
			h.Fatal(err)
		}
	}
	if err := h.Store.CreateDevice(h.Context(), d); err != nil {
		h.Fatal(err)
	}
	return mqtt.Credentials{ClientID: d.ID, Username: d.ID, Password: password}
}

// dial connects.
func (h *house) dial(c mqtt.Credentials) (*mqtt.Client, error) {
	return mqtt.Dial(h.Context(), "mqtt://relay:1883", c, mqtt.DialOptions{Open: func() (net.Conn, error) {
		client, server := net.Pipe()
		go h.door.ServeConn(server, "192.0.2.7:1234")
		return client, nil
	}})
}

// client connects a device with rights.
func (h *house) client(rights ...relay.Right) *mqtt.Client {
	h.Helper()
	c, err := h.dial(h.device(rights...))
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(c.Close)
	return c
}

// publish publishes with QoS 1, so that it is stored or refused when it returns.
func (h *house) publish(c *mqtt.Client, topic, payload string) {
	h.Helper()
	if err := c.Publish(h.Context(), topic, []byte(payload), 1); err != nil {
		h.Errorf("publishing to %s: %v", topic, err)
	}
}

// subscribe subscribes and returns where messages come, as "topic payload".
func (h *house) subscribe(c *mqtt.Client, filter string) <-chan string {
	h.Helper()
	got := make(chan string, 1000)
	err := c.Subscribe(h.Context(), filter, func(m mqtt.Message) { got <- m.Topic + " " + string(m.Payload) })
	if err != nil {
		h.Fatalf("subscribing to %s: %v", filter, err)
	}
	return got
}

// heard returns what has come when nothing more is on its way.
func heard(from <-chan string) (all []string) {
	synctest.Wait()
	for len(from) > 0 {
		all = append(all, <-from)
	}
	return all
}

func (h *house) wantHeard(from <-chan string, want ...string) {
	h.Helper()
	if got := heard(from); !slices.Equal(got, want) {
		h.Errorf("heard %q, want %q", got, want)
	}
}

// values are the first fields of a channel's entries.
func (h *house) values(channel int64) (all []string) {
	h.Helper()
	for _, e := range h.Entries(h, channel) {
		all = append(all, e.Fields[0].Text)
	}
	return all
}

func TestPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		c, foreign := h.CreateChannel(t, relaytest.AllFields(false)), h.CreateChannel(t, relaytest.AllFields(true))
		read := h.CreateChannel(t, relay.Settings{})
		p := h.client(relay.Right{Channel: c.ID, Publish: true}, relay.Right{Channel: read.ID, Subscribe: true})
		to := func(format string, channel int64) string {
			return strings.ReplaceAll(format, "ID", fmt.Sprint(channel))
		}
		h.publish(p, to("channels/ID/publish", c.ID),
			"field1=a%20b&field2=%c3%a9&status=ok&lat=48.2&long=16.4&elevation=151&created_at=2026-01-02T03:04:05Z\n")
		h.publish(p, to("channels/ID/publish/fields/field3", c.ID), "bare=value%20\n")
		h.publish(p, to("channels/ID/publish", c.ID), "field1=two&latitude=1&longitude=2")
		h.publish(p, to("channels/ID/publish/", c.ID)+foreign.WriteKey, "field1=no")
		h.publish(p, to("channels/ID/publish/", foreign.ID)+foreign.WriteKey, "field1=by key")
		h.publish(p, to("channels/ID/publish/fields/field2/", foreign.ID)+foreign.WriteKey, "by key")
		for _, topic := range []string{
			"channels/ID/publish", "channels/ID/publish/fields/field1", "channels/ID/subscribe", "channels/ID/publish/" + foreign.ReadKey,
		} {
			h.publish(p, to(topic, foreign.ID), "field1=no")
			h.publish(p, to(topic, read.ID), "field1=no")
		}
		for _, topic := range []string{
			"channels/ID/subscribe", "channels/ID", "channels//publish", "channels/0ID/publish", "channels/ID/publish/fields/field9",
			"channels/ID/publish/fields/field0", "channels/ID/publish/fields", "/channels/ID/publish", "channels/ID/publish/", "x",
			"channels/99999999999999999999/publish", "channels/-1/publish", "$SYS/channels/ID/publish",
		} {
			h.publish(p, to(topic, c.ID), "field1=no")
		}
		for _, payload := range []string{
			"", "unknown=1", "x", "field1=" + strings.Repeat("x", 300), "created_at=2026-01-02T03:04:05Z", "{",
		} {
			h.publish(p, to("channels/ID/publish", c.ID), payload)
		}
		h.publish(p, to("channels/ID/publish/fields/field1", c.ID), "\xff")
		all := h.Entries(t, c.ID)
		if len(all) != 3 {
			t.Fatalf("stored %+v", all)
		}
		if e := all[0]; e.Fields[0].Text != "a b" || e.Fields[1].Text != "é" || e.Status.Text != "ok" || e.Latitude.Text != "48.2" ||
			e.Longitude.Text != "16.4" || e.Elevation.Text != "151" || !e.CreatedAt.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
			t.Errorf("stored %+v", e)
		}
		if e := all[1]; e.Fields[2].Text != "bare=value%20" || e.Fields[0].Given {
			t.Errorf("stored %+v", e)
		}
		if e := all[2]; e.Latitude.Text != "1" || e.Longitude.Text != "2" {
			t.Errorf("stored %+v", e)
		}
		if all := h.Entries(t, foreign.ID); len(all) != 2 || all[0].Fields[0].Text != "by key" || all[1].Fields[1].Text != "by key" {
			t.Errorf("stored by key: %+v", all)
		}
		if all := h.Entries(t, read.ID); len(all) != 0 {
			t.Errorf("stored without a right: %+v", all)
		}
	})
}

// TestIntervalIsShared: an update by MQTT and one by HTTP count for the same interval; one that comes too early is
// acknowledged and vanishes.
func TestIntervalIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, relaytest.Interval(15*time.Second))
		c := h.CreateChannel(t, relaytest.AllFields(false))
		p := h.client(relay.Right{Channel: c.ID, Publish: true})
		topic := fmt.Sprintf("channels/%d/publish", c.ID)
		http := func(value string) {
			t.Helper()
			answer, err := h.Client(t).Get(h.URL + "/update?api_key=" + c.WriteKey + "&field1=" + value)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
		}
		h.publish(p, topic, "field1=mqtt")
		http("early")
		time.Sleep(15 * time.Second)
		http("http")
		h.publish(p, topic, "field1=early")
		time.Sleep(15 * time.Second)
		h.publish(p, topic, "field1=later")
		if got := h.values(c.ID); !slices.Equal(got, []string{"mqtt", "http", "later"}) {
			t.Errorf("stored %q", got)
		}
	})
}

// TestAnnounced: entries that come by MQTT or HTTP reach subscribers, those of bulk calls do not, and nothing comes that was
// there before.
func TestAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		c := h.CreateChannel(t, relaytest.AllFields(false))
		h.Seed(t, c.ID, 3, func(int) thingspeak.Entry { return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("old")}} })
		p := h.client(relay.Right{Channel: c.ID, Publish: true, Subscribe: true})
		name := func(rest string) string { return fmt.Sprintf("channels/%d/subscribe%s", c.ID, rest) }
		whole, one := h.subscribe(p, name("")), h.subscribe(p, name("/fields/field2"))
		reader := h.client(relay.Right{Channel: c.ID, Subscribe: true})
		fields, legacy := h.subscribe(reader, name("/fields/+")), h.subscribe(reader, name("/json/")+c.ReadKey)
		legacyField := h.subscribe(reader, name("/fields/field1/")+c.WriteKey)

		h.publish(p, fmt.Sprintf("channels/%d/publish", c.ID), "field1=a&field2=&status=s")
		h.Seed(t, c.ID, 3, func(int) thingspeak.Entry {
			return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("bulk")}}
		})
		answer, err := h.Client(t).Get(h.URL + "/update?api_key=" + c.WriteKey + "&field1=b")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()

		got := heard(whole)
		if len(got) != 2 {
			t.Fatalf("heard %q", got)
		}
		var first map[string]any
		payload, found := strings.CutPrefix(got[0], name("")+" ")
		if err := json.Unmarshal([]byte(payload), &first); err != nil || !found {
			t.Fatalf("heard %q: %v", got[0], err)
		}
		for key, want := range map[string]any{
			"channel_id": float64(c.ID), "entry_id": 4.0, "field1": "a", "field2": "", "field3": nil, "status": "s", "latitude": nil,
		} {
			if value, there := first[key]; !there || value != want {
				t.Errorf("%s is %v, want %v", key, value, want)
			}
		}
		h.wantHeard(one, name("/fields/field2")+" ")
		h.wantHeard(fields, name("/fields/field1")+" a", name("/fields/field2")+" ", name("/fields/field1")+" b")
		h.wantHeard(legacyField, name("/fields/field1/")+c.WriteKey+" a", name("/fields/field1/")+c.WriteKey+" b")
		if got := heard(legacy); len(got) != 2 || got[0] != name("/json/")+c.ReadKey+" "+payload {
			t.Errorf("heard %q", got)
		}
		h.Clear(t, c.ID)
		h.publish(p, fmt.Sprintf("channels/%d/publish/fields/field2", c.ID), "again")
		h.wantHeard(one, name("/fields/field2")+" again")
	})
}

// TestOnlyGranted: nobody hears of a channel without a right to it or a key of it, however the filter is put.
func TestOnlyGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		c, other := h.CreateChannel(t, relaytest.AllFields(true)), h.CreateChannel(t, relaytest.AllFields(false))
		p := h.client(relay.Right{Channel: c.ID, Publish: true}, relay.Right{Channel: other.ID, Subscribe: true})
		for _, filter := range []string{
			"channels/ID/subscribe", "channels/ID/subscribe/fields/field1", "channels/ID/subscribe/fields/+", "channels/+/subscribe", "#",
			"channels/#", "+/+/subscribe", "channels/ID/#", "channels/ID/+", "channels/ID/publish", "channels/ID/publish/#",
			"$share/g/channels/ID/subscribe", "$SYS/#", "channels/ID/subscribe/json/+", "channels/ID/subscribe/json/#",
			"channels/ID/subscribe/fields/+/+", "channels/ID/subscribe/fields/field1/+", "channels/ID/subscribe/xml",
			"channels/OTHER/subscribe/json/" + c.WriteKey, "channels/0OTHER/subscribe", "channels/OTHER/subscribe/fields/field9",
			"channels/OTHER/subscribe/fields/#", "channels/OTHER/subscribe/", "channels/OTHER/subscribe/" + other.ReadKey,
		} {
			filter = strings.NewReplacer("ID", fmt.Sprint(c.ID), "OTHER", fmt.Sprint(other.ID)).Replace(filter)
			if err := p.Subscribe(t.Context(), filter, func(mqtt.Message) {}); !errors.Is(err, mqtt.ErrNotGranted) {
				t.Errorf("%s: %v", filter, err)
			}
		}
		h.subscribe(p, fmt.Sprintf("channels/%d/subscribe", other.ID))
		// In a public channel any key opens what needs none, as over HTTP.
		h.subscribe(p, fmt.Sprintf("channels/%d/subscribe/json/anything", c.ID))
	})
}

// TestRightsAreTakenAway: what a device may do is asked again at each message, and at least every five seconds.
func TestRightsAreTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		c, second := h.CreateChannel(t, relaytest.AllFields(false)), h.CreateChannel(t, relaytest.AllFields(false))
		credentials := h.device(
			relay.Right{Channel: c.ID, Publish: true, Subscribe: true}, relay.Right{Channel: second.ID, Subscribe: true})
		p, err := h.dial(credentials)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		publish, subscribe := fmt.Sprintf("channels/%d/publish", c.ID), fmt.Sprintf("channels/%d/subscribe/fields/field1", c.ID)
		got := h.subscribe(p, subscribe)
		byKey := h.subscribe(p, subscribe+"/"+c.ReadKey)
		gone := h.subscribe(p, fmt.Sprintf("channels/%d/subscribe", second.ID))
		h.publish(p, publish, "field1=1")
		h.wantHeard(got, subscribe+" 1")
		change := func(change func(*relay.Device) error) {
			t.Helper()
			if err := h.Store.ChangeDevice(t.Context(), credentials.ClientID, change); err != nil {
				t.Fatal(err)
			}
		}
		change(func(d *relay.Device) error { return d.Allow(relay.Right{Channel: c.ID}) })
		h.publish(p, publish, "field1=2")
		if n := len(h.Entries(t, c.ID)); n != 1 {
			t.Errorf("without the right there are %d entries", n)
		}
		if err := h.Store.DeleteChannel(t.Context(), second.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		h.wantHeard(byKey, subscribe+"/"+c.ReadKey+" 1")
		write := func(value string) {
			t.Helper()
			e := relay.NewEntry{Entry: thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(value)}}}
			if _, err := h.Relay.Update(t.Context(), relay.Update{Key: c.WriteKey, Entries: []relay.NewEntry{e}}); err != nil {
				t.Fatal(err)
			}
		}
		write("3")
		h.wantHeard(got)
		h.wantHeard(gone)
		h.wantHeard(byKey, subscribe+"/"+c.ReadKey+" 3")
		if err := h.Store.ChangeChannel(t.Context(), c.ID, func(c *relay.Channel) error {
			c.Keys[1].Text = relay.NewKey()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		write("4")
		h.wantHeard(byKey)
		change(func(d *relay.Device) error { return d.Allow(relay.Right{Channel: c.ID, Subscribe: true}) })
		again := h.subscribe(p, subscribe)
		write("5")
		h.wantHeard(again, subscribe+" 5")

		before := time.Now()
		change(func(d *relay.Device) error { d.Renew(); return nil })
		<-p.Lost()
		if took := time.Since(before); took > 5*time.Second {
			t.Errorf("with the old password it was connected for %v", took)
		}
		if _, err := h.dial(credentials); !errors.Is(err, mqtt.ErrCredentials) {
			t.Errorf("with the old password: %v", err)
		}
	})
}

// TestRemovedDeviceIsDisconnected: one that only publishes, too.
func TestRemovedDeviceIsDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		credentials := h.device()
		p, err := h.dial(credentials)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := h.Store.RemoveDevice(t.Context(), credentials.ClientID); err != nil {
			t.Fatal(err)
		}
		<-p.Lost()
	})
}

// clumsy is a store with mistakes: it panics when it is asked for devices, or for bulk calls, so many times. It counts how
// often it is asked for devices.
type clumsy struct {
	*storetest.Memory
	devices, bulkCalls, asked atomic.Int64
}

func (s *clumsy) Device(ctx context.Context, id string) (*relay.Device, error) {
	s.asked.Add(1)
	return s.Memory.Device(ctx, id)
}

func (s *clumsy) Devices(ctx context.Context) ([]*relay.Device, error) {
	s.asked.Add(1)
	if s.devices.Add(-1) >= 0 {
		panic("a mistake")
	}
	return s.Memory.Devices(ctx)
}

func (s *clumsy) BulkCalls(ctx context.Context, generation, first, last int64) ([]relay.Span, error) {
	if s.bulkCalls.Add(-1) >= 0 {
		panic("a mistake")
	}
	return s.Memory.BulkCalls(ctx, generation, first, last)
}

// newClumsyHouse is a house with a store that makes mistakes.
func newClumsyHouse(t *testing.T) (*house, *clumsy) {
	t.Helper()
	s := &clumsy{Memory: storetest.NewMemory()}
	return newHouse(t, relaytest.WithStore(func(testing.TB) relay.Store { return s })), s
}

// TestRightsAreLookedAtTogether: the store is asked once for all who are connected, and not at all for nobody.
func TestRightsAreLookedAtTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newClumsyHouse(t)
		time.Sleep(time.Minute)
		if n := s.asked.Load(); n != 0 {
			t.Errorf("with nobody there the store is asked %d times", n)
		}
		for range 20 {
			h.client()
		}
		before := s.asked.Load()
		time.Sleep(5*time.Second + time.Millisecond)
		if n := s.asked.Load() - before; n != 1 {
			t.Errorf("for 20 devices the store is asked %d times", n)
		}
	})
}

// TestMistakeInRights: a panic while rights are looked at does not end the relay, and the next look counts.
func TestMistakeInRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newClumsyHouse(t)
		credentials := h.device()
		p, err := h.dial(credentials)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		s.devices.Store(1)
		if err := h.Store.RemoveDevice(t.Context(), credentials.ClientID); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		<-p.Lost()
		if took := time.Since(before); took < 5*time.Second || took > 10*time.Second {
			t.Errorf("the removed device was connected for %v", took)
		}
	})
}

// TestMistakeInAnnouncing: a panic does not end the relay, and nobody goes on who would miss what comes. Who connects again
// hears what comes then; who subscribes to another channel notices nothing.
func TestMistakeInAnnouncing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newClumsyHouse(t)
		c, other := h.CreateChannel(t, relaytest.AllFields(false)), h.CreateChannel(t, relaytest.AllFields(false))
		right := relay.Right{Channel: c.ID, Publish: true, Subscribe: true}
		name := fmt.Sprintf("channels/%d/subscribe/fields/field1", c.ID)
		listener, spared := h.client(right), h.client(right, relay.Right{Channel: other.ID, Subscribe: true})
		h.subscribe(listener, name)
		h.subscribe(spared, fmt.Sprintf("channels/%d/subscribe", other.ID))
		s.bulkCalls.Store(1)
		publish := fmt.Sprintf("channels/%d/publish", c.ID)
		h.publish(spared, publish, "field1=lost")
		<-listener.Lost()
		again := h.client(right)
		got := h.subscribe(again, name)
		h.publish(spared, publish, "field1=heard")
		h.wantHeard(got, name+" heard")
	})
}

// TestBurst: who reads gets every entry once and in order, also where many come at once.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		c := h.CreateChannel(t, relaytest.AllFields(false))
		p := h.client(relay.Right{Channel: c.ID, Subscribe: true})
		got := h.subscribe(p, fmt.Sprintf("channels/%d/subscribe/fields/field1", c.ID))
		var updates []relay.Update
		var want []string
		for n := range 900 {
			e := relay.NewEntry{Entry: thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(fmt.Sprint(n))}}}
			updates = append(updates, relay.Update{
				Channel: c.ID, Key: c.WriteKey, Entries: []relay.NewEntry{e}, Limits: &relay.Limits{},
			})
			want = append(want, fmt.Sprintf("channels/%d/subscribe/fields/field1 %d", c.ID, n))
		}
		if _, err := h.Store.Commit(t.Context(), updates); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		h.wantHeard(got, want...)
	})
}

// TestCheats: a relay that cheats announces what it shows.
func TestCheats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := relaytest.InBubble(t)
		limits, err := relay.Preset(relay.PresetNone)
		if err != nil {
			t.Fatal(err)
		}
		lying := relay.New(cheat.Stores(s.Store, cheat.Drop|cheat.Alter)[0], limits)
		h := &house{TB: t, Server: s, door: mqttapi.New(lying, mqttapi.Options{})}
		defer h.door.Shutdown(context.Background())
		c := h.CreateChannel(t, relaytest.AllFields(true))
		p := h.client(relay.Right{Channel: c.ID, Publish: true, Subscribe: true})
		got := h.subscribe(p, fmt.Sprintf("channels/%d/subscribe/fields/field1", c.ID))
		for n := range 6 {
			h.publish(p, fmt.Sprintf("channels/%d/publish/fields/field1", c.ID), fmt.Sprint(n+1))
			synctest.Wait()
		}
		name := fmt.Sprintf("channels/%d/subscribe/fields/field1", c.ID)
		h.wantHeard(got, name+" 1", name+" 2", name+" 4", name+" 5", name+" 6")
		p.Close()
	})
}

// TestLimitsByAddress: wrong credentials and floods count as they do over HTTP.
func TestLimitsByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouseFor(t, mqttapi.Options{Clients: guard.New(guard.Limits{WrongKeys: 3, Requests: 5}, nil, nil)})
		c := h.CreateChannel(t, relaytest.AllFields(false))
		credentials := h.device(relay.Right{Channel: c.ID, Publish: true})
		wrong := credentials
		wrong.Password = "wrong"
		for range 3 {
			if _, err := h.dial(wrong); !errors.Is(err, mqtt.ErrCredentials) {
				t.Errorf("wrong credentials: %v", err)
			}
		}
		if _, err := h.dial(credentials); err == nil || errors.Is(err, mqtt.ErrCredentials) {
			t.Errorf("after too many wrong ones: %v", err)
		}
		time.Sleep(time.Minute)
		p, err := h.dial(credentials)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for range 50 {
			h.publish(p, fmt.Sprintf("channels/%d/publish", c.ID), "field1=x")
		}
		if n := len(h.Entries(t, c.ID)); n == 0 || n > 10 {
			t.Errorf("of a flood of 50 messages %d are stored", n)
		}
	})
}

// TestWrongKeysOfOthersEndNothing: who has subscribed by a key keeps that, however many wrong keys others show from the same
// address; and a key that is taken away does not last longer by it.
func TestWrongKeysOfOthersEndNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouseFor(t, mqttapi.Options{Clients: guard.New(guard.Limits{WrongKeys: 100}, nil, nil)})
		c := h.CreateChannel(t, relaytest.AllFields(false))
		p, other := h.client(), h.client()
		name := fmt.Sprintf("channels/%d/subscribe/fields/field1/%s", c.ID, c.ReadKey)
		got := h.subscribe(p, name)
		guess := func() {
			t.Helper()
			for range 100 {
				err := other.Subscribe(t.Context(), name+"X", func(mqtt.Message) {})
				if !errors.Is(err, mqtt.ErrNotGranted) {
					t.Fatalf("a wrong key: %v", err)
				}
			}
			if err := other.Subscribe(t.Context(), name, func(mqtt.Message) {}); !errors.Is(err, mqtt.ErrNotGranted) {
				t.Fatalf("after too many wrong keys: %v", err)
			}
			time.Sleep(5*time.Second + time.Millisecond) // until rights are looked at again
		}
		write := func(value string) {
			t.Helper()
			e := relay.NewEntry{Entry: thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(value)}}}
			if _, err := h.Relay.Update(t.Context(), relay.Update{Key: c.WriteKey, Entries: []relay.NewEntry{e}}); err != nil {
				t.Fatal(err)
			}
		}
		guess()
		write("1")
		h.wantHeard(got, name+" 1")
		time.Sleep(time.Minute)
		if err := h.Store.ChangeChannel(t.Context(), c.ID, func(c *relay.Channel) error {
			c.Keys[1].Text = relay.NewKey()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		guess()
		write("2")
		h.wantHeard(got)
	})
}

// TestClientsAreCounted: a client takes a place among the streams of entries, of its address and in all, while it is there.
func TestClientsAreCounted(t *testing.T) {
	for name, limits := range map[string]guard.Limits{"of one address": {Streams: 2}, "in all": {AllStreams: 2}} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouseFor(t, mqttapi.Options{Clients: guard.New(limits, nil, nil)})
			first := h.client()
			h.client()
			third := h.device()
			if _, err := h.dial(third); err == nil || errors.Is(err, mqtt.ErrCredentials) {
				t.Errorf("one too many %s: %v", name, err)
			}
			first.Close()
			synctest.Wait()
			p, err := h.dial(third)
			if err != nil {
				t.Fatalf("after one has gone, %s: %v", name, err)
			}
			p.Close()
		})
	}
}

// TestNoSecretIsLogged: the broker's library would log whole packets.
func TestNoSecretIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log relaytest.Log
		s := relaytest.InBubble(t)
		door := mqttapi.New(s.Relay, mqttapi.Options{
			Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		h := &house{TB: t, Server: s, door: door}
		c := h.CreateChannel(t, relaytest.AllFields(false))
		credentials := h.device(relay.Right{Channel: c.ID, Publish: true})
		p, err := h.dial(credentials)
		if err != nil {
			t.Fatal(err)
		}
		h.publish(p, fmt.Sprintf("channels/%d/publish/%s", c.ID, c.WriteKey), "field1=payload")
		h.publish(p, fmt.Sprintf("channels/%d/publish/%s", c.ID, c.ReadKey), "field1=payload")
		_ = p.Subscribe(t.Context(), fmt.Sprintf("channels/%d/subscribe/json/%s", c.ID, c.ReadKey), func(mqtt.Message) {})
		_ = p.Subscribe(t.Context(), "channels/#/"+c.ReadKey, func(mqtt.Message) {})
		s.Store.(interface{ Fail(error) }).Fail(errors.New("trouble"))
		h.publish(p, fmt.Sprintf("channels/%d/publish/%s", c.ID, c.WriteKey), "field1=payload")
		_, _ = h.dial(credentials)
		p.Close()
		if err := door.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		for _, secret := range []string{c.WriteKey, c.ReadKey, credentials.Password, "payload"} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("logged: %s", log.String())
			}
		}
		if !strings.Contains(log.String(), "trouble") {
			t.Errorf("what went wrong on our side is not logged: %s", log.String())
		}
	})
}

// TestStoreInTrouble: a client is told that the service is unavailable, not that its credentials are wrong, and what it has
// subscribed to goes on when the trouble is over.
func TestStoreInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		c := h.CreateChannel(t, relaytest.AllFields(false))
		credentials := h.device()
		p := h.client(relay.Right{Channel: c.ID, Subscribe: true, Publish: true})
		got := h.subscribe(p, fmt.Sprintf("channels/%d/subscribe/fields/field1", c.ID))
		trouble := h.Store.(interface{ Fail(error) })
		trouble.Fail(errors.New("trouble"))
		if _, err := h.dial(credentials); err == nil || errors.Is(err, mqtt.ErrCredentials) {
			t.Errorf("in trouble: %v", err)
		}
		h.publish(p, fmt.Sprintf("channels/%d/publish", c.ID), "field1=lost")
		time.Sleep(time.Minute)
		trouble.Fail(nil)
		h.publish(p, fmt.Sprintf("channels/%d/publish", c.ID), "field1=kept")
		time.Sleep(5 * time.Second)
		h.wantHeard(got, fmt.Sprintf("channels/%d/subscribe/fields/field1 kept", c.ID))
	})
}
