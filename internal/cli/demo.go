package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/eavesdrop"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/scratch"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

func (a *app) demoCommand() *cobra.Command {
	var lesson, yes bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole story in one terminal, without any set-up",
		Long: `demo starts a relay on this machine, lets ana and bo talk through it, and shows beside it what everybody else sees.
Then somebody tries a wrong passphrase, somebody alters a message, and a second relay cheats. Nothing is acted: every
line went through the relays. They listen on loopback only, on ports that were free, and leave no file behind.

With --lesson there is a question behind each scene, and its answer; on a terminal each waits for Enter, unless --yes says not to.`,
		Example: "  fernpost demo\n  fernpost demo | less\n  fernpost demo --lesson",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if yes && !lesson {
				return usagef("--yes goes with --lesson")
			}
			pause := func(context.Context) error { return nil }
			if lesson && !yes && a.stdinTerminal && a.stdoutTerminal {
				lines := linesOf(a.input)
				pause = func(ctx context.Context) error { return a.enterPressed(ctx, lines) }
			}
			return a.demo(cmd.Context(), lesson, pause)
		},
	}
	cmd.Flags().BoolVar(&lesson, "lesson", false, "ask a question behind each scene, and answer it")
	cmd.Flags().BoolVar(&yes, "yes", false, "with --lesson: wait for no Enter")
	return cmd
}

// enterPressed waits for Enter, or the end of what is typed.
func (a *app) enterPressed(ctx context.Context, lines <-chan string) error {
	a.say("%s", a.style.dim("(Enter goes on)"))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-lines:
		return nil
	}
}

// questions are what a class is asked behind each scene, and what is so.
var questions = [...]struct{ question, answer string }{
	{"Is the passphrase sent anywhere?", "No. Each makes the key of it; the three words tell if one has mistyped."},
	{"What does the relay know now?", "That somebody wrote three times, when, and roughly how much; not who it is, nor what it says."},
	{"Who else can do what bo does?", "Whoever knows the passphrase, now or later: everybody may keep a copy of the feed."},
	{"Five words of six are right. Why is nothing shown?", "The key is made of all of them: a wrong one is as wrong as any other."},
	{"Who can turn that bit, and what does bo learn?", "Everybody on the way, without a key. Bo learns that it was altered, not by whom: this is integrity."},
	{"What has bo noticed, and by what?", "An altered token opens with no key, and ana's numbers have a gap. That they are ana's, her signature says: this is authenticity."},
}

// demo is one performance.
type demo struct {
	*app

	dir        string // where each of them keeps what a device keeps
	passphrase string
	room       model.Room      // as its first member has it
	ana, bo    *messenger.Room // opened
}

func (a *app) demo(ctx context.Context, lesson bool, pause func(context.Context) error) (err error) {
	dir, err := scratch.New("demo")
	if err != nil {
		return fmt.Errorf("starting the demo's relay: %w", err)
	}
	defer func() { err = errors.Join(err, dir.Remove()) }()
	relay, err := serve.Start(ctx, serve.Options{Listen: "127.0.0.1:0", Data: dir.Join("relay")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, relay.Close()) }()

	texts := passphrase.Fernpost()
	texts.Form = passphrase.FormText // so that a token is a message
	d := &demo{app: a, dir: dir.Path(), room: model.Room{
		Name: "demo", Relay: relay.URL(), Fields: []int{1}, Profile: texts.String(), Interval: "0s",
	}}
	defer func() { err = errors.Join(err, d.leave()) }()
	for i, scene := range [len(questions)]func(context.Context) (scene, error){
		d.meet, d.talk, d.read, d.guess, d.alter, d.cheat,
	} {
		s, err := scene(ctx)
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		if err := a.show(s); err != nil {
			return err
		}
		if lesson {
			if err := a.askClass(ctx, i, pause); err != nil {
				return err
			}
		}
	}
	return a.showNext()
}

