package publickey

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/fernpost/fernpost/internal/invisible"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/testenv"
)

// identity is one with a seed that tests repeat.
func identity(b byte) record.Identity { return record.NewIdentity([record.KeySize]byte{b}) }

// The text of an identity's keys is for ever: it stands in mails and on slides. (testdata/second.py computes the same.)
func TestKeysOfAnIdentity(t *testing.T) {
	const want = "fp1_zswVB9wd3XKVlRwpCIjwla25BE0bc9aW5t8GXWg71PwJvmObEE-pyc-YFzdog8qBJtf7Mfs827JCh7_URcoERZIPUxw"
	text := Of(identity(1)).String()
	if text != want || len(text) != TextSize || TextSize != 95 {
		t.Errorf("%s, want %s", text, want)
	}
	// A chat adds what nobody sees: a byte order mark, a place to break the line, marks of direction.
	spread := "\ufeff " + text[:40] + "\r\n  " + text[40:60] + "\u200b\u2060" + text[60:] + "\u200e\n"
	if k, err := Parse(spread); err != nil || k != Of(identity(1)) || k.Signing != identity(1).Public() {
		t.Errorf("Parse(%q) = %v, %v", spread, k, err)
	}
	if Of(identity(1)).Safety() == Of(identity(2)).Safety() {
		t.Error("two have the same words")
	}
}

// One wrong, missing or exchanged character is noticed, and what else people paste there is called by its name.
func TestParseNamesWhatIsWrong(t *testing.T) {
	text := Of(identity(1)).String()
	for i := len(Prefix); i < len(text); i++ {
		for _, c := range "Aa0-_" {
			if wrong := text[:i] + string(c) + text[i+1:]; wrong != text {
				if _, err := Parse(wrong); !errors.Is(err, ErrMalformed) {
					t.Errorf("Parse(%q): %v", wrong, err)
				}
			}
		}
	}
	mixed := Of(identity(1))
	mixed.Sealing = Of(identity(2)).Sealing
	if mixed.Safety() == Of(identity(1)).Safety() {
		t.Error("who puts another key for sealing beside it has the same words")
	}
	for text, want := range map[string]error{
		"": ErrMalformed, "hello": ErrMalformed, text[:94]: ErrMalformed, text + "A": ErrMalformed, "fp2_" + text[4:]: ErrNewer,
		identity(1).Public().String(): ErrSigningOnly, Keys{}.String(): record.ErrWeakKey,
		Keys{Signing: identity(1).Public()}.String():                        record.ErrWeakKey,
		Keys{Signing: identity(1).Public(), Sealing: [32]byte{1}}.String():  record.ErrWeakKey,
		Keys{Signing: record.PublicKey{1}, Sealing: mixed.Sealing}.String(): record.ErrWeakKey,
		Keys{Signing: mixed.Signing, Sealing: [32]byte(order8(t))}.String(): record.ErrWeakKey,
		strings.ToUpper(text): ErrMalformed,
	} {
		if k, err := Parse(text); !errors.Is(err, want) || k != (Keys{}) {
			t.Errorf("Parse(%q) = %v, %v; want %v", text, k, err, want)
		}
	}
}

// order8 is a point of order 8 of Curve25519.
func order8(t *testing.T) []byte {
	b, err := hex.DecodeString("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzParse(f *testing.F) {
	f.Add(Of(identity(1)).String())
	f.Add(Keys{}.String())
	f.Add("fp2_x")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := Parse(text)
		if err != nil {
			if k != (Keys{}) {
				t.Fatalf("Parse(%q) = %v, %v", text, k, err)
			}
			return
		}
		if k.String() != invisible.Strip(text) {
			t.Fatalf("Parse(%q) writes %q", text, k)
		}
		if err := Seal(io.Discard, strings.NewReader("x"), k); err != nil {
			t.Fatalf("nothing can be sealed to %q: %v", text, err)
		}
	})
}

