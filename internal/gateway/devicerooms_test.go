package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	access "github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

var errKilled = errors.New("killed")

// A gateway that was killed after it had put readings into the outbox, and before it had noted that, puts them there again when it is
// back: the room has each once all the same, posted meanwhile or not, although many say the same in the same second.
func TestReadingsOfAGatewayAreSentOnce(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newHouse(t, profile)
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
					rooms := x.deviceRooms() // a process
					until := min(readings, noted+1+random.IntN(6))
					err := rooms.deliver(t.Context(), "lab", "door", func(put func(*thingspeak.Entry) error) error {
						for i := noted; i < until; i++ {
							e := &thingspeak.Entry{ID: int64(i)*1000 + 1, CreatedAt: second, Fields: thingspeak.Fields{thingspeak.Text(said[i])}}
							if err := errors.Join(rooms.check("lab", e), put(e)); err != nil {
								t.Fatal(err)
							}
						}
						return []error{nil, errKilled}[random.IntN(2)] // then nothing is posted
					})
					if err != nil && !errors.Is(err, errKilled) {
						t.Error(err)
					}
					if random.IntN(2) == 0 { // otherwise it was killed
						noted = until
					}
				}
				all := func(func(*thingspeak.Entry) error) error { return nil }
				if err := x.deviceRooms().deliver(t.Context(), "lab", "door", all); err != nil {
					t.Error(err)
				}
				shown := map[string]int{}
				for _, e := range x.readings() {
					shown[e.Fields[0].Text]++
				}
				if d := cmp.Diff(sent, shown); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

// Four devices that post every 15 s into one room keep up with a cloud of one entry in 15 s, since readings that wait share entries;
// and what that pace costs is said.
func TestFourDevicesKeepUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "fernpost", relaytest.Interval(15*time.Second))
		if _, err := x.followed.engine.Update("lab", func(r *model.Room) error { r.Interval = "15s"; return nil }); err != nil {
			t.Fatal(err)
		}
		rooms := x.deviceRooms()
		paces := rooms.paces(t.Context(), []Grant{
			{Room: "lab", RoomID: "lab", Scopes: []Scope{Write}},
			{Room: "lab", RoomID: "lab", Scopes: []Scope{Write}},
			{Room: "gone", RoomID: "gone", Scopes: []Scope{Write}},
		})
		if len(paces) != 1 || paces[0].Room != "lab" || paces[0].Interval != 15*time.Second || paces[0].Entries != 5760 {
			t.Errorf("paces %v", paces)
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
			err := rooms.deliver(t.Context(), "lab", "door", func(put func(*thingspeak.Entry) error) error {
				for _, e := range those {
					if err := put(e); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			done += len(those)
		}
		if took := time.Since(began); took > (rounds+2)*15*time.Second || most > 8 {
			t.Errorf("%d readings took %v, and up to %d waited", 4*rounds, took, most)
		}
		if n := len(x.readings()); n != 4*rounds {
			t.Errorf("%d readings came of %d", n, 4*rounds)
		}
	})
}

// What a room cannot carry is refused at the door, in words, and not put into its outbox.
func TestReadingsThatARoomCannotCarry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "tutorial")
		if _, err := x.followed.engine.Update("lab", func(r *model.Room) error { r.Fields = []int{1}; return nil }); err != nil {
			t.Fatal(err)
		}
		rooms := x.deviceRooms()
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
			if err := rooms.check("lab", e); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want that it %s", err, says)
			}
		}
		for _, e := range []*thingspeak.Entry{old, late} {
			if err := rooms.check("lab", e); !errors.Is(err, record.ErrClock) {
				t.Errorf("a reading of %v: %v", e.CreatedAt, err)
			}
		}
		if err := rooms.check("lab", text(1, "1")); err != nil {
			t.Error(err)
		}
	})
}

