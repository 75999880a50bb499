package web

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/gateway"
)

// noTime is the date of files that have none: their hash says whether they have changed.
var noTime time.Time

// maxRequest is the longest body that a page sends to whoever serves it, in bytes.
const maxRequest = 64 << 10

// bears reports whether a request shows a token, in the header Authorization.
func bears(r *http.Request, token string) bool {
	shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && token != "" && subtle.ConstantTimeCompare([]byte(shown), []byte(token)) == 1
}

// only lets those in who bear a token.
func only(token string, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !bears(r, token) {
			refuse(w, http.StatusUnauthorized, "this takes the token in the address that was printed at the start")
			return
		}
		serve(w, r)
	}
}

// refuse answers with a problem (RFC 9457).
func refuse(w http.ResponseWriter, status int, detail string) {
	setPageHeaders(w.Header(), policy)
	gateway.Refuse(w, status, detail)
}

// answerJSON answers with JSON, which nobody keeps.
func answerJSON(w http.ResponseWriter, value any) {
	setPageHeaders(w.Header(), policy)
	if err := gateway.SendJSON(w, http.StatusOK, value); err != nil {
		panic(err) // unreachable: values are of our own types
	}
}

// readJSON reads the body of a request into a value. What it says of an error is for the client.
func readJSON(w http.ResponseWriter, r *http.Request, value any) error {
	body, err := gateway.ReadBody(w, r, maxRequest)
	if err != nil {
		return err
	}
	return parseJSON(body, value)
}

func parseJSON(text []byte, value any) error {
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(value); err != nil {
		return errors.New("that is not the JSON that is wanted here")
	}
	return nil
}

// streamWrite is how long a page may take to fetch a part of a stream, and alive how often a stream shows that it is there.
const (
	streamWrite = 20 * time.Second
	alive       = 15 * time.Second
)

// follow writes the lines of up to three journals as they come, until the request ends or ending is closed: then those that are there.
func follow(w http.ResponseWriter, r *http.Request, ending <-chan struct{}, journals ...*journal) {
	setPageHeaders(w.Header(), policy)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	at := make([]int, len(journals))
	silence := time.NewTicker(alive)
	defer silence.Stop()
	for over := false; ; {
		var news [][]byte
		changed := make([]<-chan struct{}, 3) // a nil channel never wakes
		for i, j := range journals {
			var lines [][]byte
			lines, at[i], changed[i] = j.from(at[i])
			news = append(news, lines...)
		}
		if len(news) == 0 {
			news = [][]byte{{'\n'}}
		}
		for _, line := range news { // one by one: together they would be a copy of all for each page
			_ = control.SetWriteDeadline(time.Now().Add(streamWrite))
			if _, err := w.Write(line); err != nil {
				return
			}
		}
		if control.Flush() != nil || over {
			return
		}
		select {
		case <-changed[0]:
		case <-changed[1]:
		case <-changed[2]:
		case <-silence.C:
		case <-ending:
			over = true
		case <-r.Context().Done():
			return
		}
	}
}
