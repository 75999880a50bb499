package fernet

import (
	"bytes"
	"encoding/json"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/token"
)

// What testdata/crosscheck.py is asked to do.
type pythonJobs struct {
	Seal []pythonSeal `json:"seal"`
	Open []pythonOpen `json:"open"`
}

type pythonSeal struct {
	Keys    []string `json:"keys"`
	Message []byte   `json:"message"`
	Time    uint64   `json:"time"`
}

// pythonOpen has a TTL in seconds, or nil where the age is not to be judged.
type pythonOpen struct {
	Keys  []string `json:"keys"`
	Token string   `json:"token"`
	TTL   *int64   `json:"ttl"`
	Now   int64    `json:"now"`
}

// pythonResults are the tokens sealed, and the messages opened: nil where Python refused.
type pythonResults struct {
	Seal []string  `json:"seal"`
	Open []*[]byte `json:"open"`
}

// askPython lets Python's cryptography do the jobs.
func askPython(t *testing.T, jobs pythonJobs) pythonResults {
	t.Helper()
	input, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), "testdata/crosscheck.py")
	cmd.Stdin = bytes.NewReader(input)
	cmd.Stderr = t.Output()
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	var results pythonResults
	if err := json.Unmarshal(output, &results); err != nil {
		t.Fatalf("%v wrote %q: %v", cmd, output, err)
	}
	if len(results.Seal) != len(jobs.Seal) || len(results.Open) != len(jobs.Open) {
		t.Fatalf("%v answered %d and %d of %d and %d jobs",
			cmd, len(results.Seal), len(results.Open), len(jobs.Seal), len(jobs.Open))
	}
	return results
}

func revealed(keys ...Key) []string {
	var texts []string
	for _, k := range keys {
		texts = append(texts, k.Reveal())
	}
	return texts
}

// messages has the lengths around a block's and a cell's edge, and content of every kind.
func messages() [][]byte {
	var all [][]byte
	for _, n := range []int{0, 1, 15, 16, 17, 127, 128} {
		binary := make([]byte, n)
		for i := range binary {
			binary[i] = byte(255 - i)
		}
		all = append(all, binary)
	}
	return append(all, []byte("hello"), []byte("Grüße, 你好, 🌿"),
		bytes.Repeat([]byte{0}, 32), bytes.Repeat([]byte{16}, 16))
}

func TestOpenWhatPythonSeals(t *testing.T) {
	newest, older := GenerateKey(), GenerateKey()
	var jobs pythonJobs
	for _, message := range messages() {
		for _, keys := range [][]Key{{newest, older}, {older}} {
			jobs.Seal = append(jobs.Seal, pythonSeal{revealed(keys...), message, uint64(sealedAt.Unix())})
		}
	}
	r := ring(t, newest, older)
	for i, text := range askPython(t, jobs).Seal {
		message := jobs.Seal[i].Message
		o, err := r.Open(text)
		if err != nil {
			t.Errorf("Open(%q): %v", text, err)
			continue
		}
		at := sealedAt.Truncate(time.Second)
		if !bytes.Equal(o.Plaintext, message) || o.SealedAt != at || o.KeyIndex != i%2 {
			t.Errorf("Open(%q) = %q with key %d at %v, want %q", text, o.Plaintext, o.KeyIndex, o.SealedAt, message)
		}
	}
}

func TestPythonOpensWhatWeSeal(t *testing.T) {
	newest, older := GenerateKey(), GenerateKey()
	ours := ring(t, newest, older)
	var jobs pythonJobs
	var want []*[]byte
	ask := func(keys []Key, text string, answer *[]byte) {
		jobs.Open = append(jobs.Open, pythonOpen{Keys: revealed(keys...), Token: text})
		want = append(want, answer)
	}
	for _, message := range messages() {
		text, err := ours.Seal(message, sealedAt)
		if err != nil {
			t.Fatal(err)
		}
		ask([]Key{newest}, text, &message)
		ask([]Key{older, newest}, text, &message)
		ask([]Key{older}, text, nil) // the newest key sealed
	}
	if diff := cmp.Diff(want, askPython(t, jobs).Open); diff != "" {
		t.Errorf("what Python opened (-want +got):\n%s", diff)
	}
}

