package room_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// Of two who call themselves ana one is shown as "ana (~3f9a12cd)", and was found under "ana" all the same, where the other had not
// written or was forgotten: a consent, a letter or a comparison went to whoever had taken the name.
func TestANameMeansOnlyWhoIsShownUnderIt(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	nicks := []string{"ana", "Ana", "bo", "an a", ""}
	server := newHall(t).relay
	for range 8 {
		h := hallOf(t, server)
		reader := h.join(100, "me")
		var members []*member
		for n := range 5 {
			m := h.join(byte(n+1), nicks[random.IntN(len(nicks))])
			members = append(members, m)
			m.say("hello")
		}
		reader.look()
		for range 6 {
			m, other := members[random.IntN(len(members))], members[random.IntN(len(members))]
			key := m.o.Identity.Public()
			var err error
			switch random.IntN(4) {
			case 0:
				err = reader.Verified(key, time.Now())
			case 1:
				_, err = reader.Forget(key, time.Now())
			case 2:
				m.o.Nick = nicks[random.IntN(len(nicks))]
				*m = *m.again(h)
				m.say("called otherwise")
			default:
				if author := other.o.Identity.Public(); author != key {
					device := record.Device{Key: key, Proof: m.o.Identity.ProveDevice(salt, author)}
					if _, err = other.Write(device, time.Now()); err == nil {
						other.deliver()
					}
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			reader.look()
			namesMeanWhomTheyShow(t, reader, nicks)
		}
	}
}

func namesMeanWhomTheyShow(t *testing.T, reader *member, nicks []string) {
	t.Helper()
	people, err := reader.People()
	if err != nil {
		t.Fatal(err)
	}
	typed := nicks
	for _, p := range people {
		for _, who := range []string{p.Name, p.Tagged(), p.Key.Tag().Name(), p.Key.Tag().String(), p.Key.String()} {
			got, err := model.Called(people, who)
			refused, isWho := errors.AsType[*model.WhoError](err)
			if err == nil && got.Key != p.Key || err != nil && (!isWho || refused.Called < 2) {
				t.Errorf("%q, which means %s, means %s, %v", who, p.Key.Tag(), got.Key.Tag(), err)
			}
		}
		typed = append(typed, p.Nick, strings.ToLower(p.Name), p.Name+" ", p.Nick+"'s "+p.Nick)
	}
	for _, who := range typed {
		if got, err := model.Called(people, who); err == nil && got.Name != who {
			t.Errorf("%q means who is shown as %q", who, got.Name)
		}
	}
}

// Who typed the name that somebody gives themselves heard that there is nobody, or got somebody else; now what to type.
func TestWhoIsShownOtherwiseIsSaid(t *testing.T) {
	h := newHall(t)
	ana, eve, bo := h.join(1, "ana"), h.join(2, "ana"), h.join(3, "bo")
	ana.say("I am ana")
	eve.say("no, I am")
	bo.look()
	key := ana.o.Identity.Public()
	if _, err := bo.Forget(key, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := bo.Forget(eve.o.Identity.Public(), time.Now()); err != nil {
		t.Fatal(err)
	}
	people, err := bo.People()
	if err != nil {
		t.Fatal(err)
	}
	_, err = model.Called(people, "ana")
	who, ok := errors.AsType[*model.WhoError](err)
	if !ok || who.Called != 0 || len(who.Otherwise) != 2 || !strings.Contains(err.Error(), "2 may be meant") {
		t.Errorf("of two who are shown with their tags: %v", err)
	}
	if p, err := model.Called(people, "ana ("+key.Tag().Name()+")"); err != nil || p.Key != key {
		t.Errorf("as it is shown: %v", err)
	}
}
