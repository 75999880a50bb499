package messenger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Entry is how somebody makes a room or joins one, and who is asked for what is not known.
type Entry struct {
	// Room has the name, the relay, the channel, 0 for one that is to be made, and what else is known.
	Room model.Room
	// Profiles are those in which the passphrase may become the key; of a new room the first is.
	Profiles []passphrase.Profile
	// Passphrase asks for the passphrase, once the channel is there.
	Passphrase func(context.Context) (string, error)
	// Again, unless it is nil, asks [Engine.Enter] for another one in place of one that opens nothing: wrong is a
	// [*WrongKeyError]. An error ends it.
	Again func(_ context.Context, wrong error) (string, error)
	// WriteKey asks for the write key of a channel that was there before, empty for none, once the passphrase has been
	// tried. It is not asked where one is known, and again where the relay refuses it: wrong is that [*EntryError]
	// then, or else nil. An error ends it.
	WriteKey func(_ context.Context, wrong error) (model.Secret, error)
	// AnyKey asks for the write key or the read key of a channel that the relay shows to nobody without one, empty for
	// none: it comes before the passphrase. It is not asked where a key is known.
	AnyKey func(context.Context) (model.Secret, error)
	// Tell is told what is found out: [ChannelFound], [WriteKeyUnproven], [OnlyReads], [KeyTried], [NoCheckLeft].
	Tell func(Event)
	// Deriving is called when the key is made or tried, which takes a while; the function that it returns is called at
	// the end.
	Deriving func() (done func())

	// Public, ChannelName and UserKey are for a channel that is made. Those who look at a relay's page see the name; a
	// relay may want the key of an account.
	Public      bool
	ChannelName string
	UserKey     model.Secret
	// Beside is asked whether a room is to be made beside one that the passphrase does not open; its error ends it.
	Beside func(context.Context) error
	// Show shows a new room before it is kept.
	Show func(Entered) error

	// Unchecked joins also if the passphrase opens nothing of what is there.
	Unchecked bool

	// choseFields tells that the room was to write to certain fields.
	choseFields bool
}

// Entered is a room that was made or joined.
type Entered struct {
	Room    model.Room
	Profile passphrase.Profile
	Key     [passphrase.KeySize]byte
}

// ChannelFound says what the channel is called for which somebody enters a room; a stranger's text.
type ChannelFound struct{ Name string }

// WriteKeyUnproven says that the relay does not tell what a write key is for.
type WriteKeyUnproven struct{}

// OnlyReads says that the key of a channel that is shown to nobody without one reads it, and does not write.
type OnlyReads struct{}

// KeyTried says what the key of a room opens, of which nothing is known so far: of a room that is made only that it
// opens what is there, which others have made. Err is an [ErrNoKey] that was passed over.
type KeyTried struct {
	Guess

	Made bool
	Err  error
}

// NoCheckLeft says that no check was left for those who join, and why if that is known.
type NoCheckLeft struct{ Err error }

func (ChannelFound) event()     {}
func (WriteKeyUnproven) event() {}
func (OnlyReads) event()        {}
func (KeyTried) event()         {}
func (NoCheckLeft) event()      {}

// Obstacle is why a room cannot be entered or changed.
type Obstacle int

// The obstacles.
const (
	// NoField: the channel shows no field, or FieldHidden: not one that the room uses.
	NoField Obstacle = iota
	FieldHidden
	// Unreadable: the relay has no channel of that number, or wants a key, or WrongKey: another one.
	Unreadable
	WrongKey
	// WrongWriteKey: what was given for the channel's write key does not write it.
	WrongWriteKey
	// NoAccount: the relay makes no channel without the key of an account, or not with this one.
	NoAccount
	// OtherRoom: the relay has another room under the channel's number. It is an [ErrNoKey].
	OtherRoom
)

// EntryError says that a room cannot be entered or changed.
type EntryError struct {
	Why     Obstacle
	Channel int64
	Err     error
}

func (e *EntryError) Error() string { return e.Err.Error() }
func (e *EntryError) Unwrap() error { return e.Err }

// ExplainReading makes an [*EntryError] of an error of reading a channel, if the relay has refused that.
func ExplainReading(err error, id int64, withKey bool) error {
	switch trouble, _ := channel.TroubleOf(err); {
	case trouble != channel.KeyRefused:
		return err
	case withKey:
		return &EntryError{WrongKey, id, fmt.Errorf("the relay has no channel %d, or this is not its key: %w", id, err)}
	}
	return &EntryError{Unreadable, id, fmt.Errorf("the relay has no channel %d, or keeps it private: %w", id, err)}
}

