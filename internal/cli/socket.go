package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/socket"
	"github.com/fernpost/fernpost/internal/token"
)

func (a *app) socketCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "socket",
		Short: "Fernet tokens over a plain TCP socket: send, listen",
		Long: `socket sends and hears Fernet tokens over plain TCP, as tutorials on sockets do, without a room or a relay: one token a
line, or one until the end of the stream. The other side may be a Python script of ten lines.

Only what a token holds is secret. Whoever is on the way sees who talks to whom, when and how much ("--show-wire" shows it),
and anybody who reaches the port may connect, or send a token again that was sent before: --ttl keeps old ones out.

` + keySourceHelp,
		Example: "  fernpost socket listen 127.0.0.1:5000 --key-file key.txt\n  fernpost socket send 127.0.0.1:5000 --key-file key.txt 'hello'",
	}
	cmd.AddCommand(a.socketSendCommand(), a.socketListenCommand())
	return cmd
}

// socketTool is one call of a command that talks over a socket.
type socketTool struct {
	*app
	line     socket.Line
	keys     keySource
	ttl      time.Duration
	showWire bool
	asJSON   bool
	refused  int
	opened   int
}

func (t *socketTool) add(cmd *cobra.Command) {
	t.addKeySource(cmd, &t.keys)
	flags := cmd.Flags()
	flags.Var(duration.Flag(&t.ttl, 0), "ttl", "refuse what was sealed longer ago than this, such as 60s, or in the future")
	flags.BoolVar(&t.showWire, "show-wire", false, "print on standard error what an observer on the wire sees")
	flags.BoolVar(&t.asJSON, "json", false, "one JSON object for each token that comes, also for those that are refused")
}

// begin reads the keys.
func (t *socketTool) begin(cmd *cobra.Command, inputTaken bool) error {
	if t.ttl < 0 {
		return usagef("--ttl %v: want 0s or more", t.ttl)
	}
	if cmd.Flags().Changed("ttl") {
		t.line.TTL = &t.ttl
	}
	keys, err := t.keysFrom(cmd.Context(), &t.keys, inputTaken)
	if err != nil {
		return err
	}
	t.line.Keys, err = fernet.NewRing(keys...)
	return err
}

// tell prints what has come.
func (t *socketTool) tell(h socket.Heard) error {
	if h.Ended() {
		t.say("%s: the connection was ended: %s", h.Peer, screen.Line(h.Err.Error()))
		return nil
	}
	t.wire(h.Peer, "here", h.Wire)
	message := socketMessageJSON{Peer: h.Peer}
	if h.Err == nil {
		t.opened++
		o, clock := h.Opened, h.Opened.Time()
		message.Size, message.Clock, message.Sealed, message.Key = len(o.Plaintext), &clock, jsonTime(o.SealedAt), &o.KeyIndex
		message.Text, message.Base64 = textOrBase64(o.Plaintext)
		if !t.asJSON {
			return t.print(o.Plaintext)
		}
	} else {
		t.refused++
		bare, _ := token.Unwrap(h.Wire)
		word, _ := fernet.Refuse(bare, h.Err)
		message.Refused = &refusalJSON{string(word), h.Err.Error(), exitCode(h.Err)}
		fmt.Fprintf(t.stderr, "%s: refused: %s\n", h.Peer, screen.Line(h.Err.Error()))
	}
	if t.asJSON {
		return t.printJSON(message)
	}
	return nil
}

// print writes a message on lines of its own: as it is, but for a terminal.
func (t *socketTool) print(plain []byte) error {
	text := string(plain)
	if t.stdoutTerminal {
		text = screen.Text(text)
	}
	_, err := io.WriteString(t.stdout, text+"\n")
	return err
}

// maxWire is how many characters of what was on the wire are shown.
const maxWire = 1024

