package room_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// A room that moves to a new key: who has it reads on, who lacks it is told what to do and reads on once it is there.
func TestKeyMoved(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("old")
	bo.look()
	next := fernet.GenerateKey()
	if _, err := ana.Write(record.KeyMoved{Key: record.KeyID(next.ID())}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := ana.Write(record.Text("still old"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := ana.Drop(3, false, time.Now()); err != nil { // signed anew under its own key
		t.Fatal(err)
	}
	ana.o.Keys = []fernet.Key{next, h.key}
	ana = ana.again(h)
	ana.say("new")
	got := bo.look()
	want := []string{"ana: old", movedByAna, "ana: heartbeat"}
	if d := cmp.Diff(want, bo.history()); d != "" {
		t.Error(d)
	}
	if got.NotOurs != 1 {
		t.Errorf("%d not ours, want 1", got.NotOurs)
	}
	if again := bo.again(h).look(); again.NotOurs != 0 {
		t.Errorf("%d not ours once more", again.NotOurs)
	}
	bo.o.Keys = []fernet.Key{next, h.key}
	bo = bo.again(h)
	if d := cmp.Diff([]string{"ana: new"}, lines(bo.look().Items)); d != "" {
		t.Error(d)
	}
	if got := bo.look(); got.Fresh > 0 {
		t.Errorf("%d messages once more", got.Fresh)
	}
	if d := cmp.Diff([]string{"ana: old", "ana: key moved", "ana: heartbeat", "ana: new"}, bo.history()); d != "" {
		t.Error(d)
	}
	bo.say("thanks")
	ana.look()
	bo.say("really")
	if d := cmp.Diff([]string{"bo: really"}, lines(ana.look().Items)); d != "" {
		t.Error(d)
	}
}

// Trust belongs to keys: what was compared, what was forgotten, and who has a name then.
func TestPeople(t *testing.T) {
	h := newHall(t)
	ana, bo, eve := h.join(1, "ana"), h.join(2, "bo"), h.join(3, "ana")
	ana.say("I am ana")
	eve.say("no, I am")
	bo.look()
	people := func() (all []string) {
		t.Helper()
		found, err := bo.People()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found {
			all = append(all, fmt.Sprint(p.Name, " ", p.Compared, p.Nameless, p.Names))
		}
		slices.Sort(all)
		return all
	}
	key, other := ana.o.Identity.Public(), eve.o.Identity.Public()
	if err := bo.Verified(key, time.Now()); err != nil {
		t.Fatal(err)
	}
	want := []string{"ana (" + other.Tag().Name() + ") false false []", "ana true false [ana]"}
	if d := cmp.Diff(want, people()); d != "" {
		t.Error(d)
	}
	if _, err := bo.Forget(key, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := bo.Forget(bo.o.Identity.Public(), time.Now()); !errors.Is(err, model.ErrNobody) {
		t.Errorf("Forget = %v, want ErrNobody", err)
	}
	// The name goes to whoever else has used it, and stays there.
	want = []string{"ana (" + key.Tag().Name() + ") false true []", "ana false false [ana]"}
	for _, say := range []func(){func() {}, func() { ana.say("it is me again") }, func() { eve.say("now I am") }} {
		say()
		bo.look()
		if d := cmp.Diff(want, people()); d != "" {
			t.Error(d)
		}
	}
	if _, err := bo.Forget(other, time.Now()); err != nil {
		t.Fatal(err)
	}
	ana.say("and now?")
	bo.look()
	want = []string{"ana (" + other.Tag().Name() + ") false true []", "ana (" + key.Tag().Name() + ") false true []"}
	slices.Sort(want)
	if d := cmp.Diff(want, people()); d != "" {
		t.Error(d)
	}
}

// Whoever took a name first kept it, or had it again once it was forgotten, against the key that was compared.
func TestAComparedKeyTakesItsName(t *testing.T) {
	for _, forget := range []bool{false, true} {
		h := newHall(t)
		eve, ana, bo := h.join(1, "ana"), h.join(2, "ana"), h.join(3, "bo")
		eve.say("I am ana")
		ana.say("no, I am")
		bo.look()
		key, other := ana.o.Identity.Public(), eve.o.Identity.Public()
		err := bo.Verified(key, time.Now())
		if forget {
			_, failed := bo.Forget(other, time.Now())
			err = errors.Join(err, failed)
		}
		if err != nil {
			t.Fatal(err)
		}
		eve.say("now I am")
		ana.say("you are not")
		bo.look()
		found, _, err := bo.Standing()
		if err != nil {
			t.Fatal(err)
		}
		people, err := bo.People()
		if err != nil {
			t.Fatal(err)
		}
		names := map[record.PublicKey]string{}
		for _, p := range people {
			names[p.Key] = p.Name
		}
		if names[key] != "ana" || names[other] != "ana ("+other.Tag().Name()+")" {
			t.Errorf("forgotten %t: called %q", forget, names)
		}
		want := []string{"another ana (" + other.Tag().Name() + "), not the one whose words you have compared"}
		if d := cmp.Diff(want, told(found)); d != "" {
			t.Errorf("forgotten %t: stands (-want +got)\n%s", forget, d)
		}
	}
}

// A name that was let go of went to whoever had used it first, before the key that was compared under it; and one that was
// compared under another name must not have it before others.
func TestANameGoesToTheKeyThatWasComparedUnderIt(t *testing.T) {
	for name, compared := range map[string][]int{"ana's new phone": {0, 3}, "nobody": {0}, "mal as mal": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t)
			bo := h.join(9, "bo")
			old, mal, eve, ana := h.join(1, "ana"), h.join(2, "mal"), h.join(3, "ana"), h.join(4, "ana")
			all := []*member{old, mal, eve, ana}
			for _, m := range all {
				m.say("hello")
			}
			bo.look()
			for _, n := range compared {
				if err := bo.Verified(all[n].o.Identity.Public(), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			mal.o.Nick = "ana"
			mal = mal.again(h)
			mal.say("call me so")
			bo.look()
			heirs, err := bo.Forget(old.o.Identity.Public(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			heir := eve
			if name == "ana's new phone" {
				heir = ana
			}
			want := []record.Named{{Key: heir.o.Identity.Public(), Name: "ana"}}
			if d := cmp.Diff(want, heirs); d != "" {
				t.Errorf("heirs (-want +got)\n%s", d)
			}
		})
	}
}

// Who writes is who has signed something in the last ten minutes, by the relay's clock, and we.
func TestWriters(t *testing.T) {
	h := newHall(t)
	ana, bo, carl := h.join(1, "ana"), h.join(2, "bo"), h.join(3, "carl")
	ana.say("hello")
	ana.say("again")
	bo.say("hello")
	h.insider().post([]byte("unsigned"))
	carl.look()
	for after, want := range map[time.Duration]int{0: 3, 9 * time.Minute: 3, 11 * time.Minute: 1} {
		if n := carl.Writers(time.Now().Add(after)); n != want {
			t.Errorf("%d write after %v; want %d", n, after, want)
		}
	}
	if n := bo.Writers(time.Time{}); n < 1 || n > 2 {
		t.Errorf("%d write, of whom at most one other was read", n)
	}
}

// A page had the key of a lost device count as compared, since it had a rule of its own for those who have invited.
func TestWhoHasInvitedCountsAsCompared(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("hello")
	bo.say("hello")
	var introduced []string
	for seed := byte(1); seed < 4; seed++ { // of the third nothing was read
		introduced = append(introduced, record.NewIdentity([record.KeySize]byte{seed}).Public().String())
	}
	o := h.options(4, "carl")
	o.Lost = func(key record.PublicKey) bool { return key == bo.Own() }
	carl := h.enter(o, t.TempDir())
	carl.look()
	settled, err := carl.Vouch(introduced, time.Now())
	slices.Sort(settled)
	if want := slices.Sorted(slices.Values(introduced[:2])); err != nil || !slices.Equal(settled, want) {
		t.Errorf("settled are %v, %v; want %v", settled, err, want)
	}
	people, err := carl.People()
	if err != nil || len(people) != 2 {
		t.Fatal(people, err)
	}
	for _, p := range people {
		if p.Compared != (p.Key == ana.Own()) {
			t.Errorf("%s is compared: %t", p.Name, p.Compared)
		}
	}
	var standings []model.Standing
	if err := carl.History(0, func(it *model.Item) error {
		standings = append(standings, it.Standing)
		return nil
	}); err != nil || !slices.Equal(standings, []model.Standing{model.Verified, model.Lost}) {
		t.Errorf("the messages are by somebody %q, %v", standings, err)
	}
	if author, _, err := carl.archive.Author(bo.Own()); err != nil || author.Compared {
		t.Errorf("the key of the lost device was noted as compared: %t, %v", author.Compared, err)
	}
}
