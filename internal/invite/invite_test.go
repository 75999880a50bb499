package invite

import (
	"encoding/base64"
	"errors"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/passphrase"
)

// usual is an invitation with everything that most have.
func usual() Invitation {
	return Invitation{
		Relay: "https://fernpost.example.org:8443", Channel: 1556172, Fields: []int{1, 2, 3, 4, 5, 6, 7, 8},
		Interval: 15 * time.Second, Profile: passphrase.Fernpost(), Name: "lab-2026", Keys: []fernet.Key{key(1)},
		ReadKey: "A1B2C3D4E5F6G7H8", WriteKey: "ZZZZZZZZZZZZZZZZ", Inviter: [32]byte{1, 2, 3},
	}
}

func key(seed byte) fernet.Key {
	var b [fernet.KeySize]byte
	for i := range b {
		b[i] = seed + byte(i)
	}
	return fernet.NewKey(b)
}

func link(t testing.TB, i Invitation) string {
	t.Helper()
	text, err := i.Link()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// keysAlike compares keys by what they are, since they hide it from everybody else.
var keysAlike = cmp.Comparer(func(a, b fernet.Key) bool { return a.Equal(b) || a.IsZero() && b.IsZero() })

func TestLinkIsShortEnoughForAQRCode(t *testing.T) {
	i := usual()
	if text := link(t, i); len(text) > 200 {
		t.Errorf("a usual invitation has %d characters, want at most 200: %s", len(text), text)
	}
	if text := link(t, i); !strings.HasPrefix(text, i.Relay+"/join#") {
		t.Errorf("the link %s does not lead to the relay", text)
	}
}

// random returns an invitation of what may be in one.
func random(r *rand.Rand) Invitation {
	oneOf := func(s ...string) string { return s[r.IntN(len(s))] }
	profiles := passphrase.JoinOrder()
	custom, err := passphrase.ParseProfile("custom:kdf=pbkdf2,salt=@name,iterations=480000,wrapper=python")
	if err != nil {
		panic(err)
	}
	i := Invitation{
		Relay:  oneOf("http://127.0.0.1:3000", "https://api.thingspeak.com", "http://[fe80::1]:8080/base", "https://h/a%20b"),
		NoPage: r.IntN(2) == 0, Channel: 1 + r.Int64N(1<<r.IntN(62)+1), Interval: time.Duration(r.IntN(20_000)) * time.Millisecond,
		Profile: append(profiles, custom)[r.IntN(4)], Pad: r.IntN(2) == 0, Name: oneOf("a", "lab", strings.Repeat("x", 32)),
		ReadKey: oneOf("", "0000000000000000", "A1B2C3D4E5F6G7H8", "x", "a1b2c3d4e5f6g7h8"), WriteKey: oneOf("", "ZZZZZZZZZZZZZZZZ", "+/="),
	}
	for f := 1; f <= Fields; f++ {
		if r.IntN(2) == 0 || f == Fields && i.Fields == nil {
			i.Fields = append(i.Fields, f)
		}
	}
	for range r.IntN(4) {
		i.Keys = append(i.Keys, key(byte(r.Int())))
	}
	if r.IntN(2) == 0 {
		i.Inviter[r.IntN(32)] = 1 + byte(r.IntN(255))
	}
	return i
}

func TestEveryInvitationIsReadAsItWasWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 5))
	for range 2_000 {
		want := random(r)
		text := link(t, want)
		got, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got, keysAlike); diff != "" {
			t.Fatalf("%s (-wrote +read):\n%s", text, diff)
		}
	}
}

