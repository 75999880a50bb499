package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/filelock"
	"github.com/fernpost/fernpost/internal/game"
	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/letter"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/relay/relaycmd"
	"github.com/fernpost/fernpost/internal/screen"
)

// The exit codes that scripts may rely on; "fernpost help exit-codes" prints the same table.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartly      = 3
	exitRefused     = 4
	exitUnreachable = 5
	exitNoKey       = 6
	exitFindings    = 7
	exitNoToken     = 8
	exitAge         = 9
	exitInterrupted = 130
)

const exitCodesHelp = `Exit codes, the same for every command:

    0  done
    1  failed, for any reason that has no code of its own
    2  wrong usage: a flag, an argument, a setting
    3  partly done: something was shown or sent, but not everything; "verify": nothing was found to be
       wrong, but something waits, or could not be judged
    4  refused by the relay: key, interval or quota
    5  relay unreachable, or what answers there is no relay; "socket send": nobody listens there
    6  no key opens it: wrong passphrase, or not for this room; "token", "identity open": wrong key, or altered, which
       nobody can tell apart
    7  something is wrong:
       - "verify" has told a finding;
       - "recv" and "watch --messages N" have, with --strict: only then they end with 7, or with 3 as
         "verify" does, also for what was told before and still stands;
       - the relay has shown again, as it was, some of what stood before a clear of the channel, so that
         the clear was none. Copies of at least half of it, which somebody may have posted, are a 3. Else
         what stood before a clear cannot be checked any more: it is told, and counts for nothing;
       - "identity check", "join" by a letter: the signature is false, or of another file or person (3: by
         a key that was not compared)
    8  no token, or a damaged one: not base64, cut short, or of another version; so of signatures, sealed files,
       letters and the files of "export"
    9  a token that is refused by its age: expired, or from the future ("token decrypt --ttl")
  130  interrupted, or a question was answered with no: nothing was done then`

// usageError is a mistake in how a command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// declinedError says what was not done, as somebody has answered a question with no: nothing is wrong then.
type declinedError struct{ error }

func (e declinedError) Unwrap() error { return e.error }

// agree asks a question, unless yes has answered it before. Without a yes it is an error that says what was not done,
// and the next step: where nobody could be asked, the command was wrong.
func (a *app) agree(ctx context.Context, yes bool, question, not, next string) error {
	if yes {
		return nil
	}
	ok, err := a.confirm(ctx, question)
	switch {
	case err != nil || ok:
		return err
	case a.canAsk():
		err = declinedError{errors.New(not)}
	default:
		err = usageError{errors.New(not)}
	}
	return hintError{err, next}
}

// partlyError says that the work ended early and what was done stands.
type partlyError struct{ error }

func (e partlyError) Unwrap() error { return e.error }

// errCut: what was shown is not all of the feed.
var errCut = partlyError{errors.New("the feed was not read to its end")}

// noKeyHint is what to do then; it takes the room's name twice, and the channel.
const noKeyHint = "if the room has a new passphrase, \"fernpost key add --room %s\" adds it; else, is it the " +
	"right passphrase and channel? Compare the check words with the others, or \"fernpost join\" under another name (room %s, channel %d)"

// hintError carries what the user can do next, printed on a line of its own.
type hintError struct {
	error
	hint string
}

func (e hintError) Unwrap() error { return e.error }

// hint adds the next step to an error.
func hint(err error, format string, args ...any) error {
	return hintError{err, fmt.Sprintf(format, args...)}
}

// noExports say that a file is none of another device's, or damaged.
var noExports = []error{
	handover.ErrNoExport, handover.ErrAltered, handover.ErrImpossible, handover.ErrNewer, handover.ErrTooCostly, handover.ErrTooLarge,
}

