package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/gateway"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// A gateway that was killed after it had put readings into the outbox, and before it had noted that, puts them there again when it is
// back: the room has each once all the same, posted meanwhile or not, although many say the same in the same second.
func TestReadingsOfAGatewayAreSentOnce(t *testing.T) {
	for _, profile := range []string{quickSigned, "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ana := newClass(t, relaytest.InBubble(t, relaytest.Interval(0))).device("127.0.0.1")
				ana.makeRoom(profile)
				a := ana.app()
				a.config, a.timeout = config.Default(), time.Minute
				random := rand.New(rand.NewPCG(1, 2))
				second := time.Unix(time.Now().Unix(), 0).UTC()
				const readings = 40
				sent := map[string]int{}
				said := make([]string, readings)
				for i := range said {
					said[i] = []string{"same", "same", "same", fmt.Sprint("other", i)}[random.IntN(4)]
					sent[said[i]]++
				}
				for noted := 0; noted < readings; {
					rooms := a.gatewayRooms(gateway.NewSelf()) // a process
					box, err := rooms.Outbox("lab", "door")
					if err != nil {
						t.Fatal(err)
					}
					until := min(readings, noted+1+random.IntN(6))
					for i := noted; i < until; i++ {
						e := &thingspeak.Entry{ID: int64(i)*1000 + 1, CreatedAt: second, Fields: thingspeak.Fields{thingspeak.Text(said[i])}}
						if err := rooms.Check("lab", e); err != nil {
							t.Error(err)
						}
						if err := box.Queue(t.Context(), e); err != nil {
							t.Fatal(err)
						}
					}
					if random.IntN(2) == 0 {
						if err := box.Post(t.Context()); err != nil {
							t.Error(err)
						}
					}
					if err := box.Close(); err != nil {
						t.Error(err)
					}
					if random.IntN(2) == 0 { // otherwise it was killed
						noted = until
					}
				}
				box, err := a.gatewayRooms(gateway.NewSelf()).Outbox("lab", "door")
				if err == nil {
					err = errors.Join(box.Post(t.Context()), box.Close())
				}
				if err != nil {
					t.Error(err)
				}
				ana.must("recv", "-n", "0")
				shown := ana.stdout.String()
				for value, want := range sent {
					if n := len(regexp.MustCompile(`\b`+value+`\b`).FindAllString(shown, -1)); n != want {
						t.Errorf("%s is there %d times, want %d", value, n, want)
					}
				}
				if t.Failed() {
					t.Log(shown)
				}
			})
		})
	}
}

// Four devices that post every 15 s into one room keep up with a cloud of one entry in 15 s, since readings that wait share entries;
// and what that pace costs is said.
func TestFourDevicesKeepUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t, relaytest.Interval(15*time.Second))
		ana := newClass(t, relay).device("127.0.0.1")
		channel := ana.makeRoom(quickSigned, "--interval", "15s")
		a := ana.app()
		a.config, a.timeout = config.Default(), time.Minute
		rooms := a.gatewayRooms(gateway.NewSelf())

		paces := rooms.paces(t.Context(), []gateway.Grant{
			{Room: "lab", Lasting: "lab", Channel: channel, Scopes: []gateway.Scope{gateway.Write}},
			{Room: "lab", Lasting: "lab", Channel: channel, Scopes: []gateway.Scope{gateway.Write}},
			{Room: "gone", Scopes: []gateway.Scope{gateway.Write}},
		})
		if len(paces) != 1 || !strings.HasPrefix(paces[0], "room lab: an entry every 15s at most") || !strings.Contains(paces[0], ": 5760 a day") {
			t.Errorf("paces %q", paces)
		}

		const rounds = 40
		var mu sync.Mutex
		var waiting []*thingspeak.Entry
		most, taken := 0, int64(0)
		for device := range 4 {
			go func() {
				time.Sleep(time.Duration(device) * 1300 * time.Millisecond)
				for i := range rounds {
					e := &thingspeak.Entry{CreatedAt: time.Unix(time.Now().Unix(), 0).UTC()}
					e.Fields[2*device] = thingspeak.Text(fmt.Sprint(20 + device))
					e.Fields[2*device+1] = thingspeak.Text(fmt.Sprint(i))
					mu.Lock()
					taken++
					e.ID = taken
					waiting = append(waiting, e)
					most = max(most, len(waiting))
					mu.Unlock()
					time.Sleep(15 * time.Second)
				}
			}()
		}
		began := time.Now()
		for done := 0; done < 4*rounds; {
			mu.Lock()
			those := waiting
			waiting = nil
			mu.Unlock()
			if len(those) == 0 {
				time.Sleep(100 * time.Millisecond)
				continue
			}
			box, err := rooms.Outbox("lab", "door")
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range those {
				if err := box.Queue(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(box.Post(t.Context()), box.Close()); err != nil {
				t.Fatal(err)
			}
			done += len(those)
		}
		if took := time.Since(began); took > (rounds+2)*15*time.Second || most > 8 {
			t.Errorf("%d readings took %v, and up to %d waited", 4*rounds, took, most)
		}
		ana.must("recv", "--format", "csv", "-n", "0")
		if n := strings.Count(ana.stdout.String(), "\n") - 1; n != 4*rounds {
			t.Errorf("%d readings came of %d", n, 4*rounds)
		}
	})
}

