package httpapi

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/relay/storetest"
)

// readAll is what readBody makes of a body; length is -1 for one that does not tell.
func readAll(t *testing.T, a *api, body io.Reader, length, most int64) (string, *request, error) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.ContentLength = length
	q := &request{Request: r}
	got, err := a.readBody(httptest.NewRecorder(), q, most)
	return string(got), q, err
}

func TestReadBody(t *testing.T) {
	a, _ := newAPI(t, nil)
	for _, size := range []int{0, 1, firstRead - 1, firstRead, firstRead + 1, smallBody, 3*smallBody + 7, 1 << 20} {
		text := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		for name, length := range map[string]int64{"known": int64(size), "unknown": -1} {
			for kind, body := range map[string]io.Reader{
				"at once": strings.NewReader(text), "halves": iotest.HalfReader(strings.NewReader(text)),
				"end with data": iotest.DataErrReader(strings.NewReader(text)),
			} {
				got, q, err := readAll(t, a, body, length, 1<<20)
				if err != nil || got != text {
					t.Errorf("%d bytes of %s length, %s: %d bytes, %v", size, name, kind, len(got), err)
				}
				if held := a.held.Load(); held != q.held || held > 0 && held < int64(size) {
					t.Errorf("%d bytes: %d are counted, %d for the request", size, held, q.held)
				}
				a.release(q)
			}
		}
	}
	if held := a.held.Load(); held != 0 {
		t.Errorf("in the end %d bytes are counted", held)
	}
}

func TestReadBodyRefuses(t *testing.T) {
	a, _ := newAPI(t, nil)
	for _, tt := range []struct {
		name   string
		body   io.Reader
		length int64
		want   int
	}{
		{"too long, announced", strings.NewReader("12345"), 5, http.StatusRequestEntityTooLarge},
		{"too long, not announced", strings.NewReader("12345"), -1, http.StatusRequestEntityTooLarge},
		{"much too long", strings.NewReader(strings.Repeat("x", 1<<20)), -1, http.StatusRequestEntityTooLarge},
		{"shorter than announced", strings.NewReader("123"), 4, http.StatusBadRequest},
		{"broken", iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("1234"))), -1, http.StatusBadRequest},
	} {
		_, _, err := readAll(t, a, tt.body, tt.length, 4)
		if e, ok := errors.AsType[*form.Error](err); !ok || codeOf(e.Fault).Status() != tt.want {
			t.Errorf("%s: %v, want status %d", tt.name, err, tt.want)
		}
	}
}

// TestHeldBodies: large bodies are bounded together, and small ones pass all the same.
func TestHeldBodies(t *testing.T) {
	a, _ := newAPI(t, nil)
	a.held.Store(maxHeld)
	large := strings.NewReader(strings.Repeat("x", smallBody+1))
	if _, _, err := readAll(t, a, large, smallBody+1, 1<<20); !errors.Is(err, errBusy) {
		t.Errorf("a large body beside %d bytes: %v", maxHeld, err)
	}
	small := strings.NewReader(strings.Repeat("x", smallBody))
	if _, _, err := readAll(t, a, small, smallBody, 1<<20); err != nil {
		t.Errorf("a small body beside %d bytes: %v", maxHeld, err)
	}
	if held := a.held.Load(); held != maxHeld {
		t.Errorf("%d bytes are counted, want %d", held, maxHeld)
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/update", strings.NewReader(strings.Repeat("x", 2*smallBody))))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("the answer is %d %v", w.Code, w.Header())
	}
}

func TestBulkBody(t *testing.T) {
	for name, want := range map[string]int64{
		relay.PresetFree: maxBody + 3*960*3000, relay.PresetPaid: maxBulkBody, relay.PresetNone: maxBulkBody,
	} {
		limits, err := relay.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		a := New(relay.New(storetest.NewMemory(), limits), Options{}).(*api)
		if got := a.bulkBody(); got != want {
			t.Errorf("with limits %s a bulk call has %d bytes, want %d", name, got, want)
		}
	}
}
