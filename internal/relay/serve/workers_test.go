package serve

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
)

// TestWorkers: every request is answered once, whatever others do, and nobody is left behind.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := make(chan struct{})
		w := newWorkers(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				<-all
			}
			fmt.Fprint(w, r.Method, r.URL.Path)
		}))
		ask := func(method, path string) {
			got := httptest.NewRecorder()
			w.ServeHTTP(got, httptest.NewRequest(method, path, nil))
			if got.Body.String() != method+path {
				t.Errorf("%s %s is answered %q", method, path, got.Body)
			}
		}
		var asking sync.WaitGroup
		for range 2 * maxIdleWorkers {
			asking.Go(func() { ask(http.MethodGet, "/wait") })
			asking.Go(func() { ask(http.MethodPost, "/wait") })
		}
		synctest.Wait()
		ask(http.MethodGet, "/beside")
		close(all)
		asking.Wait()
		if n := len(w.idle); n != maxIdleWorkers {
			t.Errorf("%d workers are idle, want %d", n, maxIdleWorkers)
		}
		for range 3 {
			ask(http.MethodHead, "/again")
		}
		w.close()
	})
}

// TestWorkersPanic: a panic goes where the server expects it, and the worker goes on.
func TestWorkersPanic(t *testing.T) {
	w := newWorkers(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
	}))
	defer w.close()
	for range 3 {
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
					t.Errorf("recovered %v", err)
				}
			}()
			w.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/panic", nil))
		}()
		w.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	if n := len(w.idle); n != 1 {
		t.Errorf("%d workers are idle, want 1", n)
	}
}