// exitCode is the only map from errors to exit codes.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	if _, ok := errors.AsType[declinedError](err); ok {
		return exitInterrupted // not 0: what stands behind && in a shell counts on what was not done
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[foundError](err); ok {
		return exitFindings
	}
	if _, ok := errors.AsType[partlyError](err); ok {
		return exitPartly
	}
	if _, ok := errors.AsType[*model.TooLongError](err); ok {
		return exitUsage
	}
	_, salted := errors.AsType[*messenger.SaltedNameError](err)
	_, hasKey := errors.AsType[*messenger.HasKeyError](err)
	_, badPassphrase := errors.AsType[*messenger.PassphraseError](err)
	_, readOnly := errors.AsType[*messenger.ReadOnlyError](err)
	if salted || hasKey || badPassphrase || readOnly || errors.Is(err, model.ErrNoRoom) || errors.Is(err, model.ErrRoomName) ||
		errors.Is(err, model.ErrRoomExists) {
		return exitUsage
	}
	if code := exitOfToken(err); code != exitDone {
		return code
	}
	if errors.Is(err, exchange.ErrUnknownOutcome) {
		return exitPartly // the message may be there; why it is not known does not matter
	}
	return exitAtRelay(err)
}

// exitOfToken is the code of what is wrong with a key, a token, or what somebody has sealed or signed; exitDone if nothing is.
func exitOfToken(err error) int {
	switch {
	case errors.Is(err, messenger.ErrNoKey), errors.Is(err, fernet.ErrNoKey):
		return exitNoKey
	case errors.Is(err, fernet.ErrMalformed), errors.Is(err, fernet.ErrZeroKey):
		return exitNoToken
	case errors.Is(err, publickey.ErrNotOurs), errors.Is(err, handover.ErrPassphrase):
		return exitNoKey
	case errors.Is(err, letter.ErrFalse), errors.Is(err, letter.ErrOther):
		return exitFindings
	case errors.Is(err, letter.ErrMalformed), errors.Is(err, letter.ErrNewer), errors.Is(err, letter.ErrBroken), errors.Is(err, errNoLetter),
		slices.ContainsFunc(noExports, func(no error) bool { return errors.Is(err, no) }):
		return exitNoToken
	case errors.Is(err, publickey.ErrFalse), errors.Is(err, publickey.ErrOtherFile), errors.Is(err, messenger.ErrOtherSigner):
		return exitFindings
	case errors.Is(err, publickey.ErrNoSignature), errors.Is(err, publickey.ErrNewerSignature), errors.Is(err, publickey.ErrNotSealed),
		errors.Is(err, publickey.ErrNewerSealed), errors.Is(err, publickey.ErrAltered), errors.Is(err, publickey.ErrCut):
		return exitNoToken
	case errors.Is(err, fernet.ErrExpired), errors.Is(err, fernet.ErrFromTheFuture):
		return exitAge
	}
	return exitDone
}

// exitAtRelay is the code of trouble with a relay, or of any other error.
func exitAtRelay(err error) int {
	switch trouble, _ := channel.TroubleOf(err); trouble {
	case channel.BadAddress:
		return exitUsage
	case channel.Refused, channel.QuotaSpent, channel.KeyRefused, channel.NotAllowed, channel.NoChannel, channel.BrokerRefused:
		return exitRefused
	case channel.Unreachable, channel.UnreachableHere, channel.Untrusted, channel.Faulty, channel.NoRelay, channel.BrokerUnreachable:
		return exitUnreachable
	case channel.OverBudget, channel.Scattered:
		return exitPartly
	}
	if _, ok := errors.AsType[*game.AwayError](err); ok {
		return exitUnreachable
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return exitUnreachable
	}
	return exitFailed
}

// report prints an error and the next step. Errors quote relays and files, so they are cleaned like any strangers'
// text.
func (a *app) report(err error) {
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(a.stderr, "interrupted")
		return
	}
	if _, ok := errors.AsType[declinedError](err); ok {
		fmt.Fprintln(a.stderr, screen.Text(err.Error()))
	} else {
		fmt.Fprintf(a.stderr, "%s %s\n", a.style.bad("error:"), screen.Text(err.Error()))
	}
	if h := nextStep(err); h != "" {
		fmt.Fprintf(a.stderr, "%s %s\n", a.style.dim("hint:"), screen.Text(h))
	}
}

