// Package socket carries Fernet tokens over plain TCP, as tutorials on sockets do: one token a line, or one until the end
// of the stream. Nothing else crosses the wire: no greeting, no length, no name. Whoever is on the way sees the addresses,
// when and how much, and the clock in each token; and anybody can connect, copy a token and send it again, which looks like
// the first time. Rooms are for those who mind.
package socket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/token"
)

const (
	// MaxText is the most bytes that one token holds here.
	MaxText = 1 << 20
	// maxClients is how many are listened to at once.
	maxClients = 64
	// maxRefused is how many tokens of one connection are refused before it is ended.
	maxRefused = 20
)

// maxLine is the longest token in characters, with what carriers add.
var maxLine = token.EncodedLen(MaxText) + 16

// Why a connection is ended from here.
var (
	// ErrTooLong: what came is longer than any token that is taken.
	ErrTooLong = fmt.Errorf("it sends a line of more than %d bytes, which is no token that is taken here", maxLine)
	// ErrSilent: the peer took longer for a token than [Line.Patience].
	ErrSilent = errors.New("it was silent for too long")
	// ErrStranger: nearly everything that came was refused.
	ErrStranger = fmt.Errorf("%d of its tokens were refused", maxRefused)
	// ErrCrowded: as many are connected as may be.
	ErrCrowded = fmt.Errorf("%d others are connected, the most that are listened to at once", maxClients)
)

// Line says how tokens are sealed, opened and waited for.
type Line struct {
	Keys fernet.Ring
	// TTL is how old a token may be; nil judges no age.
	TTL *time.Duration
	// Patience is how long a peer may take for one token; 0 is for ever.
	Patience time.Duration
}

// Heard is something that has come over a connection, or the end of one that was ended from here.
type Heard struct {
	// Peer is the other side's HOST:PORT.
	Peer string
	// Wire is what was on the wire, without the line end; empty at an end.
	Wire string
	// Opened is what the token holds, if Err is nil.
	Opened fernet.Opened
	// Err is why the token was refused, or why the connection was ended.
	Err error
}

// Ended reports whether this is the end of a connection.
func (h *Heard) Ended() bool { return h.Wire == "" }

// Send seals a text and sends it, with lineEnd behind it. It returns the token.
func (l *Line) Send(conn net.Conn, text []byte, lineEnd string) (tok string, err error) {
	now := time.Now()
	if tok, err = l.Keys.Seal(text, now); err != nil {
		return "", err
	}
	_ = conn.SetWriteDeadline(l.until(now)) // where that fails, the write tells why
	_, err = io.WriteString(conn, tok+lineEnd)
	return tok, err
}

// until is when a peer has to be done, by the clock of now.
func (l *Line) until(now time.Time) time.Time {
	if l.Patience <= 0 {
		return time.Time{}
	}
	return now.Add(l.Patience)
}

// Listen takes what comes over a connection until its end, and tells it in order. The error is that of tell, of the
// context, or of the network.
func (l *Line) Listen(ctx context.Context, conn net.Conn, tell func(Heard) error) error {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	peer, lines, refused := conn.RemoteAddr().String(), newLines(conn), 0
	for {
		_ = conn.SetReadDeadline(l.until(time.Now())) // where that fails, the read tells why
		text, err := lines.next()
		if text != "" {
			h := l.open(text)
			h.Peer = peer
			if h.Err != nil {
				refused++
			}
			if err := tell(h); err != nil {
				return err
			}
		}
		switch {
		case refused >= maxRefused:
			err = ErrStranger
		case err == nil:
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = ErrSilent
		}
		return tell(Heard{Peer: peer, Err: err})
	}
}

// open opens a token, or says why not.
func (l *Line) open(text string) Heard {
	bare, _ := token.Unwrap(text)
	o, err := l.Keys.Open(bare)
	if err == nil && l.TTL != nil {
		err = o.CheckAge(*l.TTL, time.Now())
	}
	if err != nil {
		if _, why := fernet.Refuse(bare, err); why != nil {
			err = why
		}
		return Heard{Wire: text, Err: err}
	}
	return Heard{Wire: text, Opened: o}
}

// Serve listens to all who connect, and tells what comes from one goroutine at a time. It ends with the context, or when
// tell returns an error, which it returns; the listener is closed then, and so are all connections.
func (l *Line) Serve(ctx context.Context, listener net.Listener, tell func(Heard) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	var telling sync.Mutex // held while tell runs
	tellOne := func(h Heard) error {
		telling.Lock()
		defer telling.Unlock()
		if err := context.Cause(ctx); err != nil { // the last one was told
			return err
		}
		err := tell(h)
		if err != nil {
			end(err)
		}
		return err
	}
	places := make(chan struct{}, maxClients)
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			end(err)
			return err
		}
		select {
		case places <- struct{}{}:
			clients.Go(func() {
				defer func() { <-places }()
				defer conn.Close()
				_ = l.Listen(ctx, conn, tellOne) // what ends all is the cause of ctx
			})
		default:
			peer := conn.RemoteAddr().String()
			_ = conn.Close() // nothing was sent
			_ = tellOne(Heard{Peer: peer, Err: ErrCrowded})
		}
	}
}

// lines cuts a stream into the texts that stand on its lines, the last of which may have no end.
type lines struct{ r *bufio.Reader }

func newLines(r io.Reader) lines { return lines{bufio.NewReaderSize(r, 4<<10)} }

// next returns the next line that is not empty, without white space around. Beside an error it is what had come until
// then. After [ErrTooLong] there is nothing more.
func (l lines) next() (string, error) {
	var line []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxLine {
			return "", ErrTooLong
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		text := string(bytes.TrimSpace(line))
		if text != "" || err != nil {
			return text, err
		}
		line = line[:0]
	}
}
