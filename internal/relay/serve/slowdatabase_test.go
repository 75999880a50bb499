package serve_test

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/serve"
)

// syncBuffer takes a log from several goroutines.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestADatabaseThatDoesNotAnswerIsTold: a relay was silent for ten seconds while it tried to reach its database.
func TestADatabaseThatDoesNotAnswerIsTold(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0") // the system takes connections, and nobody says anything
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	var log syncBuffer
	_, err = serve.Start(t.Context(), serve.Options{
		Listen: "127.0.0.1:0", Store: "postgres://relay@" + mute.Addr().String() + "/relay?sslmode=disable",
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err == nil {
		t.Fatal("a relay has opened a database that says nothing")
	}
	if !strings.Contains(log.String(), "the database does not answer yet") {
		t.Errorf("logged: %q (%v)", log.String(), err)
	}
}
