package messenger_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// listensByMQTT has the entries of a room come by MQTT only, and returns the broker.
func listensByMQTT(c *crier) *relaytest.Broker {
	c.t.Helper()
	b := c.server.Broker(c.t)
	device := c.server.Device(c.t, relay.Right{Channel: c.room.Channel, Subscribe: true})
	client, err := remote.New(remote.Options{
		BaseURL: c.server.URL, Channel: c.room.Channel, Transport: c.server.Transport(c.t),
		MQTT: remote.MQTT{
			URL: "mqtt://relay.test", ClientID: device.ClientID, Username: device.Username,
			Password: remote.Secret(device.Password), Open: b.Open,
		},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.engine.PushBy(client.MQTT())
	return b
}

// update has a message stored that is not a bulk update's.
func (c *crier) update() {
	c.t.Helper()
	c.texts.posted++
	text := fmt.Sprint(c.texts.posted)
	c.posted.Store(text, time.Now())
	tok, err := c.ring.Seal([]byte(text), time.Now())
	if err != nil {
		c.t.Fatal(err)
	}
	var none relay.Limits
	decisions, err := c.server.Store.Commit(c.t.Context(), []relay.Update{{
		Channel: c.room.Channel, Key: c.room.WriteKey.Reveal(), Limits: &none,
		Entries: []relay.NewEntry{{Entry: thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(tok)}}}},
	}})
	if err == nil {
		err = decisions[0].Err
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// TestByMQTTEachMessageIsShownOnce: the line is cut every second for a minute, the broker restarted, and the relay fails, while
// entries are written, some of them in bulk, of which MQTT says nothing. Every message is shown once, in order, and nobody is
// accused. When all is well again a message comes when it is written.
func TestByMQTTEachMessageIsShownOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crier{texts: newTexts(t, relaytest.OnDisk())} // in memory, whoever announces many entries would hold up whoever writes
		b := listensByMQTT(c)
		s := c.texts.follow(messenger.FollowOptions{Mark: "face", FromStart: true})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.watch(ctx, s)
		}()
		for second := range 60 {
			for i := range 5 {
				if i == second%10 {
					c.writes(3)
				}
				c.update()
				time.Sleep(150 * time.Millisecond)
			}
			switch {
			case second%20 == 7:
				b.Restart(t)
			case second%20 == 11:
				c.server.Inject(relaytest.Answer(http.StatusServiceUnavailable, "text/plain", "restarting"))
			case second%20 == 15:
				c.server.Inject(nil)
			}
			b.Cut()
			time.Sleep(250 * time.Millisecond)
		}
		c.server.Inject(nil)
		time.Sleep(10 * time.Minute)
		for range 500 { // more at once than is pushed ahead
			c.update()
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if want := countTo(1, c.texts.posted); !slices.Equal(c.shown, want) || len(c.found) > 0 {
			t.Errorf("%d messages were shown of %d; found was %+v", len(c.shown), len(want), c.found)
		}
		if via, last := s.Heard(); via != exchange.MQTT || time.Since(last) > 45*time.Second {
			t.Errorf("entries come by %v, last heard %v ago", via, time.Since(last))
		}
		c.arrived = nil
		for range 10 {
			c.update()
			time.Sleep(7 * time.Second)
		}
		synctest.Wait()
		if len(c.arrived) != 10 || slices.Max(c.arrived) > time.Second {
			t.Errorf("%d were shown, after %v", len(c.arrived), c.arrived)
		}
		cancel()
		<-done
		closeAll(t, s)
	})
}
