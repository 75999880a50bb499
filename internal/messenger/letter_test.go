package messenger_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/letter"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/record"
)

// letterBy is a letter by somebody to somebody, of a room at the relay of the members.
func (x *members) letterBy(from, to record.Identity, at time.Time) letter.Letter {
	x.t.Helper()
	s, err := letter.Seal(from, publickey.Of(to), invite.Invitation{
		Relay: x.server.URL, Channel: 7, Fields: []int{1}, Profile: passphrase.Fernpost(), Name: "club", Keys: []fernet.Key{fernet.GenerateKey()},
	}, at)
	if err != nil {
		x.t.Fatal(err)
	}
	l, err := s.Open(to)
	if err != nil {
		x.t.Fatal(err)
	}
	return l
}

// Whose letter counts was known to the command line alone, so that another face would have followed a stranger's.
func TestALetterCountsByWhoseKeyIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, bo := x.join("ana"), x.join("bo")
		identity := func(m *member) record.Identity {
			id, _, err := m.engine.Identity(m.settings())
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		stranger, to := record.GenerateIdentity(), identity(ana)
		judge := func(from record.Identity, wanted record.PublicKey) (messenger.JudgedLetter, error) {
			j, missed, err := ana.engine.JudgeLetter(x.letterBy(from, to, time.Now()), wanted)
			if missed != nil {
				t.Error(missed)
			}
			return j, err
		}
		is := func(from record.Identity, want messenger.Credit) {
			t.Helper()
			j, err := judge(from, record.PublicKey{})
			counts := want == messenger.CreditCompared || want == messenger.CreditOwn
			if err != nil || j.Credit != want || j.Credit.Counts() != counts {
				t.Errorf("it is %s, counts %t, %v; want %s", j.Credit, j.Credit.Counts(), err, want)
			}
			if err := j.MayFollow(false); errors.Is(err, messenger.ErrStranger) == counts {
				t.Errorf("of %s: followed unasked says %v", want, err)
			}
			if err := j.MayFollow(true); err != nil {
				t.Errorf("of %s: where somebody compares the words: %v", want, err)
			}
		}
		is(stranger, messenger.CreditUnknown)
		bo.say("hello")
		ana.reads()
		is(identity(bo), messenger.CreditKnown)
		ana.compare(bo)
		is(identity(bo), messenger.CreditCompared)
		is(to, messenger.CreditOwn)
		ana.loses(bo.key())
		is(identity(bo), messenger.CreditKnown)

		if j, err := judge(stranger, stranger.Public()); err != nil || j.Credit != messenger.CreditNamed || j.MayFollow(false) != nil {
			t.Errorf("a stranger who is named: %s, %v", j.Credit, err)
		}
		if _, err := judge(stranger, bo.key()); !errors.Is(err, messenger.ErrOtherSigner) {
			t.Errorf("by another one than was named: %v", err)
		}
	})
}

func TestAnOldLetterIsToldFromANewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana := x.join("ana")
		to, _, err := ana.engine.Identity(ana.settings())
		if err != nil {
			t.Fatal(err)
		}
		l := x.letterBy(record.GenerateIdentity(), to, time.Now())
		for _, c := range []struct {
			wait time.Duration
			old  bool
		}{{0, false}, {29 * 24 * time.Hour, false}, {2 * 24 * time.Hour, true}} {
			time.Sleep(c.wait)
			if j, _, err := ana.engine.JudgeLetter(l, record.PublicKey{}); j.Old != c.old || err != nil {
				t.Errorf("after %v more: old %t, %v", c.wait, j.Old, err)
			}
		}
	})
}

// A letter that leads to the inviter's own machine leads nobody else anywhere.
func TestALetterLeadsToWhereItWasFound(t *testing.T) {
	for name, c := range map[string]struct {
		written, relay string
		elsewhere      bool
	}{
		"the inviter's own address": {"http://127.0.0.1:3000", "https://relay.example", false},
		"the same":                  {"https://relay.example", "https://relay.example/", false},
		"another relay":             {"https://other.example", "https://other.example.org", true},
	} {
		l := messenger.FoundLetter{Letter: letter.Letter{Invitation: invite.Invitation{Relay: c.written}}}
		i, elsewhere := l.Lead(c.relay, "READKEY")
		want := c.written
		if name == "the inviter's own address" {
			want = c.relay
		}
		if i.Relay != want || elsewhere != c.elsewhere || i.ReadKey != "READKEY" {
			t.Errorf("%s: to %s with the read key %q, elsewhere %t", name, i.Relay, i.ReadKey, elsewhere)
		}
	}
}