// wire shows what an observer sees of what went from one to the other.
func (t *socketTool) wire(from, to, text string) {
	if !t.showWire {
		return
	}
	shown, more := text, ""
	if len(shown) > maxWire {
		shown, more = shown[:maxWire], "…"
	}
	what := "no token"
	bare, _ := token.Unwrap(text)
	if tok, err := token.Parse(bare); err == nil {
		what = fmt.Sprintf("sealed %s, holds %d to %d bytes", tok.SealedAt().Format(time.DateTime), tok.MinPlaintext(), tok.MaxPlaintext())
	}
	fmt.Fprintf(t.stderr, "wire: %s to %s, %d bytes, %s\n  %s%s\n", from, to, len(text), what, screen.Line(shown), more)
}

const socketAddress = "want HOST:PORT, such as 127.0.0.1:5000"

func checkSocketAddress(address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return usagef("%s is no address: %s", screen.Line(address), socketAddress)
	}
	return nil
}

// errEnough: as many messages have come as were wanted.
var errEnough = errors.New("enough")

func (a *app) socketListenCommand() *cobra.Command {
	t, count := socketTool{app: a}, 0
	cmd := &cobra.Command{
		Use: "listen ADDR", Short: "Print what the tokens hold that come over a socket",
		Long: `listen waits on HOST:PORT for whoever connects, opens the tokens that come and prints what they hold, until it is
interrupted, or for --count messages. It names its address on standard error; port 0 picks one.

A token has 1 MiB of text at most and --idle to arrive, up to 64 clients are heard at once, and one of whose tokens 20 were
refused is let go. With --count it ends with 3 if some were refused, otherwise with 0.`,
		Example: `  fernpost socket listen 127.0.0.1:5000 --key-file key.txt
  fernpost socket listen :5000 --room lab --ttl 60s --show-wire
  fernpost socket listen 127.0.0.1:0 --key-file key.txt --count 1 > letter.txt`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkSocketAddress(args[0]); err != nil {
				return err
			}
			if count < 0 {
				return usagef("--count %d: want 0 or more", count)
			}
			if err := t.begin(cmd, false); err != nil {
				return err
			}
			listener, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", args[0])
			if err != nil {
				err = fmt.Errorf("listening on %s: %w", screen.Line(args[0]), guard.ListenError(args[0], err))
				if !errors.Is(err, syscall.EADDRINUSE) {
					return err
				}
				return hint(err, "another port, or 0, which picks one")
			}
			a.say("listening on %s", listener.Addr())
			return t.listen(cmd.Context(), listener, count)
		},
	}
	t.add(cmd)
	cmd.Flags().IntVar(&count, "count", 0, "end after `N` tokens that a key opened; 0 is never")
	cmd.Flags().Var(duration.Flag(&t.line.Patience, 30*time.Second), "idle", "let a client go that takes longer than this for a token; 0 is never")
	return cmd
}

func (t *socketTool) listen(ctx context.Context, listener net.Listener, count int) error {
	err := t.line.Serve(ctx, listener, func(h socket.Heard) error {
		err := t.tell(h)
		if err == nil && count > 0 && t.opened == count {
			err = errEnough
		}
		return err
	})
	switch {
	case !errors.Is(err, errEnough):
		return err
	case t.refused > 0:
		return partlyError{fmt.Errorf("%d of %d tokens were refused, told above", t.refused, t.refused+t.opened)}
	}
	return nil
}

