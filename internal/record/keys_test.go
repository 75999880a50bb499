package record

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

// weakKeys are the 14 encodings of points of small order, and a few of other points that are not canonical.
func weakKeys() (all []PublicKey) {
	add := func(y [KeySize]byte) {
		negative := y
		negative[KeySize-1] |= 0x80
		all = append(all, y, negative)
	}
	for _, y := range smallOrder {
		add(y)
	}
	for _, y := range []byte{0, 1, 2, 18} { // p, p + 1, and two above
		beyond := fieldPrime
		beyond[0] += y
		add(beyond)
	}
	return all
}

// signFor makes a record of a key of small order that [ed25519.Verify] accepts, without any secret: R is the neutral
// element and S is zero, which fits one message in as many as the order of the point.
func signFor(t *testing.T, ctx Context, key PublicKey, number uint32, named Seen, kind Kind, body []byte) Signed {
	t.Helper()
	var signature [SignatureSize]byte
	signature[0] = 1
	for clock := range uint64(1000) {
		e := newEnvelope(ctx, key.Tag(), number, 0)
		e.covered = append(e.covered, byte(kind))
		e.covered = append(e.covered, binary.BigEndian.AppendUint64(nil, clock)[2:]...)
		e.covered = append(e.covered, key[:]...)
		e.covered = append(e.covered, make([]byte, ShortHashSize)...)
		e.covered = append(named.append(e.covered), 3)
		e.covered = append(append(e.covered, "mal"...), body...)
		if ed25519.Verify(key[:], e.covered, signature[:]) {
			data := append(slices.Clone(e.covered[prefixSize:]), signature[:]...)
			return Signed{Tag: key.Tag(), Number: number, Bytes: data}
		}
	}
	t.Fatalf("no signature for %s", key)
	return Signed{}
}

// A key of small order signs for anybody: such a record was shown, and accused others as if its author were proven.
func TestKeysOfSmallOrderSignNothing(t *testing.T) {
	keys := weakKeys()[:14]
	seen := map[PublicKey]bool{}
	for _, key := range keys {
		seen[key] = true
		ana := newScribe(t, 1, "ana")
		l := newListener(t)
		first := ana.write(Text("hello"))
		l.read(at(t, 1, first))
		accusation := Seen{first.Tag, 9, ShortHash{1}}
		forged := signFor(t, testRoom, key, 1, accusation, KindText, []byte("nobody said this"))
		if _, _, err := verifyRecord(testRoom, key.Tag(), 1, forged.Bytes); !errors.Is(err, ErrWeakKey) {
			t.Errorf("%s: verified: %v", key, err)
		}
		got := l.read(at(t, 2, forged))
		if len(got.Messages) > 0 || len(got.Change.Told) != 1 || got.Change.Told[0].Kind != Malformed || len(got.Waiting) > 0 || got.Refused != 1 {
			t.Errorf("%s: %d messages, told %q, waiting %q, %d refused", key, len(got.Messages), texts(got.Change.Told),
				texts(got.Waiting), got.Refused)
		}
		if a := l.known.all().Authors; len(a) != 1 || a[0].Key != ana.key() {
			t.Errorf("%s: authors %+v", key, a)
		}
	}
	if len(seen) != 14 {
		t.Errorf("%d different keys", len(seen))
	}
}

// Whoever has none of its secret could prove that a key of small order is a device of theirs.
func TestKeysOfSmallOrderAreNoDevices(t *testing.T) {
	for _, key := range weakKeys()[:14] {
		l := newListener(t)
		var proof [SignatureSize]byte
		proof[0] = 1
		var mal *scribe
		for seed := byte(1); mal == nil || !ed25519.Verify(key[:], deviceMessage(testRoom.Salt, mal.key()), proof[:]); seed++ {
			mal = newScribe(t, seed, "mal")
		}
		if _, err := Sign(mal.id, testRoom, Record{Number: 1, Body: Device{key, proof}}); !errors.Is(err, ErrBody) {
			t.Errorf("%s: signed: %v", key, err)
		}
		raw := signRaw(mal.id, 1, ShortHash{}, "mal", KindDevice, slices.Concat(key[:], proof[:]))
		got := l.read(at(t, 1, raw))
		if _, ok := got.Messages[0].Body.(Unreadable); !ok {
			t.Errorf("%s: read as %T", key, got.Messages[0].Body)
		}
	}
}

func TestParseKeyRefusesWhatIsNobodys(t *testing.T) {
	ana := newScribe(t, 1, "ana").key()
	if key, err := ParseKey(ana.String()); err != nil || key != ana {
		t.Errorf("ParseKey(%s) = %s, %v", ana, key, err)
	}
	for _, key := range append(weakKeys(), PublicKey{}) {
		if got, err := ParseKey(key.String()); !errors.Is(err, ErrWeakKey) || !got.IsZero() {
			t.Errorf("ParseKey(%s) = %s, %v", key, got, err)
		}
	}
	if _, err := ParseKey(ana.String()[1:]); !errors.Is(err, ErrMalformedKey) {
		t.Errorf("ParseKey of 63 digits: %v", err)
	}
	for seed := range byte(200) { // no key that somebody has is refused
		if err := NewIdentity([KeySize]byte{seed}).Public().Check(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// TestSeedThatEverybodyKnowsIsNone: whoever keeps one of zeros keeps no identity.
func TestSeedThatEverybodyKnowsIsNone(t *testing.T) {
	id := NewIdentity([KeySize]byte{1})
	text := id.SeedText()
	again, err := ParseSeed(text)
	if err != nil || again.Public() != id.Public() {
		t.Errorf("ParseSeed of SeedText = %v, %v", again, err)
	}
	for _, bad := range []string{"", text[1:], text + "0", text + "\n", "x" + text[1:], strings.Repeat("0", len(text))} {
		if id, err := ParseSeed(bad); err != ErrMalformedSeed || !id.IsZero() {
			t.Errorf("ParseSeed(%q) = %v, %v", bad, id, err)
		}
	}
}
