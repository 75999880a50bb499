package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/testenv"
)

// lessonTexts are texts in whose spelling two writers of JSON differ.
func lessonTexts() []string {
	all := []string{
		"", "hello", "Grüße, 你好", "🌿 and 𝄞", "a\"b\\c/d", "<script>&amp;</script>", "\u007f\u0080\u00a0\u2028\u2029\ufeff\uffff",
		"line\r\n\ttab\b\f\v\x00", "\u200d\u202e", "e\u0301", "\U0010ffff", "'single'", "=+-_", "\ufffd",
	}
	var low strings.Builder
	for c := range rune(0x120) {
		low.WriteRune(c)
	}
	return append(all, low.String())
}

// TestAnswersAreFlasks holds the answers against what Flask wrote, or Python's json.dumps does now.
func TestAnswersAreFlasks(t *testing.T) {
	var written []string
	kept, err := os.ReadFile("testdata/flask.json")
	if err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, from []byte) {
		if err := json.Unmarshal(from, &written); err != nil {
			t.Fatal(err)
		}
		var ours []string
		for _, text := range lessonTexts() {
			ours = append(ours, string(appendFlaskJSON(nil, "decrypted_data", text)))
		}
		if d := cmp.Diff(written, ours); d != "" {
			t.Error(d)
		}
	}
	t.Run("kept", func(t *testing.T) { check(t, kept) })
	t.Run("now", func(t *testing.T) {
		texts, err := json.Marshal(lessonTexts())
		if err != nil {
			t.Fatal(err)
		}
		cmd := testenv.Command(t, testenv.Python(t), "testdata/answers.py")
		cmd.Stdin, cmd.Stderr = bytes.NewReader(texts), t.Output()
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		check(t, out)
	})
}

// newTestHandler is a gateway of its own home, and the token that may do everything there.
func newTestHandler(t testing.TB, o Options) (h *handler, admin string, grants *Grants) {
	t.Helper()
	grants, err := OpenGrants(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := grants.Close(); err != nil {
			t.Error(err)
		}
	})
	if admin, err = grants.first(); err != nil {
		t.Fatal(err)
	}
	return newHandler(o, grants, newClients(o.Log)), admin, grants
}

func testKeys(t testing.TB) func() (fernet.Ring, error) {
	t.Helper()
	ring, err := fernet.NewRing(fernet.NewKey([32]byte{7}))
	if err != nil {
		t.Fatal(err)
	}
	return func() (fernet.Ring, error) { return ring, nil }
}

// post sends JSON to a door and returns the answer.
func post(h http.Handler, path, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://localhost"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestLessonRoundTrip: what was encrypted is decrypted, every text of it.
func TestLessonRoundTrip(t *testing.T) {
	h, token, _ := newTestHandler(t, Options{Keys: testKeys(t)})
	for _, text := range lessonTexts() {
		body, err := json.Marshal(map[string]string{"data": text})
		if err != nil {
			t.Fatal(err)
		}
		sealed := post(h, "/encrypt", token, string(body))
		var answer struct {
			Data string `json:"encrypted_data"`
		}
		if err := json.Unmarshal(sealed.Body.Bytes(), &answer); err != nil || sealed.Code != http.StatusOK {
			t.Fatalf("%q: %d %s, %v", text, sealed.Code, sealed.Body, err)
		}
		if want := `{"encrypted_data":"` + answer.Data + "\"}\n"; sealed.Body.String() != want {
			t.Errorf("%q is answered with %q, want %q", text, sealed.Body, want)
		}
		opened := post(h, "/decrypt", token, `{"encrypted_data": "`+answer.Data+`"}`)
		if want := string(appendFlaskJSON(nil, "decrypted_data", text)); opened.Body.String() != want || opened.Code != http.StatusOK {
			t.Errorf("%q comes back as %d %q, want %q", text, opened.Code, opened.Body, want)
		}
		if kind := opened.Header().Get("Content-Type"); kind != "application/json" {
			t.Errorf("it is called %q", kind)
		}
	}
}

// TestLessonRefusals: where the tutorials' example crashes there are words, and no 500.
func TestLessonRefusals(t *testing.T) {
	keys := testKeys(t)
	h, token, _ := newTestHandler(t, Options{Keys: keys})
	ring, err := keys()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := ring.Seal([]byte{0xff, 0xfe}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	other, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	strange, err := other.Seal([]byte("hello"), testTime)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/encrypt", `{"data": 5}`, 400, "is no text"},
		{"/encrypt", `{"data": null}`, 400, "is no text"},
		{"/encrypt", `{"DATA": "x"}`, 400, "the body has no"},
		{"/encrypt", `["data"]`, 400, "no JSON object"},
		{"/encrypt", `{"data": "x"} trailing`, 400, "no JSON object"},
		{"/encrypt", ``, 400, "no JSON object"},
		{"/encrypt", "{\"data\": \"\xff\"}", 400, "no UTF-8"},
		{"/encrypt", `{"data": "\ud800"}`, 400, "half of a surrogate pair"},
		{"/encrypt", `{"data": "\udc00\ud800"}`, 400, "half of a surrogate pair"},
		{"/encrypt", `{"data": "\\ud800"}`, 200, ""},
		{"/encrypt", `{"data": "\ud83c\udf3f\\"}`, 200, ""},
		{"/encrypt", `{"data": "` + strings.Repeat("x", maxLesson) + `"}`, 413, "longer than 1048576 bytes"},
		{"/decrypt", `{"encrypted_data": "hello"}`, 400, "base64"},
		{"/decrypt", `{"encrypted_data": ""}`, 400, ""},
		{"/decrypt", `{"encrypted_data": "` + strange + `"}`, 422, "no key opens this token"},
		{"/decrypt", `{"encrypted_data": "` + strange[:50] + `"}`, 400, "cut short"},
		{"/decrypt", `{"encrypted_data": "` + binary + `"}`, 422, "2 bytes that are no UTF-8"},
		{"/decrypt", `{"data": "x"}`, 400, `has no \"encrypted_data\"`},
	} {
		w := post(h, tt.path, token, tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s %.60s is answered with %d %.200s, want %d and %q", tt.path, tt.body, w.Code, w.Body, tt.status, tt.says)
		}
		var answer map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || tt.status != 200 && answer["error"] == "" {
			t.Errorf("%s %.60s is answered with %q: %v", tt.path, tt.body, w.Body, err)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "http://localhost/encrypt", nil)
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", w.Code, w.Header())
	}
	r = httptest.NewRequest(http.MethodPost, "http://localhost/encrypt", strings.NewReader(`{"data": "x"}`))
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("Authorization", "bearer "+token)
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d", w.Code)
	}
	if h, token, _ := newTestHandler(t, Options{}); post(h, "/encrypt", token, `{"data": "x"}`).Code != http.StatusNotFound {
		t.Error("without keys it encrypts")
	}
}