// Make makes a room. The error may be [*RoomExistsError], [*EntryError], [*PassphraseError] or [*NotKeptError].
func (e *Engine) Make(ctx context.Context, o Entry) error {
	profile, isNew := o.Profiles[0], o.Room.Channel == 0
	if err := CheckName(o.Room.Name); err != nil {
		return err
	}
	pass, metadata, err := e.begin(ctx, &o)
	if err == nil && isNew {
		err = e.makeOwn(ctx, &o)
	}
	if err != nil {
		return err
	}
	done := o.Deriving()
	key, err := Derive(o.Room, profile, pass)
	done()
	if err == nil && !isNew {
		if err = e.besideRoom(ctx, &o, fernet.NewKey(key), metadata); err == nil {
			err = e.haveWriteKey(ctx, &o)
		}
	}
	if err != nil {
		return err
	}
	entered := o.entered(profile, key)
	// Shown before the room is kept: else a command that is killed in between leaves a room whose passphrase nobody
	// knows.
	if err := o.Show(entered); err != nil {
		return err
	}
	if err := e.Add(entered.Room); err != nil {
		if e.nameIsFree(o.Room.Name) == nil {
			err = &NotKeptError{o.Room.Name, false, err}
		}
		return err
	}
	if !isNew {
		return nil
	}
	// A room is one without a check as well, so nothing but an interruption is an error.
	if err := e.leaveCheck(ctx, entered.Room, fernet.NewKey(key), o.UserKey); err != nil && ctx.Err() == nil {
		o.Tell(NoCheckLeft{err})
		return nil
	} else {
		return err
	}
}

// Enter joins a room that others have made, by its passphrase. Without a name it is called as its channel is. The error
// may be one of those of [Engine.Make], or a [*WrongKeyError].
func (e *Engine) Enter(ctx context.Context, o Entry) (Entered, error) {
	pass, metadata, err := e.begin(ctx, &o)
	if err != nil {
		return Entered{}, err
	}
	find := func() (Guess, error) {
		defer o.Deriving()()
		return e.try(o.Room, metadata).find(ctx, pass, o.Profiles)
	}
	found, err := find()
	for o.Again != nil && !o.Unchecked && errors.Is(err, ErrNoKey) {
		if pass, err = o.Again(ctx, err); err != nil {
			return Entered{}, err
		}
		found, err = find()
	}
	tried := KeyTried{Guess: found}
	if o.Unchecked && errors.Is(err, ErrNoKey) {
		tried.Err, err = err, nil
	}
	if err != nil {
		return Entered{}, err
	}
	o.Tell(tried)
	if err := e.haveWriteKey(ctx, &o); err != nil {
		return Entered{}, err
	}
	entered := o.entered(found.Profile, found.Key)
	return entered, e.Add(entered.Room)
}

// FindKey finds out which key of a room a passphrase makes, see [Engine.Enter].
func (e *Engine) FindKey(ctx context.Context, r model.Room, pass string, profiles ...passphrase.Profile) (Guess, error) {
	settings, err := e.settings(ctx, &r)
	if err != nil {
		return Guess{}, err
	}
	return e.try(r, settings.Metadata).find(ctx, pass, profiles)
}

// begin finds out whether a room can be entered, before anything is derived or kept: whoever has mistyped the address
// or the number is told so before any question. It returns the passphrase and the channel's metadata.
func (e *Engine) begin(ctx context.Context, o *Entry) (pass, metadata string, err error) {
	if o.Room.Name != "" {
		if err := e.nameIsFree(o.Room.Name); err != nil {
			return "", "", err
		}
	}
	o.choseFields = len(o.Room.Fields) > 0
	if o.Room.Channel == 0 {
		if err := e.reach(ctx, o.Room); err != nil {
			return "", "", err
		}
	} else {
		settings, err := e.settings(ctx, &o.Room)
		if refused, ok := errors.AsType[*EntryError](err); ok && refused.Why == Unreadable {
			settings, err = e.askAnyKey(ctx, o, err)
		}
		if err == nil {
			err = chooseFields(&o.Room, settings.Enabled())
		}
		if err != nil {
			return "", "", err
		}
		if o.Room.Name == "" {
			if o.Room.Name, err = e.nameAs(settings.Name); err != nil {
				return "", "", err
			}
		}
		o.Tell(ChannelFound{settings.Name})
		metadata = settings.Metadata
	}
	pass, err = o.Passphrase(ctx)
	return pass, metadata, err
}

