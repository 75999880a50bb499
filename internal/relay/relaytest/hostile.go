package relaytest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Raw takes the connection over and closes it when play is done. What play writes is all that the client gets.
func Raw(play func(conn net.Conn)) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer conn.Close()
		play(conn)
	}
}

// Hostile are answers that want to be waited for, or to fill a memory, whatever the question was. Each goes on until the
// client hangs up.
func Hostile() map[string]Fault {
	const (
		ok     = "HTTP/1.1 200 OK\r\n"
		whole  = ok + "Content-Length: 1000000\r\n\r\n"
		head   = ok + "\r\n" // the body ends with the connection
		chunks = ok + "Transfer-Encoding: chunked\r\n\r\n"
		feed   = "created_at,entry_id,field1\n"
		row    = "2026-11-20 10:00:00 UTC,1,x\n"
	)
	return map[string]Fault{
		"no answer":                  answer(""),
		"101":                        answer("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
		"101 without upgrade":        answer("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
		"early hints without end":    drip("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 0),
		"early hints, slowly":        drip("", "HTTP/1.1 103 Early Hints\r\n\r\n", 2*time.Second),
		"continue, slowly":           drip("", "HTTP/1.1 100 Continue\r\n\r\n", time.Second),
		"a status line without end":  drip("HTTP/1.1 200 ", "OK ", 0),
		"headers without end":        drip(ok, "X-More: "+strings.Repeat("x", 200)+"\r\n", 0),
		"headers, slowly":            drip(ok, "X", time.Second),
		"the body, slowly":           drip(head+feed, "1", time.Second),
		"the body, just fast enough": drip(head+feed, strings.Repeat(row, 50), 9*time.Second),
		"the body stops":             answer(whole + feed + row),
		"rows without end":           drip(head+feed, strings.Repeat(row, 100), 0),
		"a line without end":         drip(head, strings.Repeat("1", 1000), 0),
		"a page without end":         drip(head+"<!doctype html><title>Log in</title>", "<p>Hello!</p>", 0),
		"an error without end":       drip("HTTP/1.1 400 Bad Request\r\n\r\n", "no ", time.Second),
		"no content, but more":       drip("HTTP/1.1 204 No Content\r\n\r\n", "x", time.Second),
		"206":                        drip("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\n\r\n"+feed, row, time.Second),
		"304":                        answer("HTTP/1.1 304 Not Modified\r\n\r\n"),
		"a redirect to itself":       answer("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1000\r\n\r\n"),
		"two lengths":                answer(ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n123"),
		"a length below 0":           answer(ok + "Content-Length: -1\r\n\r\n123"),
		"chunks of nonsense":         answer(chunks + "zz\r\n123\r\n"),
		"a chunk's extension":        drip(chunks+"3;", "x", 0),
		"trailers without end":       drip(chunks+"3\r\n123\r\n0\r\n", "X-More: x\r\n", 0),
		"a bomb":                     drip(ok+"Content-Encoding: gzip\r\n\r\n", zipped(strings.Repeat("1", 1<<20)), 0),
		"not even HTTP":              answer("SSH-2.0-OpenSSH_9.9\r\n"),
		"cut":                        Raw(func(net.Conn) {}),
		"cut within":                 Raw(func(c net.Conn) { _, _ = io.WriteString(c, whole+feed) }),
		"busy":                       AnswerWith(http.Header{"Retry-After": {"30"}}, http.StatusServiceUnavailable, "later"),
		"busy for a year":            AnswerWith(http.Header{"Retry-After": {"31536000"}}, http.StatusServiceUnavailable, "later"),
		"an HTML page":               Answer(http.StatusOK, "text/html", "<!doctype html><title>Log in</title>"),
		"a number without end":       Answer(http.StatusOK, "text/plain", strings.Repeat("1", 1<<20)),
	}
}

// answer sends something and then nothing more.
func answer(text string) Fault {
	return Raw(func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn) // until the client hangs up
	})
}

// drip sends something and then the same again and again, a pause before each; without a pause in large pieces.
func drip(first, again string, every time.Duration) Fault {
	if every == 0 {
		again = strings.Repeat(again, 1+(64<<10)/len(again))
	}
	return Raw(func(conn net.Conn) {
		for _, err := io.WriteString(conn, first); err == nil; _, err = io.WriteString(conn, again) {
			time.Sleep(every)
		}
	})
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}
