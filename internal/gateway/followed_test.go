package gateway

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// refusing is a relay that refuses whoever reads: after a minute the room is not followed any more.
func refusing() relaytest.Fault {
	return relaytest.On("/channels/", relaytest.Answer(http.StatusUnauthorized, "application/json", "-1"))
}

// What is in the outbox is not refused, whatever becomes of the wait: whoever hears of a refusal sends it twice.
func TestAMessageThatIsQueuedIsNotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		x.must(nil, "GET", "/rooms/lab/messages?consumer=bot", "")
		x.server.Inject(relaytest.On("update", relaytest.LoseRequest()))
		token, grant, err := x.grants.Add(Grant{Token: true, Scopes: []Scope{Write}})
		if err != nil {
			t.Fatal(err)
		}
		x.token = token
		var waiting sync.WaitGroup
		waiting.Go(func() {
			var sent sentAnswer
			if status, answer := x.ask(&sent, "POST", "/rooms/lab/messages?wait=1m", `{"text":"hello"}`); status != 202 || sent.Number == 0 {
				t.Errorf("%d %s", status, answer)
			}
		})
		time.Sleep(5 * time.Second)
		if _, err := x.grants.Revoke(grant.ID, true); err != nil {
			t.Error(err)
		}
		waiting.Wait()
	})
}

// A message is posted without another one being sent, once its room is followed anew.
func TestWhatWaitsIsPostedWhenTheRoomIsFollowedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		x.must(nil, "GET", "/rooms/lab/messages?consumer=bot", "")
		x.server.Inject(refusing())
		x.must(nil, "POST", "/rooms/lab/messages", `{"text":"hello"}`)
		time.Sleep(5 * time.Minute)
		if status, _ := x.ask(nil, "POST", "/rooms/lab/messages", `{"text":"not taken"}`); status != 503 {
			t.Errorf("while the relay refuses: %d", status)
		}
		x.server.Inject(nil)
		time.Sleep(10 * time.Minute)
		var got messagesAnswer
		if x.must(&got, "GET", "/rooms/lab/messages", ""); len(got.Messages) != 1 || *got.Messages[0].State != "accepted" {
			t.Errorf("%+v", got.Messages)
		}
	})
}

// A short outage after a long one does not keep the room away for as long as the long one did.
func TestARoomThatCameBackIsSoonFollowedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		x.must(nil, "GET", "/rooms/lab/messages?consumer=bot", "")
		x.server.Inject(refusing())
		time.Sleep(time.Hour)
		x.server.Inject(nil)
		time.Sleep(longestPause)
		x.server.Inject(refusing())
		for status := 0; status != 503; status, _ = x.ask(nil, "POST", "/rooms/lab/messages", `{"text":"not taken"}`) {
			time.Sleep(time.Second)
		}
		x.server.Inject(nil)
		time.Sleep(2 * firstPause)
		x.must(nil, "POST", "/rooms/lab/messages", `{"text":"hello"}`)
	})
}

// A request that waits goes on when the room's settings change, and what is new about them holds.
func TestAWaitGoesOnWhenTheSettingsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		x.must(nil, "GET", "/rooms/lab/messages?consumer=bot", "")
		var waiting sync.WaitGroup
		waiting.Go(func() {
			var got messagesAnswer
			if status, answer := x.ask(&got, "GET", "/rooms/lab/messages?consumer=bot&wait=1m", ""); status != 200 || texts(&got) != "hello" {
				t.Errorf("%d %s", status, answer)
			}
		})
		time.Sleep(5 * time.Second)
		before, err := x.followed.get("lab")
		if err != nil {
			t.Fatal(err)
		}
		if x.room, err = x.followed.engine.Update("lab", func(r *model.Room) error {
			r.Keys = append([]model.Secret{model.Secret(fernet.GenerateKey().Reveal())}, r.Keys...)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		x.must(nil, "GET", "/rooms/lab/consumers", "")
		if now, err := x.followed.get("lab"); err != nil || now == before || before.over() == nil {
			t.Errorf("it is followed with the settings that it had, %v", err)
		}
		x.bo(record.Text("hello"))
		waiting.Wait()
	})
}

// A room that is removed is not followed any more, whether or not somebody asks for it, and one that is renamed only once.
func TestARoomThatIsGoneIsNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		x.must(nil, "GET", "/rooms/lab/messages?consumer=bot", "")
		renamed, err := x.followed.engine.Rename(x.room, "den")
		if err != nil {
			t.Fatal(err)
		}
		x.must(nil, "GET", "/rooms/den/consumers", "")
		time.Sleep(recently)
		if status, answer := x.ask(nil, "GET", "/rooms/lab/consumers", ""); status != 404 {
			t.Errorf("by its former name: %d %s", status, answer)
		}
		followed := func() (n int) {
			for _, place := range x.followed.slots {
				if place.room != nil {
					n++
				}
			}
			return n
		}
		if followed() != 1 {
			t.Errorf("%d rooms are followed", followed())
		}
		one, err := x.followed.get("den")
		if err != nil {
			t.Fatal(err)
		}
		if err := x.followed.engine.Remove(t.Context(), renamed); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if one.over() == nil || followed() != 0 {
			t.Errorf("a room that was removed is followed: %v", one.over())
		}
	})
}

// A room that is opened or closed slowly holds up no other one, nor the end.
func TestASlowRoomHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost")
		attic := x.room
		attic.Name = "attic"
		if err := x.followed.engine.Add(attic); err != nil {
			t.Fatal(err)
		}
		slow, err := x.followed.slot("attic")
		if err != nil {
			t.Fatal(err)
		}
		slow.mu.Lock()
		ended := make(chan string)
		go func() {
			_, err := x.followed.get("attic")
			ended <- fmt.Sprint(err)
		}()
		x.must(nil, "GET", "/rooms/lab/messages?consumer=bot", "")
		x.followed.end()
		slow.mu.Unlock()
		if got := <-ended; got != errEnding.Error() {
			t.Errorf("what is opened too late: %s", got)
		}
	})
}