// askAnyKey asks for a key of a channel that the relay shows to nobody without one, and reads its settings. Without a
// key the error is the one before.
func (e *Engine) askAnyKey(ctx context.Context, o *Entry, before error) (thingspeak.Channel, error) {
	key, err := o.AnyKey(ctx)
	if err != nil {
		return thingspeak.Channel{}, err
	}
	if key == "" {
		return thingspeak.Channel{}, before
	}
	o.Room.WriteKey = key
	settings, err := e.settings(ctx, &o.Room)
	if err != nil {
		return settings, err
	}
	// What reads a private channel is one of its keys, so one that does not write it is a read key.
	err = e.proveWriteKey(ctx, &o.Room)
	if wrong, ok := errors.AsType[*EntryError](err); ok && wrong.Why == WrongWriteKey {
		o.Room.WriteKey, o.Room.ReadKey, err = "", key, nil
		o.Tell(OnlyReads{})
	}
	return settings, err
}

// haveWriteKey asks for the write key of a channel that was there before, unless one is known or nothing is to be
// written, and proves it. It comes last: a key in the wrong hands, or typed for nothing, is worse than one that is
// asked for late.
func (e *Engine) haveWriteKey(ctx context.Context, o *Entry) (err error) {
	if o.Room.WriteKey != "" {
		return e.proveAndTell(ctx, &o.Room, o.Tell)
	}
	for {
		if o.Room.WriteKey, err = o.WriteKey(ctx, err); err != nil {
			return err
		}
		err = e.proveAndTell(ctx, &o.Room, o.Tell)
		if wrong, ok := errors.AsType[*EntryError](err); !ok || wrong.Why != WrongWriteKey {
			return err
		}
	}
}

// entered is the room as it is kept.
func (o *Entry) entered(p passphrase.Profile, key [passphrase.KeySize]byte) Entered {
	r := o.Room
	if p.Form == passphrase.FormText && !o.choseFields {
		r.Fields = r.Fields[:1] // a text is one token in one field; only a reading takes more
	}
	r.Profile, r.Keys = p.String(), []model.Secret{secretOf(fernet.NewKey(key))}
	return Entered{r, p, key}
}

func secretOf(key fernet.Key) model.Secret { return model.Secret(key.Reveal()) }

// makeOwn makes the channel of a room. A message of a signed room fits into one entry if it may use all fields.
func (e *Engine) makeOwn(ctx context.Context, o *Entry) error {
	if len(o.Room.Fields) == 0 {
		o.Room.Fields = []int{1}
		if o.Profiles[0].Form == passphrase.FormRecords {
			o.Room.Fields = slices.Collect(thingspeak.AllFields.All())
		}
	}
	err := e.MakeChannel(ctx, &o.Room, o.ChannelName, o.Public, o.UserKey)
	if trouble, _ := channel.TroubleOf(err); trouble == channel.KeyRefused || trouble == channel.NotAllowed {
		err = &EntryError{NoAccount, 0, err}
	}
	return err
}

// settings reads the settings of a room's channel.
func (e *Engine) settings(ctx context.Context, r *model.Room) (thingspeak.Channel, error) {
	settings, err := e.channel(ctx, *r)
	return settings, ExplainReading(err, r.Channel, r.WriteKey != "" || r.ReadKey != "")
}

// proveAndTell is proveWriteKey, and tells that it stays unproven.
func (e *Engine) proveAndTell(ctx context.Context, r *model.Room, tell func(Event)) error {
	err := e.proveWriteKey(ctx, r)
	if r.Unproven {
		tell(WriteKeyUnproven{})
	}
	return err
}

// proveWriteKey asks the relay whether a room's write key, if it has one, writes the channel. Of a relay that does not
// tell, that stays unproven, and the room notes it. The error may be an [*EntryError].
func (e *Engine) proveWriteKey(ctx context.Context, r *model.Room) error {
	if r.WriteKey == "" {
		return nil
	}
	client, err := e.dial(*r)
	if err != nil {
		return err
	}
	defer client.Close()
	proven, err := client.ProveWriteKey(ctx)
	r.Unproven = err == nil && !proven
	switch trouble, _ := channel.TroubleOf(err); trouble {
	case channel.Refused, channel.QuotaSpent, channel.KeyRefused, channel.NotAllowed, channel.NoChannel:
		err = &EntryError{WrongWriteKey, r.Channel, err}
	}
	return err
}

