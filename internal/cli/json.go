package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/eavesdrop"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaycmd"
	"github.com/fernpost/fernpost/internal/screen"
)

// object is what --json prints on one line. No key is ever left out, so that a script can rely on it: what is not known
// is null. The tags say what "fernpost help json" tells of the keys.
type object interface {
	// about says what the object is, and which commands print it.
	about() string
}

// objects are all that there are, in the order of the help.
var objects = []object{
	messageJSON{},
	findingJSON{},
	stateJSON{},
	verdictJSON{},
	sentJSON{},
	estimateJSON{},
	progressJSON{},
	slowJSON{},
	queuedJSON{},
	roomJSON{},
	invitationJSON{},
	letterJSON{},
	roomKeyJSON{},
	listedRoomJSON{},
	shownRoomJSON{},
	identityJSON{},
	personJSON{},
	consentJSON{},
	exportedJSON{},
	importedJSON{},
	sightingJSON{},
	inferenceJSON{},
	stepJSON{},
	exchangeJSON{},
	guessJSON{},
	checkJSON{},
	versionJSON{},
	licenceJSON{},
	sealedTokenJSON{},
	openedTokenJSON{},
	anatomyJSON{},
	tamperedJSON{},
	socketMessageJSON{},
	grantJSON{},
	fieldJSON{},
	madeKeyJSON{},
	checkedKeyJSON{},
	hashJSON{},
	signedJSON{},
	signatureJSON{},
	gameRoundJSON{},
	gameOutcomeJSON{},
	gameOverJSON{},
}

// messageJSON is a message, signed or not.
type messageJSON struct {
	item.Message
	Saved *string `json:"saved_as" means:"path that --save has written the file to"`
}

func (messageJSON) about() string { return `A message ("recv", "watch"):` }

// findingJSON is something that the user should know.
type findingJSON item.Finding

func (findingJSON) about() string { return `A finding ("recv", "watch", "verify", "eavesdrop"):` }

// stateJSON is how far a message of our own has come, or who has seen it.
type stateJSON item.State

func (stateJSON) about() string { return `What became of an own message ("watch"):` }

// verdictJSON is what verify ends with.
type verdictJSON struct {
	Entries  int    `json:"entries" means:"entries of the feed"`
	Records  int    `json:"records" means:"signed messages, all kinds counted"`
	Authors  int    `json:"authors" means:"keys that have signed them"`
	Unsigned int    `json:"unsigned" means:"texts that nobody has signed"`
	Findings int    `json:"findings" means:"findings of which each says that something is wrong, printed before"`
	Unsure   int    `json:"unsure" means:"what waits, or could not be judged, printed before"`
	Noted    int    `json:"noted" means:"what says for information that nothing is wrong, printed before"`
	Digest   string `json:"digest" means:"six words to compare"`
	Hex      string `json:"digest_hex" means:"the same as 32 hexadecimal digits, as examples/python/fernpost_record.py prints it"`
	Version  int    `json:"digest_version" means:"how the digest is made: those of different versions cannot be compared"`
	Lines    int    `json:"lines" means:"how many messages and texts it covers"`
	Keys     int    `json:"keys" means:"how many keys have signed them"`
	Until    *int64 `json:"until" means:"the highest entry looked at, with --until"`
}

func (verdictJSON) about() string { return `The last object of "verify":` }

// sentJSON is what became of a message that was sent.
type sentJSON struct {
	Room    string  `json:"room" means:"the room's name on this device"`
	Channel int64   `json:"channel" means:"the channel's number"`
	Number  *uint32 `json:"number" means:"our number of the message; null of a text that was not in the outbox"`
	Entries int     `json:"entries" means:"how many entries it takes"`
	State   string  `json:"state" means:"accepted; of one that is in the outbox: queued, tried or unknown"`
	Entry   *int64  `json:"entry" means:"number of the last of its entries; null while that is not known"`
}

func (sentJSON) about() string {
	return `What became of a message: the last object of "send", and of "outbox --retry" one for each that waited:`
}

// estimateJSON is what a transfer takes.
type estimateJSON struct {
	Event   string  `json:"event" means:"estimate"`
	Entries int     `json:"entries" means:"entries to post, with those that wait in the outbox"`
	Single  int     `json:"single_updates" means:"updates of one entry"`
	Bulk    int     `json:"bulk_calls" means:"updates of many entries"`
	Seconds float64 `json:"seconds" means:"how long that takes"`
	Daily   *int    `json:"quota_a_day" means:"entries that the relay takes a day; null if it has not said"`
}