// Python's base64 passes over what is none, so that one token has many forms there: here it has one, but for what carriers leave, of
// which Python refuses some. The README lists both; that the two do "the same to the byte" was untrue for these.
func TestFormsOfATokenThatOnlyOneOfBothOpens(t *testing.T) {
	k := key(1, 2)
	r := ring(t, k)
	text := sealAt(k, 1_700_000_000, [token.IVSize]byte{}, bytes.Repeat([]byte("hello"), 15))
	if !strings.Contains(text, "-") || !strings.Contains(text, "_") || !strings.HasSuffix(text, "=") {
		t.Fatalf("%s shows nothing of the two alphabets, or of padding", text)
	}
	forms := []struct {
		name, text   string
		python, ours bool
	}{
		{"canonical", text, true, true},
		{"white space around", " " + text + "\r\n", true, true},
		{"folded over two lines", text[:40] + "\n" + text[40:], true, false},
		{"with a blank in it", text[:40] + " " + text[40:], true, false},
		{"in quotes", `"` + text + `"`, true, false},
		{"in single quotes", "'" + text + "'", true, false},
		{"followed by !!", text + "!!", true, false},
		{"standard base64", strings.NewReplacer("-", "+", "_", "/").Replace(text), true, false},
		{"more padding", text + "==", true, false},
		{"without padding", strings.TrimRight(text, "="), false, true},
		{"as Python prints bytes", "b'" + text + "'", false, true},
	}
	var jobs pythonJobs
	for _, f := range forms {
		jobs.Open = append(jobs.Open, pythonOpen{Keys: revealed(k), Token: f.text})
	}
	for i, got := range askPython(t, jobs).Open {
		f := forms[i]
		bare, _ := token.Unwrap(f.text)
		_, err := r.Open(bare)
		if (got != nil) != f.python || (err == nil) != f.ours {
			t.Errorf("%s: Python opens it %t, want %t; we %t (%v), want %t", f.name, got != nil, f.python, err == nil, err, f.ours)
		}
	}
}

// Python and CheckAge judge alike at every edge, also where 64 bits end and time runs backwards.
func TestAgeAgreesWithPython(t *testing.T) {
	k := key(1, 2)
	r := ring(t, k)
	var jobs pythonJobs
	var want []bool
	for _, sealed := range []uint64{
		0, 1, 60, 1_700_000_000, 1 << 32, 1<<62 + 5, 1 << 63, math.MaxUint64 - 60, math.MaxUint64,
	} {
		text := sealAt(k, sealed, [token.IVSize]byte{}, []byte("hello"))
		o, err := r.Open(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, ttl := range []int64{0, 1, 60, 86400, math.MaxInt64 / int64(time.Second), -1, -60, -61, -86400} {
			edges := map[int64]bool{0: true, -1: true, -60: true, -61: true, 1_700_000_000: true, 1 << 61: true}
			if sealed <= 1<<62+5 {
				for _, edge := range []int64{int64(sealed), int64(sealed) + ttl, int64(sealed) - 60} {
					edges[edge-1], edges[edge], edges[edge+1] = true, true, true
				}
			}
			for now := range edges {
				jobs.Open = append(jobs.Open, pythonOpen{revealed(k), text, &ttl, now})
				want = append(want, o.CheckAge(time.Duration(ttl)*time.Second, time.Unix(now, 0)) == nil)
			}
		}
	}
	accepted := 0
	for i, got := range askPython(t, jobs).Open {
		if got != nil {
			accepted++
		}
		if job := jobs.Open[i]; (got != nil) != want[i] {
			t.Errorf("token %s, TTL %d, now %d: Python accepts %t, CheckAge %t",
				job.Token, *job.TTL, job.Now, got != nil, want[i])
		}
	}
	if accepted == 0 || accepted == len(jobs.Open) {
		t.Errorf("Python accepted %d of %d: the cases prove nothing", accepted, len(jobs.Open))
	}
}

// Python refuses, as Open does, what somebody with the key makes wrong behind a valid MAC.
func TestHostileBodiesAgreeWithPython(t *testing.T) {
	k := key(1, 2)
	r := ring(t, k)
	iv := [token.IVSize]byte{1, 2, 3}
	var jobs pythonJobs
	var want []*[]byte
	ask := func(body []byte) {
		text := sealBody(k, 1, iv, body)
		jobs.Open = append(jobs.Open, pythonOpen{Keys: revealed(k), Token: text})
		var answer *[]byte
		if o, err := r.Open(text); err == nil {
			answer = &o.Plaintext
		}
		want = append(want, answer)
	}
	for n := range 34 {
		ask(make([]byte, n))
	}
	for last := range 256 {
		block := bytes.Repeat([]byte{byte(last)}, 2*token.BlockSize)
		ask(encrypt(k, iv, block))
		block[31-min(last, 15)] ^= 1 // one byte of the padding, or before it
		ask(encrypt(k, iv, block))
		ask(encrypt(k, iv, append([]byte("fifteen letters"), byte(last))))
	}
	if diff := cmp.Diff(want, askPython(t, jobs).Open); diff != "" {
		t.Errorf("what Python opened (-ours +Python):\n%s", diff)
	}
}
