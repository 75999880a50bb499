package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/wire"
)

// answer serves one answer to everything, and notes what was asked.
func answer(asked *[]string, status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		*asked = append(*asked, fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("X-THINGSPEAKAPIKEY"), sent))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// A relay of our kind says whether a key writes; whatever another one answers, and be it nonsense, proves nothing and
// keeps nobody out.
func TestProveWriteKeyBelievesOnlyAClearAnswer(t *testing.T) {
	for _, tt := range []struct {
		status  int
		body    string
		proven  bool
		refused bool
	}{
		{status: http.StatusOK, body: `{"may_write":true}`, proven: true},
		{status: http.StatusOK, body: `{"may_write":false}`, refused: true},
		{status: http.StatusOK, body: `{"may_write":null}`},
		{status: http.StatusOK, body: `{"may_write":"true"}`},
		{status: http.StatusOK, body: `{"may_write":1}`},
		{status: http.StatusOK, body: `{}`},
		{status: http.StatusOK, body: `[true]`},
		{status: http.StatusOK, body: `-1`},
		{status: http.StatusOK, body: ``},
		{status: http.StatusOK, body: `<html>{"may_write":false}`},
		{status: http.StatusOK, body: `{"may_write":false}` + strings.Repeat(" ", 1<<20)},
		{status: http.StatusNotFound, body: `{"may_write":false}`},
		{status: http.StatusBadRequest, body: `0`},
		{status: http.StatusUnauthorized, body: `{"status":401}`},
		{status: http.StatusInternalServerError, body: `{"may_write":true}`},
		{status: http.StatusFound, body: `{"may_write":true}`},
	} {
		var asked []string
		proven, err := newClient(t, answer(&asked, tt.status, tt.body)).ProveWriteKey(t.Context())
		problem := ""
		if tt.refused {
			problem = wantRefused(wire.KeyRefused)("ProveWriteKey", err)
		}
		if proven != tt.proven || problem != "" || err != nil && !tt.refused {
			t.Errorf("%d %.40q: %v, %v; %s", tt.status, tt.body, proven, err, problem)
		}
		if want := "GET /channels/4242/may_write.json " + writeKey + " "; len(asked) != 1 || asked[0] != want {
			t.Errorf("%d: asked %q, want %q", tt.status, asked, want)
		}
	}
}

func TestProveWriteKeyOfARelayThatIsAway(t *testing.T) {
	tr := new(http.Transport)
	c := clientOver(t, tr, func(o *remote.Options) { o.BaseURL = "http://127.0.0.1:1" })
	if proven, err := c.ProveWriteKey(t.Context()); proven || err != nil {
		t.Errorf("%v, %v: it is the first update that shows it", proven, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.ProveWriteKey(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	nowhere := clientOver(t, tr, func(o *remote.Options) { o.Channel = 0 })
	if proven, err := nowhere.ProveWriteKey(t.Context()); proven || err == nil {
		t.Errorf("without a channel: %v, %v", proven, err)
	}
}

// Metadata go to the channel itself, under the user key if there is one, and what does not answer with that channel has
// not taken them.
func TestAddMetadataIsAnsweredByTheChannel(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		wrong  string
	}{
		{"taken", http.StatusOK, `{"id":4242,"name":"lab","metadata":"a b&c"}`, ""},
		{"another channel", http.StatusOK, `{"id":4243,"name":"lab"}`, "not the settings of the channel"},
		{"a page", http.StatusOK, `<html><title>Log in</title>`, "HTML page"},
		{"nothing", http.StatusOK, ``, "empty answer"},
		{"a wrong key", http.StatusUnauthorized, `{"status":401}`, "refused the key"},
		{"others there already", http.StatusConflict, `{"status":409}`, "does not allow it"},
	} {
		for _, user := range []remote.Secret{userKey, ""} {
			var asked []string
			c := newClient(t, answer(&asked, tt.status, tt.body), func(o *remote.Options) { o.UserKey = user })
			err := c.AddMetadata(t.Context(), "a b&c")
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.wrong)
			}
			key := user
			if key == "" {
				key = writeKey
			}
			if want := "PUT /channels/4242.json " + string(key) + " metadata=a+b%26c"; len(asked) != 1 || asked[0] != want {
				t.Errorf("%s: asked %q, want %q", tt.name, asked, want)
			}
		}
	}
	var asked []string
	c := newClient(t, answer(&asked, http.StatusOK, ""), func(o *remote.Options) { o.Channel = 0 })
	if err := c.AddMetadata(t.Context(), "x"); err == nil || len(asked) > 0 {
		t.Errorf("without a channel: %v, asked %q", err, asked)
	}
}

func TestRelayProvesAKeyAndAddsMetadata(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, _ *remote.Client) {
		c := clientOver(t, s.Transport(t), func(o *remote.Options) {
			o.BaseURL, o.Channel, o.WriteKey, o.UserKey = s.URL, ch.ID, remote.Secret(ch.WriteKey), ""
		})
		if proven, err := c.ProveWriteKey(t.Context()); !proven || err != nil {
			t.Errorf("the write key: %v, %v", proven, err)
		}
		if err := c.AddMetadata(t.Context(), "a b&c"); err != nil {
			t.Fatal(err)
		}
		if problem := wantRefused(wire.NotAllowed)("AddMetadata", c.AddMetadata(t.Context(), "other")); problem != "" {
			t.Error("in place of them: " + problem)
		}
		if err := c.AddMetadata(t.Context(), "a b&c\nd"); err != nil {
			t.Error(err)
		}
		other := relayClient(t, s, relaytest.Channel{ID: ch.ID, WriteKey: ch.ReadKey, ReadKey: ch.ReadKey})
		proven, err := other.ProveWriteKey(t.Context())
		if problem := wantRefused(wire.KeyRefused)("ProveWriteKey", err); proven || problem != "" {
			t.Errorf("the read key: %v, %v; %s", proven, err, problem)
		}
		if settings, err := c.Channel(t.Context()); err != nil || settings.Metadata != "a b&c\nd" || settings.LastEntryID != 0 {
			t.Errorf("the channel is %+v, %v", settings, err)
		}
	})
}