func (estimateJSON) about() string {
	return `Before a message of several entries ("send", "outbox --retry"):`
}

// progressJSON is how far a transfer has come.
type progressJSON struct {
	Event  string `json:"event" means:"progress"`
	Posted int    `json:"posted" means:"entries that were accepted"`
	Total  int    `json:"total" means:"of how many"`
	Entry  int64  `json:"entry" means:"number of the last one"`
}

func (progressJSON) about() string { return `While it is posted:` }

// queuedJSON is a message of the outbox.
type queuedJSON struct {
	Number   uint32            `json:"number" means:"our number of it"`
	Kind     string            `json:"kind" means:"text, file, reading, heartbeat, …"`
	State    string            `json:"state" means:"queued, tried or unknown"`
	Since    time.Time         `json:"since" means:"when it was written"`
	Entries  int               `json:"entries" means:"how many entries it takes"`
	Accepted int               `json:"accepted" means:"how many of them were accepted"`
	Key      *record.PublicKey `json:"key" means:"the key of ours that has signed it; null of a text"`
	Text     *string           `json:"text" means:"the beginning of what it says or has measured, or the name of the file; null where it is none of these"`
	Held     *string           `json:"held" means:"why it is not posted: who has moved the room to a key that is not here; null otherwise"`
}

func (queuedJSON) about() string { return `A message of the "outbox":` }

// roomJSON is a room that was made or entered.
type roomJSON struct {
	Room       string  `json:"room" means:"the room's name on this device"`
	Relay      string  `json:"relay" means:"the relay's address"`
	Channel    int64   `json:"channel" means:"the channel's number"`
	Profile    string  `json:"profile" means:"how its key is made, see \"fernpost help profiles\""`
	CheckWords string  `json:"check_words" means:"three words that are the same for all who have the key"`
	Passphrase *string `json:"passphrase" means:"the passphrase, if it was made now"`
	WriteKey   *string `json:"write_key" means:"the channel's write key"`
	ReadKey    *string `json:"read_key" means:"the channel's read key, if it is private"`

	Inviter *record.PublicKey `json:"inviter" means:"the public key of whoever made the invitation, which counts as compared; null if nobody's does anew"`
	Words   *string           `json:"inviter_words" means:"the safety words of that key"`
}

func (roomJSON) about() string { return `The room that "init" has made, or "join" entered:` }

// invitationJSON is an invitation.
type invitationJSON struct {
	Room       string  `json:"room" means:"the room's name on this device"`
	Link       string  `json:"link" means:"the invitation: whoever has it can join"`
	Relay      string  `json:"relay" means:"the relay's address in it"`
	Channel    int64   `json:"channel" means:"the channel's number"`
	CheckWords string  `json:"check_words" means:"three words that are the same for all who have the key"`
	Words      *string `json:"words" means:"the safety words of whoever invites; null where nobody signs"`
	Keys       int     `json:"keys" means:"how many keys of the room are in it"`
	MayWrite   *bool   `json:"may_write" means:"whether the channel's write key is in it"`
}

func (invitationJSON) about() string { return `An invitation ("invite"):` }

// letterJSON is an invitation that is sealed to somebody's public key.
type letterJSON struct {
	Room    string `json:"room" means:"the room's name on this device"`
	Channel int64  `json:"channel" means:"the channel's number"`
	To      string `json:"to" means:"the public key of whom it is for, 95 characters"`
	Words   string `json:"to_words" means:"six words to compare for that key"`
	Letter  string `json:"letter" means:"the letter: one line, which only they open"`
	Entry   *int64 `json:"entry" means:"the entry of the channel in which it ends, if it was posted"`
}

func (letterJSON) about() string { return `A letter ("invite --to"):` }

// roomKeyJSON is a key of a room.
type roomKeyJSON struct {
	CheckWords string `json:"check_words" means:"three words that are the same for all who have the key"`
	ID         string `json:"id" means:"the key's id, 32 hexadecimal digits"`
	Place      int    `json:"place" means:"0 is the newest"`
	Seals      *bool  `json:"seals" means:"whether what is written is sealed with it"`
}

func (roomKeyJSON) about() string { return `A key of a room ("key list"):` }