// What a room cannot carry is refused at the door, in words, and not put into its outbox.
func TestReadingsThatARoomCannotCarry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ana := newClass(t, relaytest.InBubble(t)).device("127.0.0.1")
		ana.makeRoom("tutorial")
		a := ana.app()
		a.config, a.timeout = config.Default(), time.Minute
		rooms := a.gatewayRooms(gateway.NewSelf())
		text := func(field int, s string) *thingspeak.Entry {
			e := &thingspeak.Entry{CreatedAt: time.Now()}
			e.Fields[field-1] = thingspeak.Text(s)
			return e
		}
		old := text(1, "1")
		old.CreatedAt = time.Unix(-1, 0)
		late := text(1, "1")
		late.CreatedAt = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
		for says, e := range map[string]*thingspeak.Entry{
			"not to field 2": text(2, "1"), "at most 127": text(1, strings.Repeat("1", 128)), "is empty": {CreatedAt: time.Now()},
		} {
			if err := rooms.Check("lab", e); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want that it %s", err, says)
			}
		}
		for _, e := range []*thingspeak.Entry{old, late} {
			if err := rooms.Check("lab", e); !errors.Is(err, record.ErrClock) {
				t.Errorf("a reading of %v: %v", e.CreatedAt, err)
			}
		}
		if err := rooms.Check("lab", text(1, "1")); err != nil {
			t.Error(err)
		}
	})
}

// TestARelayThatBecomesTheGatewayItself: a room whose relay was changed to the gateway's own address, while that served, was posted to
// the gateway, which took it for readings again. Nothing is asked for its name: it may have come by a proxy.
func TestARelayThatBecomesTheGatewayItself(t *testing.T) {
	for _, profile := range []string{quickSigned, "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			ana := newDevice(t, relaytest.New(t))
			ana.makeRoom(profile)
			a := ana.app()
			a.config, a.timeout = config.Default(), time.Minute
			self := gateway.NewSelf()
			rooms := a.gatewayRooms(self)
			g, err := gateway.Start(t.Context(), gateway.Options{Listen: "127.0.0.1:0", Home: t.TempDir(), Rooms: rooms, Self: self})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := g.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			if _, err := rooms.engine.Update("lab", func(r *model.Room) error { r.Relay = g.URL(); return nil }); err != nil {
				t.Fatal(err)
			}
			box, err := rooms.Outbox("lab", "door")
			if err != nil {
				t.Fatal(err)
			}
			defer box.Close()
			e := &thingspeak.Entry{ID: 1, CreatedAt: time.Unix(time.Now().Unix(), 0), Fields: thingspeak.Fields{thingspeak.Text("1")}}
			if err := box.Queue(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if err := box.Post(t.Context()); err == nil || !strings.Contains(err.Error(), "leads back to this gateway") {
				t.Errorf("posting to itself ends with %v", err)
			}
		})
	}
}
