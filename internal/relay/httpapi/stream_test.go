package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
)

// once calls do at the first write.
type once struct {
	http.ResponseWriter
	do func()
}

func (o *once) Write(b []byte) (int, error) {
	if o.do != nil {
		o.do()
		o.do = nil
	}
	return o.ResponseWriter.Write(b)
}

// TestExportThatIsCut: an export that loses its entries, or the store, on the way does not end as if it were whole.
func TestExportThatIsCut(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*api, int64, func(error))
		cut  bool
	}{
		{"undisturbed", func(*api, int64, func(error)) {}, false},
		{"cleared", func(a *api, id int64, _ func(error)) {
			if err := a.relay.ClearChannel(t.Context(), relay.LocalAccountID, id); err != nil {
				t.Error(err)
			}
		}, true},
		{"no store", func(_ *api, _ int64, fail func(error)) { fail(errors.New("disk full")) }, true},
	} {
		a, memory := newAPI(t, nil)
		c, err := a.relay.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
		if err != nil {
			t.Fatal(err)
		}
		update := relay.Update{Channel: c.ID, Key: c.Keys[0].Text, Bulk: true, Entries: make([]relay.NewEntry, 2500)}
		if _, err := a.relay.Update(t.Context(), update); err != nil {
			t.Fatal(err)
		}
		w := &once{ResponseWriter: httptest.NewRecorder(), do: func() { tt.do(a, c.ID, memory.Fail) }}
		cut := func() (cut bool) {
			defer func() {
				if p := recover(); p != nil {
					cut = p == http.ErrAbortHandler
				}
			}()
			a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/stream/channels/%d/feeds", c.ID), nil))
			return false
		}()
		if cut != tt.cut {
			t.Errorf("%s: the connection was cut: %v, want %v", tt.name, cut, tt.cut)
		}
	}
}