// TestARelayThatBecomesTheGatewayItself: a room whose relay was changed to the gateway's own address, while that served, was posted to
// the gateway, which took it for readings again. Nothing is asked for its name: it may have come by a proxy.
func TestARelayThatBecomesTheGatewayItself(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			self, home := NewSelf(), t.TempDir()
			engine := newEngine(home, access.Access{Timeout: testenv.Patience, Mind: self.Mind})
			room := model.Room{
				Name: "lab", Relay: relaytest.New(t).URL, Channel: 1, WriteKey: "AAAABBBBCCCCDDDD", Fields: []int{1}, Interval: "0s", Profile: profile,
				Keys: []model.Secret{model.Secret(fernet.GenerateKey().Reveal())},
			}
			if err := engine.Add(room); err != nil {
				t.Fatal(err)
			}
			g, err := Start(t.Context(), Options{
				Listen: "127.0.0.1:0", Home: filepath.Join(home, "gateway"), Engine: engine, Pace: testPace, Self: self,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer (&running{Running: g}).stop(t)
			if _, err := engine.Update("lab", func(r *model.Room) error { r.Relay = g.URL(); return nil }); err != nil {
				t.Fatal(err)
			}
			e := &thingspeak.Entry{ID: 1, CreatedAt: time.Unix(time.Now().Unix(), 0), Fields: thingspeak.Fields{thingspeak.Text("1")}}
			one := func(put func(*thingspeak.Entry) error) error { return put(e) }
			err = newDeviceRooms(engine, nil).deliver(t.Context(), "lab", "door", one)
			if err == nil || !strings.Contains(err.Error(), "leads back to this gateway") {
				t.Errorf("posting to itself ends with %v", err)
			}
		})
	}
}

// deviceRooms are the rooms of a process that is started now.
func (x *house) deviceRooms() *deviceRooms {
	d := newDeviceRooms(x.engine(x.home), x.followed)
	x.t.Cleanup(func() {
		if err := d.close(); err != nil {
			x.t.Error(err)
		}
	})
	return d
}

// readings are those that are in the room.
func (x *house) readings() (all []thingspeak.Entry) {
	x.t.Helper()
	r, err := x.engine(x.t.TempDir()).Open(x.room, messenger.Face{})
	if err != nil {
		x.t.Fatal(err)
	}
	_, err = r.Read(x.t.Context())
	var n news
	err = errors.Join(err, r.History(0, func(it *model.Item) error {
		n.add(it)
		return nil
	}), r.Close())
	if err != nil {
		x.t.Fatal(err)
	}
	for i := range n.arrivals {
		all = append(all, n.arrivals[i].entry)
	}
	return all
}

// TestAGatewayReadsAtThePaceThatIsSet: whatever --poll-min and --poll-max said, rooms whose readings are read at the door were asked for
// every 2 to 30 seconds.
func TestAGatewayReadsAtThePaceThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(t, "tutorial")
		x.server.Inject(relaytest.On("/stream", relaytest.Answer(404, "text/plain", "there is none")))
		asked := func(pace Pace) int {
			followed := newFollowedRooms(x.engine(t.TempDir()), pace, discard)
			x.server.Requests()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
			defer cancel()
			err := newDeviceRooms(followed.engine, followed).follow(ctx, "lab", "door", func(*news) error { return nil })
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it ends with %v", err)
			}
			if err := followed.close(); err != nil {
				t.Error(err)
			}
			return len(x.server.Requests())
		}
		often, seldom := asked(Pace{time.Minute, time.Minute}), asked(Pace{time.Hour, time.Hour})
		if often < 10*60/2 || often > 10*60*4 || seldom > 10*4 {
			t.Errorf("in 10 hours it is asked %d times each minute, and %d times each hour", often, seldom)
		}
	})
}

// What is in a room is told from its first message on, in the order of the feed, and each once, over a start and new settings; who writes
// there before all else.
func TestWhatIsInARoomIsToldOnce(t *testing.T) {
	for _, profile := range []string{"fernpost", "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newHouse(t, profile)
				x.bo(reading("1"), reading("2"))
				var got []string
				follow := func() (end func()) {
					ctx, cancel := context.WithCancel(t.Context())
					var following sync.WaitGroup
					first := true
					following.Go(func() {
						err := newDeviceRooms(x.followed.engine, x.followed).follow(ctx, "lab", "door", func(n *news) error {
							if first && n.authors == nil {
								t.Error("nobody is told of first")
							}
							first = false
							for i := range n.arrivals {
								got = append(got, n.arrivals[i].entry.Fields[0].Text)
							}
							return nil
						})
						if !errors.Is(err, context.Canceled) {
							t.Error(err)
						}
					})
					time.Sleep(time.Minute)
					return func() {
						cancel()
						following.Wait()
					}
				}
				end := follow()
				x.bo(reading("3"))
				if _, err := x.followed.engine.Update("lab", func(r *model.Room) error {
					r.Keys = append([]model.Secret{model.Secret(fernet.GenerateKey().Reveal())}, r.Keys...)
					x.room = *r
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				x.bo(reading("4"))
				time.Sleep(time.Minute)
				end()
				x.bo(reading("5"))
				x.restart()
				follow()()
				if want := "1 2 3 4 5"; strings.Join(got, " ") != want {
					t.Errorf("%q was told, want %q", got, want)
				}
			})
		})
	}
}