// listedRoomJSON is a room of this device.
type listedRoomJSON struct {
	Room     string  `json:"room" means:"its name on this device"`
	Channel  int64   `json:"channel" means:"the channel's number"`
	Relay    string  `json:"relay" means:"the relay's address"`
	Profile  string  `json:"profile" means:"how its key is made"`
	Fields   []int   `json:"fields" means:"fields that are written to, in order"`
	Interval *string `json:"interval" means:"the time that the relay wants between two updates, with its unit"`
	Keys     int     `json:"keys" means:"how many keys this device has for it"`
	MayWrite *bool   `json:"may_write" means:"whether this device may write; null: it has a key that was not tried"`
	Default  bool    `json:"default" means:"whether it was chosen to be meant where no room is named"`
}

func (listedRoomJSON) about() string {
	return `A room of "rooms", or as it is now ("rooms set", "rooms rename", "rooms default"):`
}

// shownRoomJSON is all that this device knows of a room. What is secret in it is null unless it was asked for.
type shownRoomJSON struct {
	Room        string            `json:"room" means:"its name on this device"`
	Channel     int64             `json:"channel" means:"the channel's number"`
	Relay       string            `json:"relay" means:"the relay's address"`
	Profile     string            `json:"profile" means:"how its key is made"`
	Fields      []int             `json:"fields" means:"fields that are written to, in order"`
	Interval    *string           `json:"interval" means:"the time that the relay wants between two updates, with its unit"`
	Padding     bool              `json:"padding" means:"whether every entry is filled up, so that all look alike"`
	Default     bool              `json:"default" means:"whether it was chosen to be meant where no room is named"`
	SignsAs     *record.PublicKey `json:"signs_as" means:"the public key of who signs in it here; null if nobody does yet"`
	OwnKey      bool              `json:"own_identity" means:"whether that is an identity of this room's own, not the device's"`
	Keys        []shownKeyJSON    `json:"room_keys" means:"its keys, the newest first, each of:"`
	HasWriteKey bool              `json:"has_write_key" means:"whether this device has the channel's write key"`
	MayWrite    *bool             `json:"may_write" means:"whether this device may write; null: it has a key that was not tried"`
	HasReadKey  bool              `json:"has_read_key" means:"whether it has the channel's read key"`
	WriteKey    *string           `json:"write_key" means:"the write key; null without --reveal"`
	ReadKey     *string           `json:"read_key" means:"the read key; null without --reveal"`
	MQTT        *string           `json:"mqtt" means:"where entries come from by MQTT, too; null if they do not"`
}

func (shownRoomJSON) about() string { return `What this device knows of a room ("rooms show"):` }

// shownKeyJSON is a key of a room, with what it is if that was asked for.
type shownKeyJSON struct {
	CheckWords string  `json:"check_words" means:"three words that are the same for all who have the key"`
	ID         string  `json:"id" means:"the key's id, 32 hexadecimal digits"`
	Key        *string `json:"key" means:"the key, as Python's Fernet takes it; null without --reveal"`
}

// identityJSON is who signs here.
type identityJSON struct {
	Nickname *string          `json:"nickname" means:"the name in what is written here; null if none was chosen"`
	Key      record.PublicKey `json:"key" means:"the public key, 64 hexadecimal digits"`
	Tag      string           `json:"tag" means:"the beginning of its hash"`
	Words    string           `json:"words" means:"six words to compare"`
	Public   string           `json:"public_key" means:"both public halves, for those who seal something: 95 characters"`
	Sealing  string           `json:"public_words" means:"six words to compare for both"`
	Moved    *time.Time       `json:"moved" means:"when it has moved to another device, so that it signs nothing here; null if it has not"`
}

func (identityJSON) about() string { return `Who signs ("identity", "identity show"):` }

// personJSON is an author of a room.
type personJSON struct {
	Name     string             `json:"name" means:"how the author is called"`
	Key      record.PublicKey   `json:"key" means:"the public key, 64 hexadecimal digits"`
	Words    string             `json:"words" means:"six words to compare"`
	Last     uint32             `json:"last_number" means:"the author's highest number held"`
	Verified bool               `json:"verified" means:"whether the words were compared"`
	Own      bool               `json:"own" means:"whether it is our own key"`
	DeviceOf *record.PublicKey  `json:"device_of" means:"the key of whose device it is; null if it stands for itself"`
	Withdrew bool               `json:"withdrawn" means:"whether we have taken back that it is a device of ours"`
	Lost     bool               `json:"lost" means:"whether it was withdrawn as a lost device, on this device"`
	Since    *time.Time         `json:"lost_since" means:"when that was; null if it was not"`
	LeftBy   []record.PublicKey `json:"left_by" means:"the keys of those who have taken back that it is a device of theirs"`
}