// beforeRoomError is an error of a command that makes, enters or changes a room, or needs none: it takes the address by
// itself.
type beforeRoomError struct{ error }

func (e beforeRoomError) Unwrap() error { return e.error }

func beforeRoom(err error) error {
	if err == nil {
		return nil
	}
	return beforeRoomError{err}
}

// inRoomError is an error of a command that works in a room that is there.
type inRoomError struct {
	error
	room string
}

func (e inRoomError) Unwrap() error { return e.error }

func inRoom(err error, room string) error {
	if err == nil {
		return nil
	}
	return inRoomError{err, room}
}

// nextStep is the hint that came with the error, or the usual one for its kind.
func nextStep(err error) string {
	if h, ok := errors.AsType[hintError](err); ok {
		return h.hint
	}
	if e, ok := errors.AsType[*messenger.NotKeptError](err); ok {
		return e.Next()
	}
	next := stepAtRelay(err)
	if next == "" {
		next = stepInRoom(err)
	}
	if next == "" {
		next = stepOnDevice(err)
	}
	if next == "" {
		next = relaycmd.Hint(err)
	}
	if next == "" && errors.Is(err, model.ErrNoRoom) {
		next = `"fernpost rooms" lists the rooms; "fernpost init NAME" makes one, "fernpost join" enters one`
	}
	return next
}

// stepAtRelay is what to do about trouble with a relay, "" if there is none.
func stepAtRelay(err error) string {
	_, noRoom := errors.AsType[beforeRoomError](err)
	room := "ROOM"
	if e, ok := errors.AsType[inRoomError](err); ok {
		room = e.room
	}
	set := setRoom(room, "--relay URL")
	if noRoom {
		set = "--relay URL"
	}
	trouble, meant := channel.TroubleOf(err)
	if meant != "" && trouble != channel.NoChannel {
		return "is it " + meant + "? " + set + " changes the address"
	}
	if e, ok := errors.AsType[*feed.NotFeedError](err); ok {
		return e.Next
	}
	switch trouble {
	case channel.KeyRefused, channel.NoChannel:
		return stepInChannel(trouble, meant, room, noRoom)
	case channel.Untrusted:
		return "it answers, but what it shows is not trusted here: ask whoever runs it for the name that its certificate is for; one " +
			"that it has made itself has to be added to those that this system trusts (on Linux SSL_CERT_FILE names the file)"
	case channel.UnreachableHere:
		return "is the relay running? " + startRelay(err) + "; " + set + " goes to another" + orOver(room, noRoom)
	case channel.Unreachable:
		if noRoom {
			return "check the network, and the address: " + set + " names another"
		}
		return "check the network, and the address (\"fernpost rooms\" lists it, " + set + " changes it); " +
			"nothing was lost, the same command can be run again" + orOver(room, noRoom)
	case channel.Faulty:
		return "that is a fault of the relay, or of what stands in front of it; nothing was lost, the same command can be run again"
	case channel.NoRelay:
		return "is that the address of a relay? It ends before /channels/…, such as https://api.thingspeak.com"
	case channel.Scattered:
		return "the relay invents entries, or somebody does who can write to it; \"fernpost eavesdrop\" shows what it serves"
	case channel.OverBudget:
		return "a higher read_budget (--read-budget), or 0 for none, reads more in one go"
	}
	return ""
}

// stepInChannel is what to do where a relay has no such channel, or refuses its keys. meant is the address that the relay may have.
func stepInChannel(trouble channel.Trouble, meant, room string, noRoom bool) string {
	set := setRoom(room, "--relay URL")
	if noRoom {
		set = "--relay URL"
	}
	switch {
	case trouble == channel.KeyRefused && noRoom:
		return "are the relay and the keys right? --write-key-file and --read-key-file name the channel's, " +
			"--user-key-file an account's"
	case trouble == channel.KeyRefused:
		return `are the relay and the keys of this room still right? "fernpost rooms" lists them; ` +
			setRoom(room, "--write-key-file FILE") + ", --read-key-file FILE or --relay URL changes them"
	case meant != "":
		return "is the relay " + meant + ", without a path behind it? " + set + " changes the address. Else, is that the " +
			"channel's number?"
	case noRoom:
		return "is that the channel's number, and this relay's? Whoever made the room knows both; --relay URL names another"
	}
	return "is it still the right relay? " + set + " goes to another; where the channel was deleted, a new room is what is left" +
		orOver(room, false)
}

