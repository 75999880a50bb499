package relaytest

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Fault stands between a client and the relay. It calls next to let the relay do its work.
type Fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// Request is what the server was asked.
type Request struct {
	Method string
	// Target is the path with the query, as it was sent.
	Target string
	Header http.Header
}

// Inject puts a fault before the relay, in place of the one before; nil takes it away. To be selective, wrap it in
// Times and On.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Requests returns what the server was asked since the last call, in order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

func (s *Server) misbehave(relay http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handling.Add(1)
		defer s.handling.Done()
		s.mu.Lock()
		fault := s.fault
		s.seen = append(s.seen, Request{Method: r.Method, Target: r.RequestURI, Header: r.Header.Clone()})
		s.mu.Unlock()
		if fault == nil {
			relay.ServeHTTP(w, r)
			return
		}
		fault(w, r, relay)
	})
}

// Times lets a fault happen to the first n requests that reach it only.
func Times(n int, f Fault) Fault {
	var count atomic.Int64
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if count.Add(1) > int64(n) {
			next.ServeHTTP(w, r)
			return
		}
		f(w, r, next)
	}
}

// On lets a fault happen only to requests whose method and path, such as "POST /update", contain the text.
func On(text string, f Fault) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !strings.Contains(r.Method+" "+r.URL.Path, text) {
			next.ServeHTTP(w, r)
			return
		}
		f(w, r, next)
	}
}

// All combines faults that are each selective: a request passes the first, what that lets through the second, and so on.
func All(faults ...Fault) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		for i := len(faults) - 1; i >= 0; i-- {
			f, inner := faults[i], next
			next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(w, r, inner) })
		}
		next.ServeHTTP(w, r)
	}
}

// LoseRequest closes the connection before the relay has seen the request.
func LoseRequest() Fault {
	return func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }
}

// LoseReply lets the relay do its work and then closes the connection instead of answering.
func LoseReply() Fault {
	return func(_ http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
}

// Answer answers in place of the relay.
func Answer(status int, contentType, body string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body)) // the client may have gone
	}
}

// AnswerWith is Answer with headers, such as Retry-After.
func AnswerWith(header http.Header, status int, body string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// Redirect sends the client to another address.
func Redirect(url string) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, url, http.StatusFound)
	}
}

// Hang answers nothing until the client gives up or the server ends.
func Hang() Fault {
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
}

// Delay waits before the relay sees the request.
func Delay(d time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if wait(r, d) {
			next.ServeHTTP(w, r)
		}
	}
}

// DelayReply waits after the relay has done its work.
func DelayReply(d time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recorded, r)
		if wait(r, d) {
			replay(w, recorded.Code, recorded.Header(), recorded.Body.Bytes())
		}
	}
}

// SlowBody sends the relay's reply a few bytes at a time.
func SlowBody(bytes int, every time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recorded, r)
		replay(w, recorded.Code, recorded.Header(), nil)
		for body := recorded.Body; body.Len() > 0; {
			if _, err := w.Write(body.Next(bytes)); err != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil || !wait(r, every) {
				return
			}
		}
	}
}

// CutBody sends the first n bytes of the relay's reply and closes the connection.
func CutBody(n int) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recorded, r)
		body := recorded.Body.Bytes()
		replay(w, recorded.Code, recorded.Header(), body[:min(n, len(body))])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// RewriteBody changes the body of the relay's replies.
func RewriteBody(change func(body []byte) []byte) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recorded, r)
		body := change(recorded.Body.Bytes())
		recorded.Header().Del("Content-Length")
		replay(w, recorded.Code, recorded.Header(), body)
	}
}

// RewriteRows changes the rows of CSV replies: change gets a row with its line end, the header included, and returns
// what takes its place, which may be nothing or several rows.
func RewriteRows(change func(row string) string) Fault {
	return RewriteBody(func(body []byte) []byte {
		var out []byte
		for row := range bytes.Lines(body) {
			out = append(out, change(string(row))...)
		}
		return out
	})
}

// Stale answers each read as it was answered the first time, whatever was written since. Updates pass.
func Stale() Fault {
	var mu sync.Mutex
	first := map[string]*httptest.ResponseRecorder{}
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodGet || strings.HasPrefix(r.URL.Path, "/update") {
			next.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		recorded := first[r.RequestURI]
		if recorded == nil {
			recorded = httptest.NewRecorder()
			next.ServeHTTP(recorded, r)
			first[r.RequestURI] = recorded
		}
		mu.Unlock()
		replay(w, recorded.Code, recorded.Header(), recorded.Body.Bytes())
	}
}

func replay(w http.ResponseWriter, status int, header http.Header, body []byte) {
	maps.Copy(w.Header(), header)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone
}

// wait reports whether the time passed before the client gave up.
func wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