func (a *app) socketSendCommand() *cobra.Command {
	t, lines := socketTool{app: a}, false
	cmd := &cobra.Command{
		Use: "send ADDR [TEXT]", Short: "Send a text as a token over a socket",
		Long: `send connects to HOST:PORT and sends TEXT, or else standard input, as one token until the end of the stream, or with
--lines each line of standard input as a token of its own line. Every list of processes shows what stands on a command line.

Then it waits, --wait at most, whether the other side answers with tokens, and prints what those hold.`,
		Example: `  fernpost socket send 127.0.0.1:5000 --key-file key.txt 'hello'
  fernpost socket send 127.0.0.1:5000 --key-file key.txt < letter.txt
  fernpost socket send 127.0.0.1:5000 --room lab --lines --show-wire`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch err := checkSocketAddress(args[0]); {
			case err != nil:
				return err
			case lines && len(args) > 1:
				return hint(usagef("--lines reads standard input, and TEXT is given as well"), "leave out one of both")
			}
			if err := t.begin(cmd, len(args) == 1); err != nil {
				return err
			}
			dial := func(ctx context.Context, address, _ string) (net.Conn, error) {
				return (&net.Dialer{Timeout: a.timeout}).DialContext(ctx, "tcp", address)
			}
			if channel.IsLoopback("http://" + args[0]) {
				dial = a.dialStarting
			}
			conn, err := dial(cmd.Context(), args[0], args[0])
			if err != nil {
				return hint(&notConnectedError{args[0], err}, "does \"fernpost socket listen\", or another program, listen there?")
			}
			defer conn.Close()
			defer context.AfterFunc(cmd.Context(), func() { conn.Close() })()
			return t.send(cmd.Context(), conn, lines, args[1:])
		},
	}
	t.add(cmd)
	cmd.Flags().BoolVar(&lines, "lines", false, "one token for each line of standard input")
	cmd.Flags().Var(duration.Flag(&t.line.Patience, 3*time.Second), "wait", "how long to wait for an answer; 0 does not wait")
	return cmd
}

// send sends the text, or what standard input brings, and hears the answer.
func (t *socketTool) send(ctx context.Context, conn net.Conn, lines bool, text []string) error {
	wait := t.line.Patience
	t.line.Patience = t.timeout // for what is written
	post := func(plain, lineEnd string) error {
		tok, err := t.line.Send(conn, []byte(plain), lineEnd)
		if tok != "" {
			t.wire("here", conn.RemoteAddr().String(), tok)
		}
		if err != nil {
			return fmt.Errorf("sending to %s: %w", conn.RemoteAddr(), err)
		}
		return nil
	}
	if len(text) > 0 {
		if err := post(text[0], ""); err != nil {
			return err
		}
	} else if err := t.sendInput(lines, post); err != nil {
		return err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return fmt.Errorf("sending to %s: %w", conn.RemoteAddr(), err)
	}
	if t.line.Patience = wait; wait == 0 {
		return nil
	}
	cut := false
	err := t.line.Listen(ctx, conn, func(h socket.Heard) error {
		if h.Ended() && errors.Is(h.Err, socket.ErrSilent) { // who does not answer does nothing wrong
			return nil
		}
		cut = cut || h.Ended()
		return t.tell(h)
	})
	switch {
	case err != nil:
	case t.refused > 0:
		err = partlyError{fmt.Errorf("the text was sent, and %d tokens of the answer were refused, told above", t.refused)}
	case cut:
		err = partlyError{errors.New("the text was sent, and the answer did not come to its end")}
	}
	return err
}

// sendInput posts what standard input brings.
func (t *socketTool) sendInput(lines bool, post func(plain, lineEnd string) error) error {
	input := tokenTool{app: t.app, lines: lines, most: socket.MaxText}
	if t.stdinTerminal && !t.quiet {
		t.say("reading what is typed; Ctrl-D ends it")
	}
	for text, err := range input.texts(bufio.NewReaderSize(t.input, 64<<10)) {
		if err != nil {
			return err
		}
		plain, lineEnd := input.lineEnd(text)
		if lines {
			lineEnd = cmp.Or(lineEnd, "\n")
		}
		if err := post(plain, lineEnd); err != nil {
			return err
		}
	}
	return nil
}

// notConnectedError says in words why nobody answers at an address.
type notConnectedError struct {
	address string
	err     error
}

func (e *notConnectedError) Error() string {
	why := e.err.Error()
	timeout, isTimeout := errors.AsType[net.Error](e.err)
	dns, isDNS := errors.AsType[*net.DNSError](e.err)
	errno, isErrno := errors.AsType[syscall.Errno](e.err)
	switch {
	case isDNS:
		why = "there is no host " + dns.Name
	case isTimeout && timeout.Timeout():
		why = "no answer"
	case isErrno:
		why = errno.Error()
	}
	return fmt.Sprintf("nobody listens at %s: %s", screen.Line(e.address), screen.Line(why))
}

func (e *notConnectedError) Unwrap() error { return e.err }