// orOver is what to do with a room whose relay was for a lesson, and will not come back.
func orOver(room string, noRoom bool) string {
	if noRoom {
		return ""
	}
	return fmt.Sprintf("; if it was a lesson's, and that is over, \"fernpost rooms remove %s\" takes the room off this device", room)
}

// stepInRoom is what to do where a room, or who signs in it, is not as it has to be.
func stepInRoom(err error) string {
	if _, ok := errors.AsType[*model.FullError](err); ok {
		return "raise archive_size in the settings (config.example.yaml), or FERNPOST_ARCHIVE_SIZE; 0 is no limit"
	}
	if e, ok := errors.AsType[*messenger.ReadOnlyError](err); ok {
		return "get the key from whoever made the room, then run " + setRoom(e.Room, "--write-key-file FILE")
	}
	if e, ok := errors.AsType[*messenger.GoneError](err); ok && !e.At.IsZero() {
		return "write on the device that has it now; \"fernpost identity import FILE\" brings it back here, \"fernpost identity new\" makes this " +
			"device one of its own"
	}
	return ""
}

// stepOnDevice is what to do where something is wrong with what this device keeps.
func stepOnDevice(err error) string {
	if e, ok := errors.AsType[*model.DamagedError](err); ok && e.Room != "" {
		return fmt.Sprintf("put a copy of the file back if you have one; else \"mv %s %s\" and enter the room again: what was written is read from the relay",
			shellWord(e.Path), shellWord(e.Path+".damaged"))
	} else if ok {
		return "put a copy of the file back if you have one: it has keys that nothing else brings back"
	}
	switch {
	case errors.Is(err, model.ErrKeyGone):
		return "\"fernpost key add\" adds that key, out of its passphrase; until then what waits stays in the outbox"
	case errors.Is(err, messenger.ErrNotPushed):
		return "leave out --via: then the relay is asked again and again"
	case errors.Is(err, model.ErrDiskFull):
		return "make room on the disk, then run the same command again"
	case errors.Is(err, model.ErrNewerArchive):
		return "use the newer fernpost on this device, or another XDG_DATA_HOME with this one"
	case errors.Is(err, model.ErrArchiveDamaged):
		return "put a copy of the file back if you have one; else move it away to begin anew: what others wrote is read from the relay, and you get a new key in this room"
	case errors.Is(err, model.ErrKeyringAway):
		return "unlock or start the keyring of your desktop or system, and run the same command again: nothing was lost"
	case errors.Is(err, model.ErrKeyringLacks):
		return "only the keyring that sealed the keys opens them: bring it back, or go to the device and the user that it belongs to; " +
			"else enter the rooms anew, with another XDG_DATA_HOME"
	case errors.Is(err, filelock.ErrNoLocks):
		return "keys are kept on a disk that has locks, mostly a local one: XDG_DATA_HOME names another directory"
	case errors.Is(err, model.ErrArchiveBusy):
		return "another fernpost is at work in this room; try again when it is done"
	}
	return ""
}

// setRoom is the command that changes a room, with flags.
func setRoom(room, flags string) string { return "\"fernpost rooms set " + room + " " + flags + "\"" }

// startRelay says how a relay is started at this machine's address at which none answers.
func startRelay(err error) string {
	switch host, port := channel.HostOf(err); {
	case port == "":
		return `"fernpost relay" starts one at http://` + relaycmd.DefaultListen + ", and an address needs the port as well"
	case strings.HasSuffix(relaycmd.DefaultListen, ":"+port):
		return `"fernpost relay" starts one`
	default:
		return `"fernpost relay --listen ` + screen.Line(net.JoinHostPort(host, port)) + `" starts one`
	}
}