// askClass asks the question of a scene, and answers it.
func (a *app) askClass(ctx context.Context, scene int, pause func(context.Context) error) error {
	for _, text := range []string{
		"\n" + a.style.bold("Question: ") + questions[scene].question, "Answer: " + questions[scene].answer,
	} {
		if err := a.printLines(text + "\n"); err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// showNext says how to go on.
func (a *app) showNext() error {
	next := fmt.Sprintf("\n%s\n  fernpost init lab     make a room of your own (\"fernpost relay\" serves it)\n"+
		"  fernpost chat lab     talk in it, on the full screen\n"+
		"  fernpost gateway      let a board or a script write to it that cannot encrypt\n"+
		"  fernpost class        teach a class: phones join by a QR code\n"+
		"  fernpost game --solo  find out how a relay lies", a.style.bold("Now you:"))
	if a.stdoutTerminal {
		next = strings.Join(fold(strings.Split(next, "\n"), max(leastColumns, a.width)), "\n")
	}
	_, err := fmt.Fprintln(a.stdout, next)
	return err
}

// meet makes the room: ana asks the relay for a channel and makes up a passphrase, bo joins with it.
func (d *demo) meet(ctx context.Context) (scene, error) {
	err := d.engine().MakeChannel(ctx, &d.room, d.room.Name, true, "")
	if err != nil {
		return scene{}, err
	}
	var bits float64
	if d.passphrase, bits, err = passphrase.Generate(passphrase.DefaultWords); err != nil {
		return scene{}, err
	}
	var ana, bo [passphrase.KeySize]byte
	if d.ana, ana, err = d.join("ana", d.passphrase, d.room); err != nil {
		return scene{}, err
	}
	reader := d.room
	reader.WriteKey = ""
	if d.bo, bo, err = d.join("bo", d.passphrase, reader); err != nil {
		return scene{}, err
	}
	return scene{
		title: "A passphrase is all that ana and bo share",
		left: []string{
			"ana makes a room, passphrase:",
			"  " + d.style.bold(d.passphrase),
			fmt.Sprintf("  (%.0f bits: one gaming GPU needs %s)", bits, passphrase.Fernpost().TimeToGuess(bits)),
			"ana's check words: " + checkWords(ana),
			"bo joins;  bo's:   " + checkWords(bo),
		},
		right: []string{
			"a relay at " + d.room.Relay,
			fmt.Sprintf("a public channel, number %d", d.room.Channel),
		},
	}, nil
}

// join lets somebody enter the room with a passphrase: its key is derived from that and the channel's number.
func (d *demo) join(who, pass string, r model.Room) (*messenger.Room, [passphrase.KeySize]byte, error) {
	key, err := messenger.Derive(r, passphrase.Fernpost(), pass)
	if err != nil {
		return nil, key, err
	}
	r.Keys = []model.Secret{model.Secret(fernet.NewKey(key).Reveal())}
	member, err := d.member(d.dir, who, r)
	return member, key, err
}

// leave closes what ana and bo have open.
func (d *demo) leave() (err error) {
	for _, r := range []*messenger.Room{d.ana, d.bo} {
		if r != nil {
			err = errors.Join(err, r.Close())
		}
	}
	return err
}

// talk lets ana send.
func (d *demo) talk(ctx context.Context) (scene, error) {
	s := scene{title: "ana sends three messages; the relay stores what it cannot read"}
	for _, text := range []string{"hi bo, it's ana", "the key is under the blue flower pot", "burn the paper, keep the words"} {
		sent, err := d.ana.Send(ctx, record.Text(text), messenger.SendOptions{})
		if err != nil {
			return s, err
		}
		s.left = append(s.left, fmt.Sprintf("ana> %s  %s", text, d.style.dim(fmt.Sprintf("(entry %d)", sent.Entry))))
	}
	var err error
	s.right, err = d.feed(ctx)
	return s, err
}

// feed returns the channel's CSV as anybody downloads it, without a key.
func (d *demo) feed(ctx context.Context) ([]string, error) {
	reader, err := d.access().Open(d.room.Relay, d.room.Channel, "")
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var csv bytes.Buffer
	if err := reader.Raw(ctx, 100, &csv); err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSpace(screen.Text(csv.String())), "\n"), nil
}

// read lets bo download the feed and open it. Beside it stands what the same rows tell an eavesdropper.
func (d *demo) read(ctx context.Context) (scene, error) {
	s := scene{title: "bo's key opens the same CSV; to an eavesdropper it shows times and sizes"}
	messages, _, err := open(ctx, d.bo)
	if err != nil {
		return s, err
	}
	for _, m := range messages {
		s.left = append(s.left, fmt.Sprintf("bo reads entry %d: %s", m.Entry, screen.Line(m.Text)))
	}
	err = d.scan(ctx, func(e *thingspeak.Entry) {
		for _, x := range eavesdrop.Look(e) {
			s.right = append(s.right, fmt.Sprintf("entry %d: sealed %s UTC, %d to %d bytes",
				x.Entry, x.Sealed.Format("15:04:05"), x.MinPlaintext, x.MaxPlaintext))
		}
	})
	return s, err
}

// open reads the room and returns its messages, and what else came.
func open(ctx context.Context, r *messenger.Room) (messages []model.Message, f model.Findings, err error) {
	arrivals, err := r.Read(ctx)
	if err == nil {
		err = r.History(0, func(it *model.Item) error {
			messages = append(messages, *it.Unsigned)
			return nil
		})
	}
	return messages, arrivals.Findings, err
}

// scan reads the channel without a key.
func (d *demo) scan(ctx context.Context, visit func(*thingspeak.Entry)) error {
	reader, err := d.access().Open(d.room.Relay, d.room.Channel, "")
	if err != nil {
		return err
	}
	defer reader.Close()
	_, err = reader.Newest(ctx, 100, func(e *thingspeak.Entry) error {
		visit(e)
		return nil
	})
	return err
}

// guess tries a passphrase that is wrong by one word.
func (d *demo) guess(ctx context.Context) (scene, error) {
	words := strings.Fields(d.passphrase)
	words[len(words)-1] = "wrong"
	eve, _, err := d.join("eve", strings.Join(words, " "), d.room)
	if err != nil {
		return scene{}, err
	}
	defer eve.Close()
	messages, findings, err := open(ctx, eve)
	if err == nil && len(messages) > 0 {
		err = errors.New("a wrong passphrase opened a message")
	}
	return scene{
		title: "A wrong passphrase, even by one word, shows nothing",
		left:  []string{"(no sound from the room)"},
		right: []string{
			"eve tries: " + strings.Join(words, " "),
			fmt.Sprintf("messages opened: %d", len(messages)),
			fmt.Sprintf("%s not for this key", count(findings.NotOurs, "entry")),
		},
	}, err
}

// alter posts a copy of ana's second token in which one bit of the ciphertext is turned, as somebody can who has the
// channel's write key, or the relay itself.
func (d *demo) alter(ctx context.Context) (scene, error) {
	var original string
	if err := d.scan(ctx, func(e *thingspeak.Entry) {
		if e.ID == 2 {
			original = e.Fields[0].Text
		}
	}); err != nil {
		return scene{}, err
	}
	tok, err := token.Parse(original)
	if err != nil {
		return scene{}, err
	}
	raw := tok.Bytes()
	raw[len(raw)-token.MACSize-1] ^= 1
	altered, err := token.Encode(raw)
	if err != nil {
		return scene{}, err
	}
	entry, err := d.access().Post(ctx, d.room.Relay, d.room.WriteKey.Reveal(), altered.String())
	if err != nil {
		return scene{}, err
	}
	messages, findings, err := open(ctx, d.bo)
	if err == nil && (findings.NotOurs != 1 || findings.FirstNotOurs != entry) {
		err = fmt.Errorf("the altered entry %d was not noticed", entry)
	}
	return scene{
		title: "An altered token is refused and named",
		left: []string{
			fmt.Sprintf("bo still reads %s", count(len(messages), "message")),
			d.style.bad(fmt.Sprintf("entry %d refused: no key opens it,", findings.FirstNotOurs)),
			d.style.bad("  it was altered or sealed with another key"),
		},
		right: []string{
			fmt.Sprintf("mallory turns one bit of entry 2 and posts it as entry %d:", entry),
			altered.String(),
		},
	}, err
}
