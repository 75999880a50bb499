package letter

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/token"
)

func identity(b byte) record.Identity { return record.NewIdentity([record.KeySize]byte{b}) }

var written = time.Date(2026, 5, 4, 3, 2, 1, 987_000_000, time.UTC)

func usual() invite.Invitation {
	return invite.Invitation{
		Relay: "https://relay.example", Channel: 1234567, Fields: []int{1, 2, 3, 4, 5, 6, 7, 8}, Interval: 15 * time.Second,
		Profile: passphrase.Fernpost(), Name: "lab", Keys: []fernet.Key{fernet.NewKey([fernet.KeySize]byte{1, 2, 3})}, WriteKey: "ABCDEFGHIJKLMNOP",
	}
}

func seal(t testing.TB, i invite.Invitation, from, to byte) Sealed {
	t.Helper()
	s, err := Seal(identity(from), publickey.Of(identity(to)), i, written)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sealText seals what nobody of us would write.
func sealText(t testing.TB, text []byte, channel int64, to byte) Sealed {
	t.Helper()
	body, err := publickey.SealText(text, info(salt(channel)), publickey.Of(identity(to)))
	if err != nil {
		t.Fatal(err)
	}
	return Sealed{channel, body}
}

func content(t testing.TB, s Sealed, id byte) []byte {
	t.Helper()
	text, err := publickey.OpenText(s.Body, info(salt(s.Channel)), identity(id))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A letter tells its reader the whole invitation, who has written it and when, by hand as in the feed; and it tells nobody else.
func TestALetterIsOpenedByWhomItIsFor(t *testing.T) {
	s := seal(t, usual(), 1, 2)
	line := s.String()
	again, err := Parse("\ufeff " + line[:50] + "\r\n  " + line[50:90] + "\u200b" + line[90:] + "\n")
	if err != nil || again.String() != line {
		t.Fatalf("%v, %v", again, err)
	}
	l, err := again.Open(identity(2))
	if err != nil {
		t.Fatal(err)
	}
	if l.From != identity(1).Public() || l.Inviter != l.From || !l.At.Equal(written) || l.Channel != 1234567 || l.Name != "lab" ||
		!l.Keys[0].Equal(usual().Keys[0]) || l.WriteKey != usual().WriteKey || l.Relay != usual().Relay {
		t.Errorf("%+v", l)
	}
	for _, other := range []byte{1, 3} {
		if l, err := again.Open(identity(other)); !errors.Is(err, publickey.ErrNotOurs) || l.Channel != 0 {
			t.Errorf("identity %d: %+v, %v", other, l, err)
		}
	}
	short := usual()
	short.WriteKey = ""
	if s := seal(t, short, 1, 2); len(s.Body) != len(again.Body) {
		t.Errorf("the length tells whether the write key is inside: %d and %d", len(s.Body), len(again.Body))
	}
	if another := seal(t, usual(), 1, 2); another.String() == line {
		t.Error("written twice it is the same")
	}
}

// The line of a letter that was written once is opened for ever, by testdata/second.py too.
const vector = "fpl1_AAAAAAAS1of1KPgP7bZCUNHExDNGXe317vv2kkAFL9jRw4TLfDsCVe5oKmT08rB4sVGkN6aIqug_aejZSb7q8X2axG95Ksflv-gwhqPsn" +
	"atBMdCYy7AecUMRDD5leVK7a0LDlNVwoJBJ0tCyZG6GyEQdmNoey5W2l9qymrrSs0lRPv-DhO83CDDxUGQZ6hU_GcFHA88P4BdK44hZpwZhHvD" +
	"jJ538G22OWZ8W2xhmRJvMErQE3g7BYFheRrEUSYXvUfbDaS5mP2_cL-ak_Rnm8KlWEhDNGMGZLisEequ4mdCbrjaMJ-VK_3mYRjTIN_irsDHlB" +
	"jDKw6Evka9_sO1Lgshu7bq9pC3HWBWA052UfhR_B3K8HmJdbFyYyTdL"

func TestALetterIsForEver(t *testing.T) {
	s, err := Parse(vector)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Open(identity(2))
	if err != nil || l.From != identity(1).Public() || !l.At.Equal(written) || l.Name != "lab" || l.Channel != 1234567 {
		t.Errorf("%+v, %v", l, err)
	}
}

// TestSecondImplementation: Python, from the comment of this package and RFC 9180, opens letters of ours, and we open its own.
func TestSecondImplementation(t *testing.T) {
	python := testenv.Python(t)
	inviter, recipient := identity(1).RevealSeed(), identity(2).RevealSeed()
	for _, line := range []string{vector, seal(t, usual(), 1, 2).String()} {
		job, err := json.Marshal(map[string]string{
			"inviter": hex.EncodeToString(inviter[:]), "recipient": hex.EncodeToString(recipient[:]), "line": line,
		})
		if err != nil {
			t.Fatal(err)
		}
		cmd := testenv.Command(t, python, "testdata/second.py")
		cmd.Stdin, cmd.Stderr = bytes.NewReader(job), t.Output()
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", cmd, err)
		}
		var answer struct {
			Time       int64
			From, Line string
		}
		if err := json.Unmarshal(out, &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Time != written.UnixMilli() || answer.From != identity(1).Public().String() {
			t.Errorf("Python reads %+v", answer)
		}
		s, err := Parse(answer.Line)
		if err != nil {
			t.Fatal(err)
		}
		if l, err := s.Open(identity(2)); err != nil || l.From != identity(1).Public() || answer.Line == line {
			t.Errorf("what Python wrote: %+v, %v", l, err)
		}
	}
}

// What was done to a letter is told from a letter for somebody else.
func TestWhatWasDoneToALetterIsNamed(t *testing.T) {
	s := seal(t, usual(), 1, 2)
	text := content(t, s, 2)
	end := headSize + int(text[sizeAt])<<8 + int(text[sizeAt+1])
	changed := func(change func(b []byte) []byte) Sealed {
		return sealText(t, change(slices.Clone(text)), s.Channel, 2)
	}
	elsewhere := usual()
	elsewhere.Channel = 7
	for name, c := range map[string]struct {
		s    Sealed
		want error
	}{
		"handed on to somebody else by its reader": {sealText(t, content(t, seal(t, usual(), 1, 3), 3), s.Channel, 2), ErrOther},
		"the same, as if it were for them": {sealText(t, func() []byte {
			b := content(t, seal(t, usual(), 1, 3), 3)
			copy(b[forAt:sizeAt], text[forAt:sizeAt])
			return b
		}(), s.Channel, 2), ErrFalse},
		"of another channel": {sealText(t, content(t, seal(t, elsewhere, 1, 2), 2), s.Channel, 2), ErrOther},
		"carried over there": {Sealed{7, s.Body}, publickey.ErrNotOurs},
		"another time":       {changed(func(b []byte) []byte { b[3]++; return b }), ErrFalse},
		"another signature":  {changed(func(b []byte) []byte { b[end]++; return b }), ErrFalse},
		"signed by a stranger": {changed(func(b []byte) []byte {
			copy(b[end:], ed25519.Sign(ed25519.NewKeyFromSeed(make([]byte, 32)), signed(salt(s.Channel), publickey.Of(identity(2)), b[:end])))
			return b
		}), ErrFalse},
		"another invitation":    {changed(func(b []byte) []byte { b[headSize+9]++; return b }), invite.ErrAltered},
		"more behind":           {changed(func(b []byte) []byte { b[len(b)-1] = 1; return b }), ErrBroken},
		"a size that lies":      {changed(func(b []byte) []byte { b[sizeAt] = 0xff; return b }), ErrBroken},
		"cut within":            {changed(func(b []byte) []byte { return b[:20] }), ErrBroken},
		"newer":                 {changed(func(b []byte) []byte { b[0] = 2; return b }), ErrNewer},
		"nothing":               {changed(func([]byte) []byte { return nil }), ErrNewer},
		"a bit of what is seen": {Sealed{s.Channel, append(slices.Clone(s.Body[:len(s.Body)-1]), s.Body[len(s.Body)-1]^1)}, publickey.ErrNotOurs},
	} {
		if l, err := c.s.Open(identity(2)); !errors.Is(err, c.want) || !l.From.IsZero() {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// One wrong, missing or further character of a line is noticed.
func TestParseNamesWhatIsWrong(t *testing.T) {
	line := seal(t, usual(), 1, 2).String()
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing": {"", ErrMalformed}, "another text": {"hello", ErrMalformed}, "a key": {publickey.Of(identity(1)).String(), ErrMalformed},
		"cut": {line[:len(line)-1], ErrAltered}, "its beginning": {line[:20], ErrAltered}, "more": {line + "A", ErrAltered},
		"newer": {"fpl2_" + line[5:], ErrNewer}, "a megabyte": {Prefix + strings.Repeat("A", 1<<20), ErrMalformed},
		"no channel": {(Sealed{0, make([]byte, 100)}).String(), ErrAltered}, "a channel below 0": {(Sealed{-1, make([]byte, 100)}).String(), ErrAltered},
	} {
		if s, err := Parse(c.text); !errors.Is(err, c.want) || s.Body != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for i := len(Prefix); i < len(line); i++ {
		wrong := line[:i] + string("AB"[btoi(line[i] == 'A')]) + line[i+1:]
		if _, err := Parse(wrong); !errors.Is(err, ErrAltered) {
			t.Errorf("character %d: %v", i, err)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// In the feed letters are found among whatever else stands there, in any order, and nothing of them is told but that they are
// there.
func TestLettersAreFoundInAFeed(t *testing.T) {
	one, two := seal(t, usual(), 1, 2), seal(t, usual(), 3, 2)
	var parts []Part
	for e, s := range []Sealed{one, two} {
		tokens, err := s.Tokens(written)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range tokens {
			if tok, err := token.Parse(text); err != nil || !tok.IsLetter() {
				t.Fatalf("%s: %v", text, err)
			}
			parts = append(parts, Part{int64(e + 1), i + 1, text})
		}
	}
	// Whoever may write puts there what is no letter, and copies what is one.
	ring, id := key()
	forged, err := record.Sign(identity(9), record.Context{Salt: salt(1234567), Key: id}, record.Record{Number: 1, Body: record.Text("psst")})
	if err != nil {
		t.Fatal(err)
	}
	cells, err := forged.Cells()
	if err != nil {
		t.Fatal(err)
	}
	for i := range cells {
		text, err := ring.Seal(cells[i][:], written)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, Part{3, i + 1, text})
	}
	junk, err := ring.Seal([]byte("hello"), written)
	if err != nil {
		t.Fatal(err)
	}
	parts = append(parts, Part{4, 1, junk}, Part{4, 2, "nonsense"}, Part{5, 1, parts[0].Token})
	slices.Reverse(parts)
	found, err := Find(1234567, parts, written)
	if err != nil || len(found) != 2 || found[0].Entry != 1 || found[1].Entry != 2 || found[0].String() != one.String() || found[1].String() != two.String() {
		t.Errorf("%+v, %v", found, err)
	}
	if found, err := Find(7, parts, written); err != nil || len(found) > 0 {
		t.Errorf("in another channel: %+v, %v", found, err)
	}
	other, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	text, err := other.Seal([]byte("hello"), written)
	if err != nil {
		t.Fatal(err)
	}
	if tok, err := token.Parse(text); err != nil || tok.IsLetter() {
		t.Errorf("any token is a letter: %v", err)
	}
}

// However much an invitation has, what is too long for a letter is refused and not cut.
func TestTheLongestLetter(t *testing.T) {
	i := usual()
	i.Relay, i.Keys = "https://"+strings.Repeat("a", 800)+".example", nil
	for n := range invite.MaxKeys {
		i.Keys = append(i.Keys, fernet.NewKey([fernet.KeySize]byte{byte(n + 1)}))
	}
	s := seal(t, i, 1, 2)
	if again, err := Parse(s.String()); err != nil || again.String() != s.String() || len(s.Body) > record.MaxLetter {
		t.Errorf("%d bytes: %v", len(s.Body), err)
	}
	i.Relay = "https://" + strings.Repeat("a", 4000) + ".example"
	if _, err := Seal(identity(1), publickey.Of(identity(2)), i, written); err == nil {
		t.Error("a letter of 5,000 bytes is written")
	}
}

func FuzzParse(f *testing.F) {
	line := seal(f, usual(), 1, 2).String()
	f.Add(line)
	f.Add(line[:60] + "\n" + line[60:])
	f.Add("fpl2_x")
	f.Add((Sealed{7, make([]byte, record.MinLetter)}).String())
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			if s.Body != nil || !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNewer) {
				t.Fatalf("Parse(%q) = %v, %v", text, s, err)
			}
			return
		}
		if s.String() != bare(text) {
			t.Fatalf("Parse(%q) writes %q", text, s)
		}
		_, _ = s.Open(identity(2))
	})
}

// FuzzOpen reads what somebody has sealed who writes what they like.
func FuzzOpen(f *testing.F) {
	f.Add(content(f, seal(f, usual(), 1, 2), 2))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := sealText(t, text, 1234567, 2).Open(identity(2))
		if err != nil && (!l.From.IsZero() || l.Channel != 0) {
			t.Fatalf("%+v beside %v", l, err)
		}
		if err == nil && l.Channel != 1234567 {
			t.Fatalf("%+v", l)
		}
	})
}