// TestLessonTokens: each door wants its scope, in the room of the key.
func TestLessonTokens(t *testing.T) {
	h, admin, grants := newTestHandler(t, Options{Keys: testKeys(t), KeysOf: "lab"})
	add := func(g Grant) string {
		t.Helper()
		secret, _, err := grants.Add(g)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	sealed, err := h.keys()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := sealed.Seal([]byte("x"), testTime)
	if err != nil {
		t.Fatal(err)
	}
	reader, writer := Grant{Token: true, Scopes: []Scope{Read}}, Grant{Token: true, Scopes: []Scope{Write}}
	inLab, elsewhere := reader, reader
	inLab.Room, elsewhere.Room = "lab", "attic"
	for name, tt := range map[string]struct {
		token            string
		encrypt, decrypt int
	}{
		"none":             {"", 401, 401},
		"nonsense":         {"fpt_AAAA", 401, 401},
		"admin":            {admin, 200, 200},
		"reader":           {add(reader), 403, 200},
		"writer":           {add(writer), 200, 403},
		"reader here":      {add(inLab), 403, 200},
		"reader elsewhere": {add(elsewhere), 403, 403},
		"a device's key":   {add(Grant{Scopes: []Scope{Read, Write}, Room: "lab", Channel: 7}), 401, 401},
	} {
		if w := post(h, "/encrypt", tt.token, `{"data": "x"}`); w.Code != tt.encrypt {
			t.Errorf("%s encrypts: %d %s", name, w.Code, w.Body)
		} else if challenge := w.Header().Get("WWW-Authenticate"); (challenge != "") != (w.Code == 401) {
			t.Errorf("%s: WWW-Authenticate is %q", name, challenge)
		}
		if w := post(h, "/decrypt", tt.token, `{"encrypted_data": "`+tok+`"}`); w.Code != tt.decrypt {
			t.Errorf("%s decrypts: %d %s", name, w.Code, w.Body)
		}
	}
	all, err := grants.List(true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := grants.Revoke(all[0].ID, true); err != nil {
		t.Fatal(err)
	}
	if w := post(h, "/encrypt", admin, `{"data": "x"}`); w.Code != 401 {
		t.Errorf("after it was revoked the token is answered with %d", w.Code)
	}
}

// TestNoTokenIsForThisMachine: --no-token opens the lesson alone, and to programs on this machine alone.
func TestNoTokenIsForThisMachine(t *testing.T) {
	h, _, _ := newTestHandler(t, Options{Keys: testKeys(t), NoToken: true})
	for from, want := range map[string]int{"127.0.0.1:5": 200, "[::1]:5": 200, "192.168.1.7:5": 401} {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/encrypt", strings.NewReader(`{"data": "x"}`))
		r.Header.Set("Content-Type", "application/json")
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("from %s: %d, want %d", from, w.Code, want)
		}
	}
}

// FuzzMember: whatever a body holds, it is refused in words or gives the text that Python would have read.
func FuzzMember(f *testing.F) {
	for _, s := range []string{`{"data": "x"}`, `{"data": "\ud83c\udf3f"}`, `{"data":"\ud800\\"}`, `{"data":"a","data":"b"}`, `[]`, `{"data":`, ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		text, err := member(body, "data")
		if err != nil {
			return
		}
		var again struct {
			Text string `json:"decrypted_data"`
		}
		written := appendFlaskJSON(nil, "decrypted_data", text)
		if err := json.Unmarshal(written, &again); err != nil || again.Text != text {
			t.Fatalf("%q becomes %q, which is %q, %v", text, written, again.Text, err)
		}
		for _, c := range written[:len(written)-1] {
			if c < ' ' || c > '~' {
				t.Fatalf("%q is not ASCII", written)
			}
		}
	})
}

// TestTokensOfARoomThatWasRemoved: they opened the room that was made under its name, whose members are others.
func TestTokensOfARoomThatWasRemoved(t *testing.T) {
	h, admin, grants := newTestHandler(t, Options{Keys: testKeys(t), KeysOf: "lab"})
	h.rooms = newRooms(t)
	token := func(channel int64) string {
		t.Helper()
		secret, _, err := grants.Add(Grant{Token: true, Scopes: []Scope{Read, Write}, Room: "lab", Channel: channel})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	for secret, want := range map[string]int{admin: 200, token(labChannel): 200, token(4711): 403} {
		if w := post(h, "/encrypt", secret, `{"data": "x"}`); w.Code != want {
			t.Errorf("%d %s, want %d", w.Code, w.Body, want)
		}
	}
}
