package messenger_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
)

// accepts has a member take the invitation of another one, and returns what was said, asked and done, in its order.
func (m *member) accepts(by *member, as string, answer error) (steps []string, err error) {
	m.t.Helper()
	invited, err := by.engine.Invite(m.t.Context(), by.settings(), messenger.InviteOptions{Write: true})
	if err != nil {
		m.t.Fatal(err)
	}
	j, err := m.engine.Invitation(invited.Invitation, model.ByInvitation, as)
	if err != nil {
		return nil, err
	}
	changed, tried, err := m.engine.Accept(m.t.Context(), &j, messenger.Acceptance{
		What: "the link", Insist: "INSISTING",
		Say: func(lines []messenger.Line) {
			for _, l := range lines {
				steps = append(steps, l.Text)
			}
		},
		Agree: func(*messenger.Joining) error {
			steps = append(steps, "asked")
			return answer
		},
	})
	if changed {
		steps = append(steps, "changed")
		for _, l := range j.SayJoined(tried, false) {
			steps = append(steps, l.Text)
		}
	}
	return steps, err
}

// Each face had its own order of what an invitation is asked, and one of them dropped most of what there was to say.
func TestAnInvitationIsTakenInOneOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, bo := x.join("ana"), x.join("bo")
		cy := &member{t: t, engine: engineAt(t, t.TempDir(), x.server)}
		no := errors.New("no")
		expect := func(name string, got []string, wantErr, err error, want ...string) {
			t.Helper()
			same := len(got) == len(want) && errors.Is(err, wantErr)
			for i := 0; same && i < len(want); i++ {
				same = strings.Contains(got[i], want[i])
			}
			if !same {
				t.Errorf("%s: %v, steps\n%s", name, err, strings.Join(got, "\n"))
			}
		}
		steps, err := cy.accepts(ana, "", nil)
		expect("a new room", steps, nil, err, "changed", "no message is there yet", "invited by somebody with the words: ", "their key counts as compared")
		steps, err = cy.accepts(ana, "", no)
		expect("the same again", steps, nil, err, "this device has that room already: it is called lab here", "knows nothing better")
		ana.say("one")
		ana.moveTo("not told yet")
		steps, err = bo.accepts(ana, "", no)
		expect("a key that nobody has told of", steps, no, err, "already", "INSISTING makes it the newest", "somebody with the words", "asked")
		ana.say("two")
		steps, err = bo.accepts(ana, "", no)
		expect("a no", steps, no, err, "already", "a key that this device lacks: it becomes the newest", "somebody with the words", "asked")
		if len(bo.settings().Keys) != 1 {
			t.Error("a no has changed the room")
		}
		steps, err = ana.accepts(bo, "", no)
		expect("an older one", steps, no, err, "already", "is older than what this device has", "somebody with the words", "asked")
	})
}

// What is shown comes before what is kept, and what keeps a passphrase from being chosen before anything else.
func TestARoomGetsANewPassphraseInOneOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana := x.join("ana")
		no := errors.New("no")
		for _, refuses := range []string{"passphrase", "show", ""} {
			var steps []string
			step := func(name string) error {
				if steps = append(steps, name); name == refuses {
					return no
				}
				return nil
			}
			before := len(ana.settings().Keys)
			err := ana.engine.RotatePassphrase(t.Context(), ana.settings(), messenger.Rotation{
				Passphrase: func(passphrase.Profile) (string, error) { return "a passphrase", step("passphrase") },
				Deriving: func() func() {
					_ = step("deriving")
					return func() { _ = step("derived") }
				},
				Show: func(pass string, key [passphrase.KeySize]byte) error {
					if len(ana.settings().Keys) != before || ana.derived(pass) == ana.settings().Keys[0] {
						t.Error("it was kept before it was shown")
					}
					return step("show")
				},
			}, messenger.Face{Tell: func(e messenger.Event) error {
				if _, kept := e.(messenger.KeyKept); kept {
					_ = step("kept")
				}
				return nil
			}})
			want := []string{"passphrase", "deriving", "derived", "show", "kept"}
			if at := slices.Index(want, refuses); at >= 0 {
				want = want[:at+1]
			}
			if !slices.Equal(steps, want) || errors.Is(err, no) != (refuses != "") {
				t.Errorf("where %q refuses: %v, %v", refuses, steps, err)
			}
		}
	})
}

func TestANicknameIsChosenByOneRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newMembers(t)
		ana, other := x.join("ana"), x.join("ama\u0301ya")
		other.say("hello")
		ana.reads()
		if err := ana.engine.SetNickname("ana 7"); !errors.Is(err, record.ErrNickname) {
			t.Errorf("a name that is none: %v", err)
		}
		if err := ana.engine.SetNickname("42"); !errors.Is(err, record.ErrNickname) {
			t.Errorf("a name that pages refuse, for it has no letter: %v", err)
		}
		taken, is := errors.AsType[*model.NameTakenError](ana.engine.SetNickname("ama\u0301ya"))
		if !is || taken.Room != "lab" || taken.By.Key != other.key() {
			t.Errorf("a name that somebody else has: %+v", taken)
		}
		if nick, err := ana.engine.Nickname(); err != nil || nick != "ana" {
			t.Errorf("it is kept as %+q, %v", nick, err)
		}
		if err := ana.engine.InsistOnNickname("ama\u0301ya"); err != nil {
			t.Fatal(err)
		}
		if nick, err := ana.engine.Nickname(); err != nil || nick != "amáya" {
			t.Errorf("it is kept as %+q, %v", nick, err)
		}
		lines, err := ana.engine.SayNickname("ama\u0301ya")
		if err != nil || len(lines) != 2 || lines[0].Warns || !lines[1].Warns ||
			!strings.Contains(lines[1].Text, other.key().Tag().Name()+" has that name in room lab") {
			t.Errorf("said is %v, %v", lines, err)
		}
		ana.mustMove()
		gone, is := errors.AsType[*messenger.GoneError](ana.engine.SetNickname("ana"))
		if !is || gone.At.IsZero() {
			t.Error("an identity that has moved away got a name")
		}
	})
}

// Each event that has words has them once, and those that each face shows in its own way have none.
func TestEventsAreSaidInWords(t *testing.T) {
	for _, c := range []struct {
		event messenger.Event
		want  []string
	}{
		{messenger.Renamed{Before: "lab", Now: "school"}, []string{"room lab is called school now"}},
		{messenger.NoCheckLeft{}, []string{"tries to leave it"}},
		{messenger.NoCheckLeft{Err: errors.New("why")}, []string{"compare the check words: why"}},
		{messenger.IdentityChanged{Room: "lab", Nameless: true, Adopted: model.Adopted{Anew: 1, Completed: 2}}, []string{
			"you write with a new identity", "it has no nickname", "1 message of the outbox was signed anew", "2 messages of the outbox may",
		}},
		{messenger.Moved{Room: "lab", By: make([]model.Moved, 3)}, []string{"(and so say 2 more)", `"fernpost key add --room lab"`}},
		{messenger.Delivering{}, nil},
		{messenger.ReadSoFar{}, nil},
	} {
		lines := messenger.Says(c.event)
		same := len(lines) == len(c.want)
		for i := 0; same && i < len(lines); i++ {
			same = strings.Contains(lines[i].Text, c.want[i])
		}
		if !same {
			t.Errorf("%T says %v, want %q", c.event, lines, c.want)
		}
	}
}
