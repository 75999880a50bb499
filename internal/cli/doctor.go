package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/screen"
)

const (
	// slowAnswer is from when on an answer of the relay is called slow.
	slowAnswer = 2 * time.Second
	// clockOff is how far clocks may be apart before it is said: what Fernet's time to live forgives of a clock.
	clockOff = time.Minute
)

// checkState is what has come of a check.
type checkState string

const (
	checkGood  checkState = "good"
	checkMind  checkState = "mind" // it works, and there is something to know
	checkWrong checkState = "wrong"
	checkNone  checkState = "not checked"
)

// checkResult is one thing that doctor has looked at.
type checkResult struct {
	name       string
	state      checkState
	what, next string
}

func (a *app) doctorCommand() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor [ROOM]",
		Short: "Look for what is wrong with this device, a relay or a room",
		Long: `doctor looks at everything that reading and writing in a room takes, and says of each thing whether it is well, and
what to do if not: this device's files and their modes, where its keys lie, the proxy, the terminal; the relay, how fast it answers and
what its clock shows; the channel, its fields, interval, quota and keys; whether this device signs there, and what waits to be posted.
It posts nothing and prints no secret.

Without a ROOM it looks at the default room, or the only one there is; without any room, at this device, and at the relay of the
settings if there is one. With --relay it looks at that relay in place of a room. It ends with 1 if something is wrong.`,
		Example: `  fernpost doctor
  fernpost doctor lab
  fernpost doctor --relay http://127.0.0.1:3000
  fernpost doctor --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.room, o.noRoom = append(args, "")[0], cmd.Flags().Changed("relay")
			if o.noRoom && o.room != "" {
				return usagef("a room has a relay of its own: --relay goes without a ROOM")
			}
			return a.doctor(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.relay, "relay", "", "look at the relay at this `URL`, and at no room")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "one JSON object a line")
	return cmd
}

// doctorOptions say what doctor looks at. A relay is looked at where there is no room, or noRoom is.
type doctorOptions struct {
	room, relay    string
	noRoom, asJSON bool
}

func (a *app) doctor(ctx context.Context, o doctorOptions) error {
	wrong := 0
	tell := func(checks ...checkResult) error {
		for _, c := range checks {
			if c.state == checkWrong {
				wrong++
			}
			if err := a.tellCheck(c, o.asJSON); err != nil {
				return err
			}
		}
		return nil
	}
	if err := tell(a.checkFiles(), a.checkPlace(), a.checkProxy(), a.checkTerminal()); err != nil {
		return err
	}
	checks := a.checkRoom(ctx, o)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err := tell(checks...)
	if err == nil && wrong > 0 {
		err = fmt.Errorf("%s wrong", map[bool]string{true: "one thing is", false: fmt.Sprint(wrong, " things are")}[wrong == 1])
	}
	return err
}

// checkRoom looks at a room and its relay, or at a relay where there is no room.
func (a *app) checkRoom(ctx context.Context, o doctorOptions) []checkResult {
	if o.noRoom {
		return a.relayChecks(ctx, o.relay)
	}
	r, err := a.loadRoom(cmp.Or(o.room, a.config.Get("room")))
	if err == nil {
		h := a.engine().Examine(ctx, r, (&conversation{app: a}).face())
		return roomChecks(&r, &h)
	}
	_, many := errors.AsType[*messenger.WhichRoomError](err)
	if !many && (!errors.Is(err, model.ErrNoRoom) || o.room != "") {
		return []checkResult{{"room", checkWrong, err.Error(), nextStep(err)}}
	}
	checks := []checkResult{{"room", checkNone, err.Error(), cmp.Or(nextStep(err), `"fernpost init NAME" makes one`)}}
	if o.relay != "" {
		checks = append(checks, a.relayChecks(ctx, o.relay)...)
	}
	return checks
}

func (a *app) tellCheck(c checkResult, asJSON bool) error {
	if asJSON {
		return a.printJSON(checkJSON{c.name, string(c.state), c.what, known(c.next)})
	}
	mark := map[checkState]string{
		checkGood: a.style.good("good "), checkMind: a.style.warn("mind "), checkWrong: a.style.bad("WRONG"), checkNone: a.style.dim("-    "),
	}[c.state]
	text := fmt.Sprintf("%s  %-12s %s\n", mark, c.name, screen.Line(c.what))
	if c.next != "" {
		indent := 20 // below what was found
		if a.stdoutTerminal && a.columns() < indent+2*leastColumns {
			indent = 7
		}
		text += strings.Repeat(" ", indent) + a.style.dim("-> "+screen.Line(c.next)) + "\n"
	}
	return a.printLines(text)
}

// checkFiles tries whether this device can keep anything.
func (a *app) checkFiles() checkResult {
	c := checkResult{name: "files", state: checkGood}
	dir, err := a.dataDir("rooms")
	if err == nil {
		if err = os.MkdirAll(dir, 0o700); err == nil {
			err = tryToWrite(dir)
		}
	}
	if err != nil {
		return checkResult{"files", checkWrong, "nothing can be kept: " + err.Error(), "make space there, or set XDG_DATA_HOME to a directory that you may write"}
	}
	if open, err := openDirectory(filepath.Dir(dir)); err != nil {
		return checkResult{"files", checkWrong, err.Error(), ""}
	} else if open != "" {
		return checkResult{
			"files", checkWrong, "other users can put files of theirs in the place of yours: they may write in " + open,
			"run \"chmod go-w " + open + "\", and look whether your rooms are still your own (\"fernpost rooms\")",
		}
	}
	c.what = "rooms and keys are kept in " + filepath.Dir(dir)
	return c
}

// openDirectory returns a directory in which other users can replace what this device keeps in data: data itself, one in it
// or the one that it is in; "" if there is none.
func openDirectory(data string) (string, error) {
	if runtime.GOOS == "windows" { // which has no such bits
		return "", nil
	}
	above, err := os.Stat(filepath.Dir(data))
	if err != nil {
		return "", err
	}
	// In one such as /tmp everybody may write, but rename only what is his own. A group may be of one user alone.
	if above.Mode().Perm()&0o002 != 0 && above.Mode()&os.ModeSticky == 0 {
		return filepath.Dir(data), nil
	}
	here, err := os.Stat(data)
	if err != nil {
		return "", err
	}
	if here.Mode().Perm()&0o022 != 0 {
		return data, nil
	}
	inside, err := os.ReadDir(data)
	for _, one := range inside {
		if !one.IsDir() {
			continue
		}
		is, err := one.Info()
		if err != nil {
			return "", err
		}
		if is.Mode().Perm()&0o022 != 0 {
			return filepath.Join(data, one.Name()), nil
		}
	}
	return "", err
}

// checkPlace looks where the keys lie.
func (a *app) checkPlace() checkResult {
	h, err := a.engine().ExamineKeys()
	if err != nil {
		return checkResult{"keyring", checkWrong, err.Error(), nextStep(err)}
	}
	return placeCheck(h, a.place, a.unplaced)
}

// tryToWrite writes a file in a directory, to the disk, and removes it.
func tryToWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(make([]byte, 64<<10))
	return errors.Join(err, f.Sync(), f.Close())
}

// checkProxy names the proxy that requests go through.
func (a *app) checkProxy() checkResult {
	proxies, err := channel.Proxies(a.getenv)
	switch {
	case err != nil:
		return checkResult{"proxy", checkWrong, err.Error(), "set it to http://HOST:PORT, or unset it"}
	case len(proxies) == 0:
		return checkResult{"proxy", checkGood, "none", ""}
	}
	first := proxies[0]
	return checkResult{"proxy", checkMind, "requests to other machines go through " + first.Host + " (" + first.Variable + ")", ""}
}

// checkTerminal says what the terminal takes away from what is shown.
func (a *app) checkTerminal() checkResult {
	c := checkResult{"terminal", checkGood, "none: standard output goes into a file or a program", ""}
	if !a.stdoutTerminal {
		return c
	}
	c.what = fmt.Sprintf("%s, %d x %d", cmp.Or(a.getenv("TERM"), "no TERM"), a.width, a.height)
	locale := cmp.Or(a.getenv("LC_ALL"), a.getenv("LC_CTYPE"), a.getenv("LANG"))
	switch utf8 := strings.ToLower(strings.ReplaceAll(locale, "-", "")); {
	case !strings.Contains(utf8, "utf8"):
		c.state, c.what = checkMind, c.what+": its locale does not say UTF-8, so letters may be shown wrongly"
		c.next = "set LC_ALL=C.UTF-8"
	case a.width < 60:
		c.state, c.what = checkMind, c.what+": lines are broken, and a QR code does not fit"
	}
	return c
}

// roomChecks says what an examination of a room means.
func roomChecks(r *model.Room, h *messenger.Health) []checkResult {
	if h.Keys != nil {
		return []checkResult{{"room", checkWrong, h.Keys.Error(), "restore the room's file from a copy, or join the room again under another name"}}
	}
	at := fmt.Sprintf("channel %d at %s", r.Channel, r.Relay)
	checks := []checkResult{{"room", checkGood, fmt.Sprintf("%s, %s, profile %s, %s", r.Name, at, r.Profile, count(len(r.Keys), "key")), ""}}
	checks = append(checks, signingChecks(r, h)...)
	checks = append(checks, archiveCheck(r, h))
	if h.Relay != nil {
		return append(checks, unreadChecks(r, h)...)
	}
	return append(checks, answerCheck(h), clockCheck(h), channelCheck(h), fieldsCheck(r, h), intervalCheck(r, h), quotaCheck(r, h),
		writeKeyCheck(r, h), keyCheck(r, h))
}

// archiveCheck says what waits to be posted.
func archiveCheck(r *model.Room, h *messenger.Health) checkResult {
	const name = "archive"
	switch {
	case h.Archive != nil:
		return checkResult{name, checkWrong, h.Archive.Error(), nextStep(h.Archive)}
	case h.Unposted > 0:
		return checkResult{name, checkMind, count(h.Unposted, "entry") + " not posted yet", outboxOf(r.Name, "--retry") + " posts what waits"}
	}
	return checkResult{name, checkGood, "nothing waits to be posted", ""}
}

// unreadChecks say why the relay shows nothing of the channel.
func unreadChecks(r *model.Room, h *messenger.Health) []checkResult {
	if trouble, _ := channel.TroubleOf(h.Relay); trouble != channel.KeyRefused {
		return []checkResult{{"relay", checkWrong, h.Relay.Error(), nextStep(inRoom(h.Relay, r.Name))}}
	}
	return []checkResult{
		{"relay", checkGood, "it answers", ""},
		{
			"channel", checkWrong, explainReading(h.Relay, r.Channel, r.ReadKey != "" || r.WriteKey != "").Error(),
			"ask whoever made the room for the channel's number and its read key; " + setRoom(r.Name, "--read-key-file FILE") + " keeps it",
		},
	}
}

// channelCheck says who sees the channel.
func channelCheck(h *messenger.Health) checkResult {
	const name = "channel"
	switch {
	case h.Public:
		return checkResult{
			name, checkMind, "it is public: everybody sees its rows, and how many there are and when", "\"fernpost eavesdrop\" shows what they see",
		}
	case h.Private:
		return checkResult{name, checkGood, "it is private: the relay shows it to nobody without a key", ""}
	}
	return checkResult{name, checkNone, "whether it is public did not turn out", ""}
}

// fieldsCheck says whether the channel has the fields that the room uses.
func fieldsCheck(r *model.Room, h *messenger.Health) checkResult {
	const name = "fields"
	if h.Fields != nil {
		return checkResult{
			name, checkWrong, h.Fields.Error(),
			"give the field a name in the channel's settings, or choose others with " + setRoom(r.Name, "--fields 1,2"),
		}
	}
	return checkResult{name, checkGood, "the channel shows those that the room uses: " + strings.Trim(fmt.Sprint(r.Fields), "[]"), ""}
}

// writeKeyCheck says whether the room's write key writes the channel.
func writeKeyCheck(r *model.Room, h *messenger.Health) checkResult {
	const name = "write key"
	set := setRoom(r.Name, "--write-key-file FILE")
	switch {
	case r.WriteKey == "":
		return checkResult{name, checkMind, "none: this room can only be read", set + " adds it"}
	case h.WriteKey != nil:
		return checkResult{name, checkWrong, h.WriteKey.Error(), "whoever made the room knows the right one; " + set + " changes it"}
	case h.Proven:
		return checkResult{name, checkGood, "it writes the channel", ""}
	}
	return checkResult{name, checkNone, "this relay does not tell what a write key is for: the first message shows it", ""}
}

// signingChecks say whether this device signs in a room, and under its key.
func signingChecks(r *model.Room, h *messenger.Health) (checks []checkResult) {
	switch {
	case !h.Signed:
	case h.Signer != nil:
		checks = append(checks, checkResult{"identity", checkWrong, h.Signer.Error(), nextStep(h.Signer)})
	default:
		checks = append(checks, checkResult{"identity", checkGood, "this device signs what it writes", ""})
	}
	if h.Moved != nil {
		checks = append(checks, checkResult{"new key", checkWrong, h.Moved.Error(), nextStep(explainSending(h.Moved, r.Name, insists))})
	}
	return checks
}

// answerCheck says how fast a relay answers.
func answerCheck(h *messenger.Health) checkResult {
	took := h.Took.Round(time.Millisecond)
	if h.Took > slowAnswer {
		return checkResult{"relay", checkMind, fmt.Sprintf("it took %v to answer", took), "--timeout is how long it may be silent"}
	}
	return checkResult{"relay", checkGood, fmt.Sprintf("it answers in %v", took), ""}
}

// intervalCheck compares the time between two updates that the room keeps to with the one that the relay wants.
func intervalCheck(r *model.Room, h *messenger.Health) checkResult {
	const name = "interval"
	wants, set := "the relay wants "+h.Granted.Interval.String()+" between two updates", setRoom(r.Name, "--interval "+h.Granted.Interval.String())
	switch {
	case !h.Told:
		return checkResult{name, checkNone, "the relay does not tell how long it wants between two updates; the room keeps to " + h.Interval.String(), ""}
	case h.Interval == 0 && h.Granted.Interval > 0:
		return checkResult{name, checkGood, wants + ", and says when to wait", ""}
	case h.Interval < h.Granted.Interval:
		return checkResult{name, checkMind, wants + ", and the room keeps to " + h.Interval.String() + ": what comes sooner is refused at first", set + " waits"}
	case h.Interval > h.Granted.Interval:
		return checkResult{name, checkMind, wants + ", and the room waits for " + h.Interval.String(), set + " posts sooner"}
	}
	return checkResult{name, checkGood, wants + ", and so does the room", ""}
}

// quotaCheck says how many entries the channel still takes.
func quotaCheck(r *model.Room, h *messenger.Health) checkResult {
	const helps = "whoever runs the relay raises --max-entries, or you go on in a new room"
	most, newest := h.Granted.Entries, max(h.Newest, h.Channel.LastEntryID)
	of := fmt.Sprintf("its newest entry is %d, and %d is the last that the relay takes", newest, most)
	switch {
	case !h.Told:
		return checkResult{"quota", checkNone, "this relay does not tell how many entries a channel takes: the service counts the messages of an account", ""}
	case most == 0:
		return checkResult{"quota", checkGood, "the relay names no limit to the entries of a channel", ""}
	case newest >= most && r.WriteKey == "":
		return checkResult{"quota", checkMind, "the channel is full: " + of, helps}
	case newest >= most:
		return checkResult{"quota", checkWrong, "the channel is full: " + of, helps}
	case newest >= most-most/10:
		return checkResult{"quota", checkMind, "the channel is nearly full: " + of, helps}
	}
	return checkResult{"quota", checkGood, of, ""}
}

// clockCheck compares the relay's clock with this machine's.
func clockCheck(h *messenger.Health) checkResult {
	switch ahead := h.Ahead.Round(time.Second); {
	case !h.HasClock:
		return checkResult{"clock", checkNone, "the relay does not say what its clock shows", ""}
	case ahead.Abs() > clockOff:
		return checkResult{
			"clock", checkMind,
			fmt.Sprintf("this machine's clock is %v %s the relay's", ahead.Abs(), map[bool]string{true: "behind", false: "ahead of"}[ahead > 0]),
			"set the clock: the times that others see of your messages are its",
		}
	}
	return checkResult{"clock", checkGood, "it agrees with the relay's", ""}
}

// relayChecks look at a relay without a room.
func (a *app) relayChecks(ctx context.Context, address string) []checkResult {
	h, ours := a.engine().ExamineRelay(ctx, address)
	if h.Relay != nil {
		return []checkResult{{"relay", checkWrong, h.Relay.Error(), nextStep(beforeRoomError{h.Relay})}}
	}
	answer := answerCheck(&h)
	if answer.what += ": " + address; !ours {
		answer.state, answer.next = checkMind, "whether it is a relay shows only when a room is made or joined there"
	}
	return []checkResult{answer, clockCheck(&h)}
}

// keyCheck says whether the room's keys open what stands in the channel.
func keyCheck(r *model.Room, h *messenger.Health) checkResult {
	switch {
	case h.Rows != nil:
		return checkResult{"room key", checkWrong, h.Rows.Error(), nextStep(inRoom(h.Rows, r.Name))}
	case h.Opens && h.Unopened > 0:
		return checkResult{
			"room key", checkMind, fmt.Sprintf("it opens some of the newest rows, and none of the room's keys opens what is in %s", count(h.Unopened, "row")),
			fmt.Sprintf("if the room has a new passphrase, \"fernpost key add --room %s\" adds it", r.Name),
		}
	case h.Opens:
		return checkResult{"room key", checkGood, fmt.Sprintf("it opens what is there; the newest entry is %d", h.Newest), ""}
	case h.Unopened > 0:
		return checkResult{"room key", checkWrong, "it opens none of the newest rows", fmt.Sprintf(noKeyHint, r.Name, r.Name, r.Channel)}
	}
	return checkResult{"room key", checkNone, "no message is there that it could be tried on", ""}
}