func (personJSON) about() string { return `An author ("identity list"):` }

// consentJSON is the consent to be somebody's device.
type consentJSON struct {
	Code   string           `json:"code" means:"what the other device claims this one with"`
	Key    record.PublicKey `json:"key" means:"the key of this device"`
	Author record.PublicKey `json:"author" means:"the key that may claim it"`
	Rooms  []string         `json:"rooms" means:"the rooms in which it may, as this device calls them"`
}

func (consentJSON) about() string { return `A consent ("identity device consent", "rooms import"):` }

// exportedJSON is a file for another device.
type exportedJSON struct {
	File       string   `json:"file" means:"its name"`
	Rooms      []string `json:"rooms" means:"the rooms in it"`
	Passphrase *string  `json:"passphrase" means:"its passphrase, if that was generated"`
}

func (exportedJSON) about() string {
	return `A file for another device ("rooms export", "identity export"):`
}

// importedJSON is a room of such a file.
type importedJSON struct {
	Name   string  `json:"name" means:"what the room is called in the file"`
	Room   *string `json:"room" means:"its name on this device; null if it was left out"`
	Result string  `json:"result" means:"new, mended, unchanged or left out"`
	Why    *string `json:"why" means:"why it was left out"`
}

func (importedJSON) about() string {
	return `A room out of a file ("rooms import", "identity import"):`
}

// checkJSON is one thing that doctor has looked at.
type checkJSON struct {
	Check string  `json:"check" means:"what was looked at"`
	State string  `json:"state" means:"good, mind, wrong or not checked"`
	What  string  `json:"what" means:"what was found, in words"`
	Next  *string `json:"next" means:"what to do about it"`
}

func (checkJSON) about() string { return `A check ("doctor"):` }

// versionJSON is what "version" prints.
type versionJSON struct {
	Version string `json:"version" means:"the version of fernpost"`
	Go      string `json:"go" means:"the version of Go that it was built with"`
	System  string `json:"system" means:"what it was built for, such as linux/amd64"`
}

func (versionJSON) about() string { return `The program ("version"):` }

// licenceJSON is what "licenses" prints of a part.
type licenceJSON struct {
	Name    string `json:"name" means:"what it is called: fernpost, a Go module, Go itself, or data"`
	Version string `json:"version" means:"its version, empty if it is no module"`
	Text    string `json:"text" means:"its licences and notices"`
}

func (licenceJSON) about() string { return `A part of the program ("licenses"):` }

// sightingJSON is what a field shows without a key.
type sightingJSON struct {
	Entry        int64          `json:"entry" means:"number of the feed's entry"`
	Field        int            `json:"field" means:"field of that entry"`
	Posted       time.Time      `json:"posted" means:"when the relay took it, by its clock"`
	Kind         eavesdrop.Kind `json:"kind" means:"token, letter (an invitation for somebody), damaged or other"`
	Length       int            `json:"length" means:"its length in bytes"`
	Sealed       *time.Time     `json:"sealed" means:"of a token: when it was encrypted, by the sender's clock"`
	MinPlaintext *int           `json:"min_plaintext" means:"of a token: least bytes that it can hold"`
	MaxPlaintext *int           `json:"max_plaintext" means:"of a token: most bytes that it can hold"`
	Damage       *string        `json:"damage" means:"of a damaged token: what is wrong with it"`
	Text         string         `json:"text" means:"what stands there"`
}

func (sightingJSON) about() string { return `What a field shows ("eavesdrop"):` }

// inferenceJSON is what follows from a feed without a key.
type inferenceJSON struct {
	Topic     string   `json:"topic" means:"form, lengths, clocks, rhythm, week, use, senders, copies or damage"`
	Says      string   `json:"says" means:"what follows"`
	Certainty float64  `json:"certainty" means:"how many of such sentences are right, 0 to 1: 1 is read and not inferred, 0 is \"cannot tell\""`
	How       string   `json:"how" means:"how it was computed"`
	Bits      *float64 `json:"bits" means:"how many bits a message gives away by it; null where that cannot be counted"`
}

func (inferenceJSON) about() string {
	return `What a feed gives away ("eavesdrop report"):`
}

// stepJSON is an entry of a replay.
type stepJSON struct {
	Entry  int64      `json:"entry" means:"number of the feed's entry"`
	Posted *time.Time `json:"posted" means:"when the relay took it, by its clock; null of an entry without a date"`
	Said   []string   `json:"said" means:"messages that end in it, with their authors, if a key was given that opens them"`
	Seen   []string   `json:"seen" means:"what everybody sees of it, in words, one for each field"`
}

