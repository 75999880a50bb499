package fernet

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/token"
)

// python is one process that answers all questions, see testdata/dialogue.py.
type python struct {
	t    *testing.T
	ask  *json.Encoder
	told *json.Decoder
}

type question struct {
	Do      string   `json:"do"`
	Keys    []string `json:"keys"`
	Multi   bool     `json:"multi"`
	Message []byte   `json:"message"`
	Token   string   `json:"token"`
	Time    uint64   `json:"time"`
	TTL     *int64   `json:"ttl"`
	Now     int64    `json:"now"`
}

func startPython(t *testing.T) *python {
	t.Helper()
	cmd := testenv.Command(t, testenv.Python(t), "testdata/dialogue.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	return &python{t, json.NewEncoder(in), json.NewDecoder(out)}
}

// answer returns nil for a refusal.
func (p *python) answer(q question) (text *string) {
	p.t.Helper()
	if q.Message == nil {
		q.Message = []byte{}
	}
	if err := p.ask.Encode(q); err != nil {
		p.t.Fatal(err)
	}
	if err := p.told.Decode(&text); err != nil {
		p.t.Fatalf("%+v: %v", q, err)
	}
	return text
}

// agreement is one random case: a token, and the ring that it is judged with.
type agreement struct {
	p     *python
	keys  []Key
	multi bool
	text  string
}

// TestAgreesWithPython: in 1,000 random cases Python's Fernet and MultiFernet open what we seal and we what they seal, both
// judge the age alike at the borders, read the same clock, refuse the same, and rotate without touching the clock.
func TestAgreesWithPython(t *testing.T) {
	random := testenv.Random(t)
	p := startPython(t)
	opened, refused := 0, 0
	for range testenv.Cases(1000) {
		c := agreement{p: p, keys: randomKeys(random), multi: random.IntN(2) == 0}
		if !c.multi {
			c.keys = c.keys[:1]
		}
		sealing := c.keys[random.IntN(len(c.keys))]
		message, sealed := randomBytes(random, random.IntN(300)), randomSeconds(random)
		if random.IntN(2) == 0 {
			c.text = sealAt(sealing, sealed, [token.IVSize]byte(randomBytes(random, token.IVSize)), message)
			if sealed < 1<<62 {
				var err error
				if c.text, err = ring(t, sealing).Seal(message, time.Unix(int64(sealed), 0)); err != nil {
					t.Fatal(err)
				}
			}
		} else {
			c.text = *p.answer(question{
				Do: "encrypt_at_time", Keys: revealed(sealing), Multi: random.IntN(2) == 0, Message: message, Time: sealed,
			})
		}
		whole := c.text
		c.spoil(random)
		if c.judge(t, random, sealed) {
			opened++
		} else if refused++; c.text == whole && slices.ContainsFunc(c.keys, sealing.Equal) {
			t.Errorf("both refuse %q, which was whole", c.text)
		}
		if t.Failed() {
			t.Fatalf("multi %t, sealed at %d", c.multi, sealed)
		}
	}
	if opened < 100*refused/1000 || refused < 100*opened/1000 {
		t.Errorf("%d opened, %d refused: the cases prove little", opened, refused)
	}
}

// TestAgreesWithPythonNow: what one side seals by the clock of now, the other one opens with a time to live.
func TestAgreesWithPythonNow(t *testing.T) {
	p := startPython(t)
	k, hour := GenerateKey(), int64(3600)
	ours, err := ring(t, k).Seal([]byte("hello"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, multi := range []bool{true, false} {
		if p.answer(question{Do: "decrypt", Keys: revealed(k), Multi: multi, Token: ours, TTL: &hour}) == nil {
			t.Error("Python refuses what was sealed now")
		}
		theirs := *p.answer(question{Do: "encrypt", Keys: revealed(k), Multi: multi, Message: []byte("hello")})
		o, err := ring(t, k).Open(theirs)
		if err == nil {
			err = o.CheckAge(time.Hour, time.Now())
		}
		if err != nil || string(o.Plaintext) != "hello" {
			t.Errorf("what Python seals now: %q, %v", o.Plaintext, err)
		}
	}
}

// spoil leaves the token or the ring as it is, or not.
func (c *agreement) spoil(random *rand.Rand) {
	switch random.IntN(12) {
	case 0, 1:
		tok, err := token.Parse(c.text)
		if err != nil {
			panic(err)
		}
		c.text, _, _ = tok.Tamper(random.IntN(tok.Bits()))
	case 2:
		c.text = c.text[:random.IntN(len(c.text))]
	case 3:
		n := random.IntN(len(c.text))
		c.text = c.text[:n] + string("\n \t%"[random.IntN(4)]) + c.text[n:]
	case 4:
		c.text = strings.TrimRight(c.text, "=")
	case 5:
		c.text += "\r\n"
	case 6:
		c.keys = []Key{GenerateKey()}
	}
}

// judge lets both sides do with the token what they can, and reports whether they open it.
func (c *agreement) judge(t *testing.T, random *rand.Rand, sealed uint64) bool {
	t.Helper()
	r := ring(t, c.keys...)
	ask := func(do string, ttl *int64, now int64) *string {
		return c.p.answer(question{Do: do, Keys: revealed(c.keys...), Multi: c.multi, Token: c.text, TTL: ttl, Now: now})
	}
	theirs := ask("decrypt", nil, 0)
	o, err := r.Open(c.text)
	if theirs != nil && errors.Is(err, ErrMalformed) {
		// Python's decoder passes over what is no base64, and forgives loose ends: one token in many forms. Ours takes the
		// canonical one, which has to be what Python has read.
		bare, _, _ := strings.Cut(c.text, "=")
		bare = strings.Map(func(r rune) rune {
			if strings.ContainsRune("\n \t%\r", r) {
				return -1
			}
			return r
		}, bare)
		raw, decoding := base64.RawURLEncoding.DecodeString(bare)
		if c.text == base64.URLEncoding.EncodeToString(raw) || decoding != nil {
			t.Errorf("Python opens %q, we refuse it: %v", c.text, err)
			return false
		}
		c.text = base64.URLEncoding.EncodeToString(raw)
		o, err = r.Open(c.text)
	}
	if word, _ := Refuse(c.text, err); (err == nil) != (theirs != nil) || (err == nil) != (word == "") {
		t.Errorf("%q: we say %v (%q), Python opens it: %t", c.text, err, word, theirs != nil)
		return false
	}
	rotated, was, rotation := r.Rotate(c.text)
	theirRotated := ask("rotate", nil, 0)
	if (rotation == nil) != (err == nil) || (theirRotated != nil) != (err == nil) {
		t.Errorf("%q: we rotate it: %v, Python: %t", c.text, rotation, theirRotated != nil)
		return false
	}
	stamp := ask("extract_timestamp", nil, 0)
	if err != nil {
		if stamp != nil {
			t.Errorf("%q: Python reads the clock %s", c.text, *stamp)
		}
		return false
	}
	if *theirs != base64.StdEncoding.EncodeToString(o.Plaintext) || o.Time() != sealed || *stamp != strconv.FormatUint(sealed, 10) {
		t.Errorf("%q holds %q of %d, Python reads %s of %s", c.text, o.Plaintext, o.Time(), *theirs, *stamp)
	}
	newest := ring(t, c.keys[0])
	for _, text := range []string{rotated, *theirRotated} {
		again, err := newest.Open(text)
		if err != nil || !bytes.Equal(again.Plaintext, was.Plaintext) || again.Time() != sealed || text == c.text {
			t.Errorf("%q, rotated: %q of %d, %v", c.text, again.Plaintext, again.Time(), err)
		}
		clock := c.p.answer(question{Do: "extract_timestamp", Keys: revealed(c.keys[0]), Token: text})
		if clock == nil || *clock != *stamp {
			t.Errorf("%q, rotated: Python does not read the clock %s", c.text, *stamp)
		}
	}
	ttl := random.Int64N(1_000_000)
	for _, now := range borders(sealed, ttl) {
		accepted := ask("decrypt_at_time", &ttl, now) != nil
		if err := o.CheckAge(time.Duration(ttl)*time.Second, time.Unix(now, 0)); (err == nil) != accepted {
			t.Errorf("sealed at %d, time to live %d, now %d: we say %v, Python accepts %t", sealed, ttl, now, err, accepted)
		}
	}
	return true
}

// borders are the seconds around which a token begins to be too old, or is from too far in the future.
func borders(sealed uint64, ttl int64) []int64 {
	if sealed > 1<<62 {
		return []int64{0, math.MaxInt64}
	}
	old, early := int64(sealed)+ttl, int64(sealed)-60
	return []int64{old - 1, old, old + 1, early - 1, early, early + 1}
}

func randomKeys(random *rand.Rand) []Key {
	keys := make([]Key, 1+random.IntN(4))
	for i := range keys {
		keys[i] = NewKey([KeySize]byte(randomBytes(random, KeySize)))
	}
	return keys
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// randomSeconds is any time that a token can have, mostly one of ours.
func randomSeconds(random *rand.Rand) uint64 {
	switch random.IntN(4) {
	case 0:
		return random.Uint64N(1000)
	case 1:
		return random.Uint64()
	}
	return 1_700_000_000 + random.Uint64N(1<<28)
}