// besideRoom finds out whether a channel holds a room already, and asks. Whoever makes one where they mean to join
// would write what nobody of that room reads, and read nothing of theirs.
func (e *Engine) besideRoom(ctx context.Context, o *Entry, key fernet.Key, metadata string) error {
	trial := e.try(o.Room, metadata)
	opens, held := trial.opensCheck(key), trial.checked
	if !opens {
		var unopened int
		var err error
		if opens, unopened, err = trial.opensRows(ctx, key); err != nil {
			return err
		}
		held = held || unopened > 0
	}
	switch {
	case opens:
		o.Tell(KeyTried{Made: true})
	case held:
		return o.Beside(ctx)
	}
	return nil
}

// leaveBroker takes the MQTT device off a room whose relay is another one than before: what the old broker says would
// be taken for the new relay's.
func leaveBroker(r *model.Room, before model.Room) {
	if !sameRelay(r.Relay, before.Relay) {
		r.MQTT = model.MQTT{}
	}
}

// ErrHalfMQTT means that a room would have an address of MQTT and no device, or a device and no address.
var ErrHalfMQTT = errors.New("MQTT needs both an address and a device")

// Mend changes the settings of a room, once the relay has said that it is right as it is to be, unless it is taken
// unseen. At another relay than before a key of the room has to open something, unless nothing is there, which is told
// as [KeyTried], and entries come by MQTT no more, unless that is asked for anew. The error may be an [*EntryError] or
// [ErrHalfMQTT], and then nothing was changed.
func (e *Engine) Mend(ctx context.Context, r model.Room, ask func(*model.Room), unseen bool, tell func(Event)) (model.Room, error) {
	change := func(r *model.Room) {
		before := *r
		if ask(r); r.MQTT == before.MQTT {
			leaveBroker(r, before)
		}
	}
	now := r
	change(&now)
	if (now.MQTT.URL == "") != (now.MQTT.Password == "") {
		return r, ErrHalfMQTT
	}
	if err := e.tryChanged(ctx, &now, r, unseen, tell); err != nil {
		return r, err
	}
	return e.Update(r.Name, func(r *model.Room) error {
		change(r)
		r.Unproven = now.Unproven
		return nil
	})
}

func (e *Engine) tryChanged(ctx context.Context, now *model.Room, before model.Room, unseen bool, tell func(Event)) error {
	moved := now.Relay != before.Relay
	if unseen {
		now.Unproven = now.WriteKey != "" && (before.Unproven || moved || now.WriteKey != before.WriteKey)
		return e.dialable(*now)
	}
	settings, err := e.settings(ctx, now)
	if err == nil {
		err = chooseFields(now, settings.Enabled())
	}
	if err != nil {
		return err
	}
	tell(ChannelFound{settings.Name})
	if moved {
		// Of another room the write key is another one, and that would be said of it.
		if err := e.trySameRoom(ctx, *now, settings.Metadata, tell); err != nil {
			return err
		}
	}
	if err := e.proveAndTell(ctx, now, tell); err != nil || now.MQTT == before.MQTT || now.MQTT.URL == "" {
		return err
	}
	client, err := e.dial(*now)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.TryMQTT(ctx)
}

// trySameRoom makes sure that a channel at another relay is that of the room: a key of the room opens something there,
// or nothing is there, which is told.
func (e *Engine) trySameRoom(ctx context.Context, r model.Room, metadata string, tell func(Event)) error {
	keys, err := Keys(r)
	if err != nil {
		return err
	}
	trial := e.try(r, metadata)
	if slices.ContainsFunc(keys, trial.opensCheck) {
		return nil
	}
	opens, unopened, err := trial.opensRows(ctx, keys...)
	switch {
	case err != nil || opens:
		return err
	case unopened > 0:
		err = ErrNoKey
	case trial.checked:
		err = ErrNoCheck
	default:
		tell(KeyTried{})
		return nil
	}
	return &EntryError{OtherRoom, r.Channel, fmt.Errorf("channel %d at %s is another room's: %w", r.Channel, r.Relay, err)}
}