// What was signed is checked, and each change of the file, the author, the time or the signature is noticed and named.
func TestSign(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 987, time.UTC)
	file := sha256.Sum256([]byte("hello"))
	s := Sign(identity(1), file, now)
	text := s.String()
	if again, err := ParseSignature(strings.ReplaceAll(text, "\n", "\r\n")); err != nil || again != s || again.Check(file) != nil {
		t.Errorf("%v, %v", again, err)
	}
	if s.Author != identity(1).Public() || !s.At.Equal(now.Truncate(time.Second)) {
		t.Errorf("%+v", s)
	}
	if err := s.Check(sha256.Sum256([]byte("hallo"))); !errors.Is(err, ErrOtherFile) {
		t.Errorf("another file: %v", err)
	}
	for name, change := range map[string]func(*Signature){
		"author":    func(s *Signature) { s.Author = identity(2).Public() },
		"time":      func(s *Signature) { s.At = s.At.Add(time.Second) },
		"hash":      func(s *Signature) { s.Hash[0]++ },
		"signature": func(s *Signature) { s.signature[0]++ },
	} {
		changed := s
		change(&changed)
		if err := changed.Check(changed.Hash); !errors.Is(err, ErrFalse) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	weak := s
	weak.Author = record.PublicKey{1}
	if err := weak.Check(file); !errors.Is(err, record.ErrWeakKey) {
		t.Errorf("a key that anybody signs for: %v", err)
	}
}

func FuzzParseSignature(f *testing.F) {
	text := Sign(identity(1), [32]byte{1}, time.Unix(1_700_000_000, 0)).String()
	f.Add(text)
	f.Add(strings.ReplaceAll(text, "\n", "\r\n"))
	f.Add(strings.Replace(text, "time 1", "time -1", 1))
	f.Add("fernpost signature 2\n")
	f.Add("\n\n\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSignature(text)
		if err != nil {
			if s != (Signature{}) || !errors.Is(err, ErrNoSignature) && !errors.Is(err, ErrNewerSignature) {
				t.Fatalf("ParseSignature(%q) = %v, %v", text, s, err)
			}
			return
		}
		if s.String() != strings.ReplaceAll(text, "\r\n", "\n") {
			t.Fatalf("ParseSignature(%q) writes %q", text, s)
		}
		_ = s.Check(s.Hash)
	})
}

func sealed(t testing.TB, text []byte, to record.Identity) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Seal(&b, iotest.HalfReader(bytes.NewReader(text)), Of(to)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(file []byte, id record.Identity) ([]byte, error) {
	var b bytes.Buffer
	err := Open(&b, iotest.HalfReader(bytes.NewReader(file)), id)
	return b.Bytes(), err
}

// Files of any length come back to the byte, and only to whom they were sealed.
func TestSealAndOpen(t *testing.T) {
	for _, n := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 2*chunkSize + 77} {
		text := bytes.Repeat([]byte("0123456789\x00"), n/11+1)[:n]
		file := sealed(t, text, identity(1))
		if again, err := open(file, identity(1)); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%d bytes: %d came back, %v", n, len(again), err)
		}
		if got, err := open(file, identity(2)); !errors.Is(err, ErrNotOurs) || len(got) > 0 {
			t.Errorf("%d bytes: another one opens %d, %v", n, len(got), err)
		}
		if another := sealed(t, text, identity(1)); bytes.Equal(file, another) {
			t.Error("sealed twice it is the same")
		}
	}
}

