package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// LoopError refuses a gateway whose own rooms would be sent to itself, and be taken for readings again.
type LoopError struct{ Cloud string }

func (e *LoopError) Error() string {
	return fmt.Sprintf("the relay %s of a room leads back to this gateway", e.Cloud)
}

// Self is by what a gateway knows its own answers, whatever name or address they come by. It says nothing to others.
type Self struct{ id string }

// NewSelf makes the mark of one start.
func NewSelf() Self { return Self{rand.Text()} }

// selfHeader is the header of all answers that carries the mark.
const selfHeader = "Fernpost-Gateway"

// Mind returns a [*LoopError] for an answer of this gateway to itself. Whoever asks the relays of rooms calls it with each answer:
// a room is read before anything is posted there.
func (s Self) Mind(answer *http.Response) error {
	if s.id == "" || answer.Header.Get(selfHeader) != s.id {
		return nil
	}
	cloud := url.URL{}
	if answer.Request != nil {
		cloud.Scheme, cloud.Host = answer.Request.URL.Scheme, answer.Request.URL.Host
	}
	return &LoopError{cloud.String()}
}

// lookTimeout is how long the start waits for a cloud that does not answer. It is minded later all the same.
const lookTimeout = 3 * time.Second

// leadsBack asks the clouds that have the port of the gateway, which answers already, and returns a [*LoopError] if that has answered.
func (s Self) leadsBack(ctx context.Context, clouds []string, at net.Addr) error {
	port := fmt.Sprint(at.(*net.TCPAddr).Port)
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var asking sync.WaitGroup
	found := make([]error, len(clouds))
	for i, cloud := range clouds {
		u, err := url.Parse(cloud)
		if err != nil || cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme]) != port {
			continue
		}
		asking.Go(func() {
			if s.answers(ctx, "http://"+net.JoinHostPort(u.Hostname(), port)+"/healthz") {
				found[i] = &LoopError{cloud}
			}
		})
	}
	asking.Wait()
	for _, err := range found {
		if err != nil {
			return err
		}
	}
	return nil
}

// answers reports whether it is this gateway that answers at an address. Whoever does not answer is another one.
func (s Self) answers(ctx context.Context, address string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return false
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && s.Mind(answer) != nil
}
