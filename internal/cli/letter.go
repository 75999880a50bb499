package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/letter"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/screen"
)

// recipients are the public keys that invite was given, each once.
func (a *app) recipients(ctx context.Context, f *inviteFlags) (to []publickey.Keys, err error) {
	add := func(where, text string) error {
		keys, err := publickey.Parse(text)
		switch {
		case errors.Is(err, publickey.ErrSigningOnly):
			return hint(usagef("%s: %w", where, err), "ask for the text that begins with fp1_: \"fernpost identity show\" prints it on the other device")
		case err != nil:
			return usagef("%s: %w", where, err)
		}
		if !slices.Contains(to, keys) {
			to = append(to, keys)
		}
		return nil
	}
	for _, text := range f.to {
		if err := add("--to", text); err != nil {
			return nil, err
		}
	}
	if f.recipients == "" {
		return to, nil
	}
	in, done, err := a.openInput(ctx, f.recipients)
	if err != nil {
		return nil, usagef("--recipients: %w", err)
	}
	defer done()
	all, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.recipients, err)
	}
	if len(all) > maxInput {
		return nil, usagef("--recipients: %s has more than %d bytes", f.recipients, maxInput)
	}
	n := 0
	for line := range strings.Lines(string(all)) {
		n++
		key, _, _ := strings.Cut(strings.TrimPrefix(line, "\ufeff"), "#")
		if key = strings.TrimSpace(key); key == "" {
			continue
		}
		if err := add(fmt.Sprintf("%s, line %d", f.recipients, n), key); err != nil {
			return nil, err
		}
	}
	if len(to) == 0 {
		return nil, usagef("--recipients: %s has no public key", f.recipients)
	}
	return to, nil
}

// agreeToPost shows the words of those for whom letters are, and asks whether they were compared: a letter cannot be
// taken back.
func (a *app) agreeToPost(ctx context.Context, to []publickey.Keys, yes bool) error {
	if yes {
		return nil
	}
	for _, keys := range to {
		a.say("sealing words of the key: %s", a.style.bold(passphrase.SixWords(keys.Safety())))
	}
	question := "Does its owner read out the same six words (\"identity show\" there, behind \"for sealing\")?"
	if len(to) > 1 {
		question = "Does the owner of each read out the same six words (\"identity show\" there, behind \"for sealing\")?"
	}
	return a.agree(ctx, false, question, "nothing was posted: whoever has made such a key opens the letter, and nobody takes it back",
		"compare the words first; --yes says that they are the same")
}

// inviteByLetter seals an invitation to people's keys, and prints the letters, or posts them.
func (a *app) inviteByLetter(ctx context.Context, r model.Room, i *messenger.Invited, to []publickey.Keys, f *inviteFlags) error {
	letters, err := a.engine().Letters(r, i.Invitation, to)
	if err != nil {
		return usageError{err}
	}
	var ends []int64
	// The file is made before anything is posted: whether it can be is known then.
	err = a.write(f.out, 0o644, func(w io.Writer) error {
		if f.post {
			c := &conversation{app: a, asJSON: f.asJSON}
			if ends, err = a.engine().PostLetters(ctx, r, letters, c.face()); err != nil {
				return explainSending(err, r.Name, "")
			}
			if f.out == "" && !f.asJSON {
				return nil
			}
		}
		return a.printLetters(w, r, letters, to, ends, f.asJSON)
	})
	for n, keys := range to {
		where := ""
		if n < len(ends) {
			where = fmt.Sprintf(" (entry %d)", ends[n])
		} else if err != nil {
			break
		}
		a.say("a letter%s to the public key with the sealing words: %s", where, a.style.bold(passphrase.SixWords(keys.Safety())))
	}
	if err != nil {
		if len(ends) > 0 {
			return partlyError{err}
		}
		return err
	}
	a.say("whoever it is for reads the same at \"fernpost identity show\", behind \"for sealing\"; if they differ, somebody else opens it")
	if id, _, err := a.engine().Identity(r); err == nil { // it signs letters to a room of plain texts, too
		a.say("your words   %s", passphrase.SixWords(id.Public().Safety()))
		a.say("they are of the key that signs: \"join\" shows them as the inviter's (\"fernpost help words\")")
	}
	if f.post {
		a.say("they read it with \"fernpost join --from-channel %d --relay %s\"; the others see only that somebody is invited", r.Channel, screen.Line(r.Relay))
	}
	a.say("a letter cannot be withdrawn: \"fernpost key rotate\" moves the room to a new key")
	a.sayMoved(i.Name, i.Moved)
	a.adviseAddress(ctx, i)
	return nil
}