// Whatever is cut off or turned in a sealed file is noticed, and what was written by then is the beginning of what was
// sealed.
func TestSpoiltSealedFiles(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789\x00"), 2*chunkSize/11)
	file := sealed(t, text, identity(1))
	body := len(sealedLine) + 32
	refused := func(what string, file []byte, want ...error) {
		t.Helper()
		got, err := open(file, identity(1))
		for _, w := range want {
			if errors.Is(err, w) {
				want = nil
			}
		}
		if want != nil || !bytes.HasPrefix(text, got) {
			t.Errorf("%s: %v, after %d bytes", what, err, len(got))
		}
	}
	refused("nothing", nil, ErrNotSealed)
	refused("half a head", file[:10], ErrNotSealed)
	refused("a head", file[:body-1], ErrCut)
	refused("a whole head", file[:body], ErrCut)
	refused("no head", file[1:], ErrNotSealed)
	refused("a newer one", append([]byte("fernpost sealed 2\n"), file[body:]...), ErrNewerSealed)
	refused("cut in the first chunk", file[:body+5000], ErrNotOurs)
	refused("cut behind the first chunk", file[:body+chunkSize+tagSize], ErrCut)
	refused("cut in the last chunk", file[:len(file)-1], ErrAltered)
	refused("more behind the end", append(bytes.Clone(file), 0), ErrAltered)
	refused("the last chunk alone", append(bytes.Clone(file[:body]), file[body+chunkSize+tagSize:]...), ErrNotOurs)
	refused("a key of small order", append([]byte(sealedLine), make([]byte, 100)...), ErrNotOurs)
	for _, at := range []int{len(sealedLine), body, body + 1, body + chunkSize, body + chunkSize + tagSize, len(file) - 1} {
		turned := bytes.Clone(file)
		turned[at] ^= 1
		refused("one bit turned", turned, ErrNotOurs, ErrAltered)
	}
}

// A disk that is full or a pipe that broke is no fault of the file.
func TestSealingPassesOnErrors(t *testing.T) {
	broken := errors.New("broken")
	if err := Seal(io.Discard, iotest.ErrReader(broken), Of(identity(1))); !errors.Is(err, broken) {
		t.Errorf("Seal: %v", err)
	}
	if err := Open(io.Discard, iotest.ErrReader(broken), identity(1)); !errors.Is(err, broken) {
		t.Errorf("Open: %v", err)
	}
	file := sealed(t, make([]byte, 100), identity(1))
	for n := range len(file) {
		r := io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken))
		if err := Open(io.Discard, r, identity(1)); !errors.Is(err, broken) {
			t.Fatalf("Open, broken after %d bytes: %v", n, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	file := sealed(f, []byte("hello"), identity(1))
	f.Add(file)
	f.Add(file[:51])
	f.Add(append([]byte(sealedLine), make([]byte, 48)...))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := open(file, identity(1))
		if err == nil && string(got) != "hello" {
			t.Fatalf("%q opens as %q", file, got)
		}
		for _, known := range []error{ErrNotSealed, ErrNewerSealed, ErrNotOurs, ErrAltered, ErrCut} {
			if errors.Is(err, known) {
				return
			}
		}
		if err != nil {
			t.Fatalf("%q: %v", file, err)
		}
	})
}

// TestSecondImplementation: Python, from the comments of this package and RFC 9180, writes the same keys, takes the signature,
// opens what was sealed here, and seals what opens here.
func TestSecondImplementation(t *testing.T) {
	python := testenv.Python(t)
	for _, n := range []int{0, 5, chunkSize, chunkSize + 1} {
		text := bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
		id := identity(byte(n + 1))
		seed := id.RevealSeed()
		job, err := json.Marshal(map[string]any{
			"seed": seed[:], "text": text, "sealed": sealed(t, text, id),
			"signature": Sign(id, sha256.Sum256(text), time.Unix(1_700_000_000, 0)).String(),
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
			Keys   string
			Opened *[]byte
			Sealed []byte
		}
		if err := json.Unmarshal(out, &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Keys != Of(id).String() {
			t.Errorf("keys %s, Python has %s", Of(id), answer.Keys)
		}
		if answer.Opened == nil || !bytes.Equal(*answer.Opened, text) {
			t.Errorf("Python does not open what %d bytes were sealed into", n)
		}
		if got, err := open(answer.Sealed, id); err != nil || !bytes.Equal(got, text) {
			t.Errorf("what Python sealed of %d bytes: %d bytes, %v", n, len(got), err)
		}
	}
}

// Of a text with an ellipsis in it the bytes were counted as characters.
func TestParseCountsCharacters(t *testing.T) {
	for text, want := range map[string]string{
		"fp1_zswV…": "it has 9 characters", Of(identity(1)).String()[:TextSize-1] + "…": ErrMistyped.Error(),
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want %q", text, err, want)
		}
	}
}
