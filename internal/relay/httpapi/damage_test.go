package httpapi_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// damagedStore has lost all entries.
type damagedStore struct{ relay.Store }

func (damagedStore) Entries(context.Context, int64, int64, int64, func(*thingspeak.Entry) error) error {
	return nil
}

// TestDamagedDatabase: a feed that has lost entries is no empty feed. Its readers get 503, and the log says why.
func TestDamagedDatabase(t *testing.T) {
	var log bytes.Buffer
	r := relay.New(damagedStore{storetest.NewMemory()}, relay.Limits{ValueBytes: 255, MessageBytes: 3000, Results: 100})
	h := httpapi.New(r, httpapi.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	c, err := r.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Update(t.Context(), relay.Update{Key: c.Keys[0].Text, Entries: make([]relay.NewEntry, 1)}); err != nil {
		t.Fatal(err)
	}
	for _, leaf := range []string{
		"feeds.csv", "feeds.json", "feeds.xml", "feeds.json?average=10", "feeds/last.json", "feeds/1.csv", "fields/1.csv",
	} {
		log.Reset()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/channels/%d/%s", c.ID, leaf), nil))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d, want 503; body %q", leaf, w.Code, w.Body)
		}
		if !strings.Contains(log.String(), "the database is damaged") {
			t.Errorf("%s: the log says %q", leaf, log.String())
		}
	}
}