func (stepJSON) about() string { return `An entry as it happened ("eavesdrop replay"):` }

// exchangeJSON is a request of plain HTTP in a recording of a network.
type exchangeJSON struct {
	At       time.Time     `json:"at" means:"when it was asked, by the recording's clock"`
	Client   string        `json:"client" means:"address and port that asked"`
	Hardware *string       `json:"hardware" means:"that client's address in its own network, or its router's"`
	Server   string        `json:"server" means:"address and port that were asked"`
	Method   string        `json:"method" means:"GET, POST, …"`
	Path     string        `json:"path" means:"what was asked for, without parameters"`
	Host     *string       `json:"host" means:"the server's name as the client has it"`
	Agent    *string       `json:"agent" means:"the program that asked, as it says"`
	Channel  *int64        `json:"channel" means:"number of the channel"`
	Fields   []int         `json:"fields" means:"fields that were written"`
	Status   *int          `json:"status" means:"of the answer; null if there is none"`
	Entry    *int64        `json:"entry" means:"number of the entry that was stored"`
	Outcome  *string       `json:"outcome" means:"taken or refused, for whatever reason; null if the answer does not tell"`
	Cut      bool          `json:"cut" means:"the recording lacks some of the request"`
	Keys     []wireKeyJSON `json:"keys" means:"API keys that were sent, or came with the answer:"`
	MoreKeys int           `json:"more_keys" means:"how many more there were"`
}

func (exchangeJSON) about() string {
	return `What a network gave away ("eavesdrop --pcap"):`
}

// wireKeyJSON is an API key that everybody could read.
type wireKeyJSON struct {
	Use string `json:"use" means:"write, read or account"`
	Key string `json:"key" means:"the key"`
}

// guessJSON is what came of guessing.
type guessJSON struct {
	Found      bool    `json:"found" means:"a passphrase opens a token"`
	Passphrase *string `json:"passphrase" means:"that passphrase"`
	Profile    *string `json:"profile" means:"how the key is made of it"`
	Tried      uint64  `json:"tried" means:"how many were tried for sure"`
	PerSecond  float64 `json:"per_second" means:"how many were tried in a second"`
}

func (guessJSON) about() string { return `What came of guessing ("eavesdrop guess"):` }

// slowJSON says that the relay is slow.
type slowJSON struct {
	Event   string  `json:"event" means:"slow"`
	Doing   string  `json:"doing" means:"what takes long"`
	Seconds float64 `json:"seconds" means:"for how long by now"`
	Bytes   int64   `json:"bytes" means:"how much the relay has sent in that time"`
}

func (slowJSON) about() string {
	return `While the relay is slow, each second from the third on ("send", "outbox --retry", in signed rooms):`
}

// known returns nil for the zero value: what is not known is null.
func known[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// printJSON prints one object on one line of stdout.
func (a *app) printJSON(o object) error {
	a.printing.Lock()
	defer a.printing.Unlock()
	return writeJSON(a.stdout, o)
}

// writeJSON writes one object on one line, with nothing in it that a terminal would act on.
func writeJSON(w io.Writer, o object) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = w.Write(append(screen.JSON(b), '\n'))
	return err
}

// jsonHelp describes every object.
func jsonHelp() string {
	var b strings.Builder
	b.WriteString(`With --json a command prints one object a line. Every key is always there: what is not known, or does not apply, is
null. Times are in RFC 3339. A number of an author is "number", one of an entry of the feed is "entry".
`)
	for _, o := range objects {
		fmt.Fprintf(&b, "\n%s\n\n", o.about())
		explain(&b, "  ", reflect.TypeOf(o))
	}
	for _, o := range relaycmd.Objects() {
		fmt.Fprintf(&b, "\n%s\n\n", o.About)
		explain(&b, "  ", reflect.TypeOf(o.Value))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// explain describes the keys of an object, those of objects inside further in.
func explain(b *strings.Builder, indent string, object reflect.Type) {
	for f := range object.Fields() {
		if f.Anonymous {
			explain(b, indent, f.Type)
			continue
		}
		meaning := f.Tag.Get("means")
		fmt.Fprintf(b, "%s%-*s  %s\n", indent, 18-len(indent), f.Tag.Get("json"), meaning)
		inner := f.Type
		if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if strings.HasSuffix(meaning, ":") {
			explain(b, indent+"  ", inner)
		}
	}
}