func TestCarriersOfLinks(t *testing.T) {
	want := usual()
	text := link(t, want)
	middle := len(text) / 2
	for name, as := range map[string]string{
		"blanks around":       "  " + text + " \n",
		"broken by a mail":    text[:middle] + "\r\n  " + text[middle:],
		"in brackets":         "<" + text + ">.",
		"soft hyphens":        text[:middle] + "\u00ad" + text[middle:],
		"host in capitals":    strings.Replace(text, "fernpost.example.org", "Fernpost.Example.ORG", 1),
		"scheme in capitals":  strings.Replace(text, "https", "HTTPS", 1),
		"number sign escaped": strings.Replace(text, "#", "%23", 1),
		"slash before":        strings.Replace(text, "/join#", "/join/#", 1),
		"padding":             text + "=",
	} {
		got, err := Parse(as)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(want, got, keysAlike); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A link leads to the relay that it was made for: who changes scheme, host, port or path does not get people there.
func TestTheCheckSumCoversTheRelay(t *testing.T) {
	text := link(t, usual())
	for _, other := range []string{"http://fernpost.example.org:8443", "https://fernpost.example.com:8443", "https://fernpost.example.org", "https://fernpost.example.org:8443/x"} {
		if _, err := Parse(strings.Replace(text, usual().Relay, other, 1)); !errors.Is(err, ErrAltered) {
			t.Errorf("with the relay %s the error is %v, want %v", other, err, ErrAltered)
		}
	}
}

func TestEveryLetterCounts(t *testing.T) {
	for _, noPage := range []bool{false, true} {
		i := usual()
		i.NoPage = noPage
		text := link(t, i)
		begin := strings.IndexByte(text, '#') + 1
		for at := begin; at < len(text); at++ {
			for _, c := range "AbZ0-_" {
				if text[at] == byte(c) {
					continue
				}
				if got, err := Parse(text[:at] + string(c) + text[at+1:]); err == nil {
					t.Fatalf("letter %d as %c: read as %+v", at-begin, c, got)
				}
			}
			if at+2 < len(text) && text[at] != text[at+1] {
				if _, err := Parse(text[:at] + text[at+1:at+2] + text[at:at+1] + text[at+2:]); err == nil {
					t.Fatalf("letters %d and %d changed places, and it was read", at-begin, at-begin+1)
				}
			}
		}
	}
}

func TestACutInvitationSaysSo(t *testing.T) {
	text := link(t, usual())
	begin := strings.IndexByte(text, '#') + 1
	for n := begin; n < len(text)-1; n++ {
		var cut *CutError
		if _, err := Parse(text[:n]); !errors.As(err, &cut) {
			t.Fatalf("%d of %d letters: %v, want that it was cut", n-begin, len(text)-begin, err)
		}
	}
	if _, err := Parse(text[:begin-1]); !errors.Is(err, ErrForeign) {
		t.Errorf("without the fragment: %v", err)
	}
	var more *CutError
	if _, err := Parse(text + "AAAA"); !errors.As(err, &more) || more.Have <= more.Want {
		t.Errorf("with more behind it: %v", err)
	}
}

func TestWhatIsNoInvitation(t *testing.T) {
	fragment := base64.RawURLEncoding.EncodeToString
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":              {"", ErrForeign},
		"a word":               {"hello", ErrForeign},
		"another page":         {"https://example.org/#AQ", ErrForeign},
		"another scheme":       {"javascript:alert(1)//join#AQ", ErrForeign},
		"a file":               {"file:///join#AQ", ErrForeign},
		"a user":               {"https://ana:pw@h/join#AQ", ErrForeign},
		"a query":              {"https://h/join?x=1#AQ", ErrForeign},
		"a megabyte":           {"https://h/join#" + strings.Repeat("A", 1<<20), ErrForeign},
		"no base64":            {"https://h/join#AQ+/AQ", ErrAltered},
		"a size that lies":     {"https://h/join#" + fragment([]byte{1, 0xff, 0xff, 0xff, 0x7f, 0}), ErrAltered},
		"a size without end":   {"https://h/join#" + fragment([]byte("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")), ErrAltered},
		"nothing but a size":   {"https://h/join#" + fragment([]byte{1, 0}), ErrAltered},
		"relay that was moved": {strings.Replace(link(t, usual()), usual().Relay+"/join", own, 1), ErrAltered},
	} {
		if _, err := Parse(c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	var newer *NewerError
	if _, err := Parse("https://h/join#" + fragment([]byte{2, 0})); !errors.As(err, &newer) || newer.Version != 2 {
		t.Errorf("version 2: %v", err)
	}
}

// One changed bit in the first letters made a newer version of an invitation, "version 0" among them.
func TestAnAlteredVersionIsNoNewerOne(t *testing.T) {
	head, rest, _ := strings.Cut(link(t, usual()), "#")
	all, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 {
		all[0] ^= 1 << bit
		if _, err := Parse(head + "#" + base64.RawURLEncoding.EncodeToString(all)); !errors.Is(err, ErrAltered) {
			t.Errorf("bit %d: %v", bit, err)
		}
		all[0] ^= 1 << bit
	}
	if _, err := Parse("https://h/join#" + base64.RawURLEncoding.EncodeToString([]byte{0, 9})); !errors.Is(err, ErrAltered) {
		t.Errorf("version 0: %v", err)
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	for name, change := range map[string]func(*Invitation){
		"a relay of another scheme": func(i *Invitation) { i.Relay = "ftp://h" },
		"a relay with a password":   func(i *Invitation) { i.Relay = "https://a:b@h" },
		"no channel":                func(i *Invitation) { i.Channel = 0 },
		"no field":                  func(i *Invitation) { i.Fields = nil },
		"field 9":                   func(i *Invitation) { i.Fields = []int{9} },
		"no profile":                func(i *Invitation) { i.Profile = passphrase.Profile{} },
		"33 keys":                   func(i *Invitation) { i.Keys = make([]fernet.Key, 33) },
		"a name that is not seen":   func(i *Invitation) { i.Name = "a\u202eb" },
		"a key with a line break":   func(i *Invitation) { i.WriteKey = "A\nB" },
		"a key that is none":        func(i *Invitation) { i.Keys = make([]fernet.Key, 1) },
		"a name without end":        func(i *Invitation) { i.Name = strings.Repeat("x", MaxLink) },
		"time that runs backwards":  func(i *Invitation) { i.Interval = -1 },
		"an interval of years":      func(i *Invitation) { i.Interval = 1e4 * time.Hour },
		"a look-alike of a host":    func(i *Invitation) { i.Relay = "https://аpi.thingspeak.com" }, // the first letter is Cyrillic
		"a host with a control":     func(i *Invitation) { i.Relay = "http://a\u009b31mx.invalid" },
	} {
		i := usual()
		change(&i)
		if text, err := i.Link(); err == nil {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// Whatever is read is what would be written: two links that differ in more than how they were carried never mean the same.
func FuzzParse(f *testing.F) {
	f.Add(link(f, usual()))
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		f.Add(link(f, random(r)))
	}
	f.Add("https://h/join#AQ")
	f.Add("fernpost:join#AQUB")
	f.Add("Hi, " + link(f, usual())[:70] + "\n" + link(f, usual())[70:] + ". See you\nhttp://h/join#AQUB")
	f.Fuzz(func(t *testing.T, text string) {
		i, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(link(t, i))
		if err != nil {
			t.Fatalf("what was read as %+v cannot be read again: %v", i, err)
		}
		if diff := cmp.Diff(i, again, keysAlike); diff != "" {
			t.Fatalf("read again (-first +again):\n%s", diff)
		}
	})
}

// A link that was broken into lines was taken for one that was cut, since only its first line was read.
func TestAnInvitationGoesOnUntilItIsWhole(t *testing.T) {
	inside := usual()
	inside.NoPage = true
	for _, whole := range []string{link(t, usual()), link(t, inside)} {
		for n := len("fernpost"); n < len(whole); n++ {
			if !GoesOn(whole[:n] + "\r\n") {
				t.Errorf("%q is told to be all", whole[:n])
			}
		}
		for _, all := range []string{whole, "<" + whole[:40] + "\r\n" + whole[40:] + ">\n", whole + "and more", "hello", "", "http://a/b#c"} {
			if GoesOn(all) {
				t.Errorf("%q is told to go on", all)
			}
		}
	}
}

// TestALinkAmongWords: a message that has a link in it was no invitation: people copy all of it.
func TestALinkAmongWords(t *testing.T) {
	inside := usual()
	inside.NoPage = true
	other := usual()
	other.Channel++
	for _, want := range []Invitation{usual(), inside} {
		l := link(t, want)
		for _, text := range []string{
			"Hi bo, join us: " + l, l + " see you there", "Hi!\n\n" + l + "\n\n-- \nana", "Hi (" + l + "), ana", "[room](" + l + ")!",
			`<a href="` + l + `">` + l + "</a>", "join:" + l + "?", "Hi\n" + l[:50] + "\n" + l[50:] + "\nsee you", "> " + l[:50] + "\r\n" + l[50:90] + "\r\n" + l[90:] + ".\r\n",
			"see http://example.org/a#b and " + l, l + "\nor once more " + l, strings.Repeat("a long mail ", 9000) + l,
			"Join http://192.168.1.1/join: " + l, "\x9d\x9d\x9d\x9d" + l, "İİİİİİ" + l, // in lower case both are longer
		} {
			got, err := Parse(text)
			if err != nil {
				t.Errorf("%.90q: %v", text, err)
			} else if diff := cmp.Diff(want, got, keysAlike); diff != "" {
				t.Errorf("%.90q (-want +got):\n%s", text, diff)
			}
		}
		for text, wrong := range map[string]error{
			"this one " + l + " or that " + link(t, other): ErrSeveral,
			"join " + l[:60] + "x" + l[61:] + " now":       ErrAltered,
			"http http:// #join fernpost:join # and more":  ErrForeign,
		} {
			if _, err := Parse(text); !errors.Is(err, wrong) {
				t.Errorf("%.90q: %v, want %v", text, err, wrong)
			}
		}
		if _, err := Parse("Hi, " + l[:len(l)-9]); !isCut(err) || !GoesOn("Hi, "+l[:len(l)-9]+"\n") {
			t.Errorf("a cut one among words: %v", err)
		}
		if GoesOn("Hi, " + l + "\n") {
			t.Error("a whole one among words is told to go on")
		}
	}
}

func isCut(err error) bool {
	_, is := errors.AsType[*CutError](err)
	return is
}

// TestPackedKeysAreNumbersInBase36: a key is packed as math/big writes that number, and unpacked as the same key; a number
// that no key has, or none with so many bytes, is refused.
func TestPackedKeysAreNumbersInBase36(t *testing.T) {
	random := rand.New(rand.NewPCG(36, 16))
	keys := []string{"0000000000000000", "ZZZZZZZZZZZZZZZZ", "00000000ZZZZZZZZ", "ZZZZZZZZ00000000", "0000000100000000"}
	for range 1000 {
		key := make([]byte, apiKeySize)
		for i := range key {
			key[i] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[random.IntN(36)]
		}
		keys = append(keys, string(key))
	}
	for _, key := range keys {
		number, _ := new(big.Int).SetString(key, 36)
		packed, ok := pack(key)
		if want := number.FillBytes(make([]byte, packedSize)); !ok || string(packed[:]) != string(want) {
			t.Fatalf("pack(%s) = %x, %v, want %x", key, packed, ok, want)
		}
		if back, ok := unpack(packed[:]); !ok || back != key {
			t.Fatalf("unpack(%x) = %s, %v, want %s", packed, back, ok, key)
		}
	}
	most, _ := new(big.Int).SetString("ZZZZZZZZZZZZZZZZ", 36)
	above := most.Add(most, big.NewInt(1)).FillBytes(make([]byte, packedSize))
	for _, packed := range []string{string(above), strings.Repeat("\xff", packedSize)} {
		if key, ok := unpack([]byte(packed)); ok {
			t.Errorf("unpack(%x) = %s", packed, key)
		}
	}
}