func (a *app) printLetters(w io.Writer, r model.Room, letters []letter.Sealed, to []publickey.Keys, ends []int64, asJSON bool) error {
	for n, l := range letters {
		line := l.String()
		if asJSON {
			o := letterJSON{Room: r.Name, Channel: r.Channel, To: to[n].String(), Words: passphrase.SixWords(to[n].Safety()), Letter: line}
			if n < len(ends) {
				o.Entry = &ends[n]
			}
			if err := a.printJSON(o); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// openLetters is [messenger.Engine.OpenLetters].
func (a *app) openLetters(text string) (letter.Letter, error) {
	l, err := a.engine().OpenLetters(text)
	if err != nil {
		err = hintLetter(err)
	}
	return l, err
}

// hintLetter says what to do about a letter that does not count.
func hintLetter(err error) error {
	switch {
	case errors.Is(err, publickey.ErrNotOurs):
		return hint(err, "your public key is what \"fernpost identity show\" prints: the inviter needs that one")
	case errors.Is(err, letter.ErrNewer):
		return hint(err, "get the newest fernpost")
	case errors.Is(err, letter.ErrMalformed):
		return hint(err, "it is the whole line that \"fernpost invite --to KEY\" prints: ask for it again")
	}
	return hint(err, "do not use it: ask whoever invites you for a new one")
}

// errNoLetter means that nobody is invited in a channel.
var errNoLetter = errors.New("no letter")

// mostAboutLetters bounds what is told of letters that do not count, and how many inviters are asked about: anybody can
// write as many as they like.
const mostAboutLetters = 10

// letterFrom finds the letters in a channel that are for this device, and asks which one is meant.
func (a *app) letterFrom(ctx context.Context, e *enterFlags, f *joinFlags) (i invite.Invitation, err error) {
	relay := channel.WithScheme(e.relay)
	if err := a.nameInviter(f); err != nil {
		return i, err
	}
	var keys model.Room
	if err := a.channelKeys(ctx, e, &keys); err != nil {
		return i, err
	}
	found, err := a.engine().FindLetters(ctx, relay, f.fromChannel, keys.ReadKey, f.inviter)
	if err != nil {
		return i, explainEntry(err)
	}
	a.tellLetters(&found, f.fromChannel)
	ours := found.Ours
	if len(ours) == 0 {
		return i, noLetter(&found, f)
	}
	if n := len(ours) - mostAboutLetters; n > 0 {
		a.say("%s", a.style.warn(fmt.Sprintf("%s more invite you here, and are not shown: --by KEY names the one that is meant", count(n, "stranger"))))
		ours = ours[:mostAboutLetters]
	}
	for n := range ours {
		l := &ours[n]
		a.say("entry %d:", l.Entry)
		err = a.agreeToLetter(ctx, &l.Letter, f)
		if _, no := errors.AsType[declinedError](err); no && n < len(ours)-1 {
			continue
		}
		if err != nil {
			return i, err
		}
		i, elsewhere := l.Lead(relay, keys.ReadKey)
		if elsewhere {
			a.say("the letter leads to the relay %s, as its inviter has written", screen.Line(i.Relay))
		}
		return i, nil
	}
	return i, err
}

// nameInviter looks up whose letter --by wants.
func (a *app) nameInviter(f *joinFlags) (err error) {
	if f.by != "" && f.inviter.IsZero() {
		f.inviter, err = a.named(f.by)
	}
	return err
}

// tellLetters says what else stands in a channel than the letters that are to be opened.
func (a *app) tellLetters(found *messenger.LettersFound, id int64) {
	if found.More {
		a.say("%s", a.style.warn(fmt.Sprintf("channel %d has more letters than are looked at: the oldest were left out", id)))
	}
	if found.Others > 0 {
		a.say("%s in channel %d %s for others", count(found.Others, "letter"), id, isOrAre(found.Others))
	}
	var lines []string
	for _, r := range found.Refused {
		lines = append(lines, a.style.warn(fmt.Sprintf("entry %d: %v", r.Entry, r.Why)))
	}
	for i := range found.Ours {
		l := &found.Ours[i]
		for _, at := range l.Copies {
			lines = append(lines, fmt.Sprintf("entry %d is a copy of the letter in entry %d: anybody who may write can make one", at, l.Entry))
		}
		for _, at := range l.Older {
			lines = append(lines, fmt.Sprintf("entry %d is an older letter by whoever has written that in entry %d, which counts", at, l.Entry))
		}
	}
	for _, line := range lines[:min(len(lines), mostAboutLetters)] {
		a.say("%s", line)
	}
	if n := len(lines) - mostAboutLetters; n > 0 {
		a.say("and so on: %s more that do not count", count(n, "letter"))
	}
}

// noLetter says why none of the letters of a channel is to be opened.
func noLetter(found *messenger.LettersFound, f *joinFlags) error {
	switch {
	case found.ByOthers > 0:
		return fmt.Errorf("%w: no letter here is by %s", messenger.ErrOtherSigner, screen.Line(f.by))
	case len(found.Refused) > 0:
		return hintLetter(found.Refused[0].Why)
	case found.Others > 0:
		return hint(fmt.Errorf("no letter in channel %d is for this device: %w", f.fromChannel, publickey.ErrNotOurs),
			"your public key is what \"fernpost identity show\" prints: the inviter needs that one")
	}
	return hint(fmt.Errorf("%w stands in channel %d", errNoLetter, f.fromChannel),
		"is that the channel? The inviter runs \"fernpost invite --to KEY --post\" with your public key (\"fernpost identity show\")")
}

// agreeToLetter shows who has written a letter and asks whether it is to be followed.
func (a *app) agreeToLetter(ctx context.Context, l *letter.Letter, f *joinFlags) error {
	if err := a.nameInviter(f); err != nil {
		return err
	}
	j, missed, wrong := a.engine().JudgeLetter(*l, f.inviter)
	a.sayMissed(missed)
	who := a.signer(l.From, j.Standing)
	a.say("a letter by %s, written %s by the inviter's clock", who, clockOf(l.At))
	if j.Old {
		a.say("%s", a.style.warn("it is old: the room may have moved to a new key since, or somebody shows it again"))
	}
	a.say("it invites to room %s in channel %d of the relay %s", screen.Line(l.Name), l.Channel, screen.Line(l.Relay))
	a.say("words of the inviter: %s", a.style.bold(passphrase.SixWords(l.From.Safety())))
	if wrong != nil {
		return fmt.Errorf("%w: this letter is by %s, not by %s", wrong, who, screen.Line(f.by))
	}
	f.letter = l
	if err := j.MayFollow(a.canAsk() && !f.yes); err != nil {
		return hint(partlyError{err}, "compare the six words with whoever invites you (\"fernpost identity show\" prints them there), "+
			"then add --yes --by KEY with the inviter's public key")
	}
	question := "Join by it?"
	if !j.Credit.Counts() {
		question = "Does whoever invites you read out the same six words, and do you want to join?"
	}
	return a.agree(ctx, f.yes, question, "nothing was joined",
		"--yes joins without asking by a letter whose inviter was compared, or that --by names")
}
