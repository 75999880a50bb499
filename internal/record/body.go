package record

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Kind is the first byte of a record.
type Kind byte

// The kinds that this version knows.
const (
	KindText      Kind = 1
	KindFile      Kind = 2
	KindHeartbeat Kind = 3
	KindKeyMoved  Kind = 4
	KindDevice    Kind = 5
	KindReading   Kind = 6
	KindLetter    Kind = 7
)

// Sizes of a [Letter] in bytes: the least is an encapsulated key (32) and the tag of an empty text (16).
const (
	MinLetter = 32 + 16
	MaxLetter = 4096
)

// String names the kind.
func (k Kind) String() string {
	switch k {
	case KindText:
		return "text"
	case KindFile:
		return "file"
	case KindHeartbeat:
		return "heartbeat"
	case KindKeyMoved:
		return "key moved"
	case KindDevice:
		return "device"
	case KindReading:
		return "reading"
	case KindLetter:
		return "letter"
	default:
		return fmt.Sprintf("kind %d", byte(k))
	}
}

// ErrBody means that a body cannot be written: text that is not UTF-8, a name that is too long, a proof that proves
// nothing, a reading that [Reading.Check] refuses, or a body that is [Unknown] or [Unreadable].
var ErrBody = errors.New("the body cannot be written")

// Body is what a record says: a [Text], [File], [Heartbeat], [KeyMoved], [Device], [Reading] or [Letter]; [Unknown] or
// [Unreadable] when it was read.
type Body interface{ Kind() Kind }

type (
	// Text is UTF-8. It is a peer's: clean it before it is shown.
	Text string

	// File is a file with its name and media type, each of at most 255 bytes of UTF-8. The name is a peer's: it may
	// hold "../" or anything else.
	File struct {
		Name, Media string
		Content     []byte
	}

	// Heartbeat says that the author is there, and names further records that were seen.
	Heartbeat []Seen

	// KeyMoved says that the room goes on under another key, which is handed over outside the room and has this id.
	// Nobody adopts a key from it.
	KeyMoved struct{ Key KeyID }

	// Device says that another key belongs to a device of the author's. One that was read is proven, or withdraws. What
	// such a claim is worth, next to others, tells [Names.Person].
	Device struct {
		Key PublicKey
		// Proof is made by the other device, with [Identity.ProveDevice]. All zeros withdraw: the author's claim about
		// Key, and the author's consent to be a device of Key.
		Proof [SignatureSize]byte
	}

	// Letter is an invitation that is sealed to somebody's public key (internal/letter). It stands in the feed under a key that
	// everybody knows, by an author who writes nothing else.
	Letter []byte

	// Unknown is a body of a kind that came after this version.
	Unknown struct {
		Code Kind
		Data []byte
	}

	// Unreadable is a body of a known kind, or a record's whole end, that breaks its form. It is signed all the same.
	Unreadable struct {
		Code Kind
		Data []byte
	}
)

// Kind is [KindText].
func (Text) Kind() Kind { return KindText }

// Kind is [KindFile].
func (File) Kind() Kind { return KindFile }

// Kind is [KindHeartbeat].
func (Heartbeat) Kind() Kind { return KindHeartbeat }

// Kind is [KindKeyMoved].
func (KeyMoved) Kind() Kind { return KindKeyMoved }

// Kind is [KindDevice].
func (Device) Kind() Kind { return KindDevice }

// Kind is [KindReading].
func (Reading) Kind() Kind { return KindReading }

// Kind is [KindLetter].
func (Letter) Kind() Kind { return KindLetter }

// Kind is the kind that the record states.
func (u Unknown) Kind() Kind { return u.Code }

// Kind is the kind that the record states.
func (u Unreadable) Kind() Kind { return u.Code }

// Notice is what a member reads who lacks the new key: as a fact only from somebody whose key that member has compared, since
// everybody with the room's key can write it, under any name.
func (KeyMoved) Notice(name string, compared bool) string {
	if compared {
		return name + ", whose key you have compared, has moved this room to a new key: ask for its passphrase, then run \"fernpost key add\""
	}
	return name + ", whose key you have not compared, says that this room goes on with a new key: if that is true, ask for its " +
		"passphrase, then run \"fernpost key add\""
}

// OwnNotice is what to do where this device has said it, and lacks the key.
func (KeyMoved) OwnNotice() string {
	return "you have moved this room to a new key yourself, which is not here: join it by a newer invitation, or run \"fernpost key add\" " +
		"with its passphrase"
}

// MaxFile is how many bytes a file can have in a record, whatever its author, name and type are called.
const MaxFile = MaxSize - MinSize - MaxNickname - 2*(1+maxFileText)

// maxFileText is the longest name and the longest type of a file, in bytes.
const maxFileText = 255

// BodySize returns how many bytes a body takes in a record: so many of [Capacity].
func BodySize(b Body) int {
	switch b := b.(type) {
	case Text:
		return len(b)
	case File:
		return 1 + len(b.Name) + 1 + len(b.Media) + len(b.Content)
	case Heartbeat:
		return len(b) * seenSize
	case KeyMoved:
		return len(b.Key)
	case Device:
		return len(b.Key) + len(b.Proof)
	case Reading:
		return b.size()
	case Letter:
		return len(b)
	case Unknown:
		return len(b.Data)
	case Unreadable:
		return len(b.Data)
	}
	return 0
}

// deviceMessage is what the other device signs.
func deviceMessage(salt Salt, author PublicKey) []byte {
	b := append([]byte(deviceDomain), salt[:]...)
	return append(b, author[:]...)
}

// ProveDevice returns the proof that id agrees to be named by author, in this room, as a device of one person.
func (id Identity) ProveDevice(salt Salt, author PublicKey) [SignatureSize]byte {
	return id.sign(deviceMessage(salt, author))
}

// Withdraws reports whether d takes back what was said about its key, instead of claiming it.
func (d Device) Withdraws() bool { return d.Proof == [SignatureSize]byte{} }

// Holds reports whether d claims another key than author's, which has agreed to that in this room.
func (d Device) Holds(salt Salt, author PublicKey) bool {
	return !d.Withdraws() && d.wellFormed(salt, author)
}

// wellFormed reports whether a device may stand in a record of author: another key, which has signed or is let go.
func (d Device) wellFormed(salt Salt, author PublicKey) bool {
	if d.Key == author || d.Key.Check() != nil {
		return false
	}
	return d.Withdraws() || ed25519.Verify(d.Key[:], deviceMessage(salt, author), d.Proof[:])
}

// Encode writes a body by this author as it is signed. The error is [ErrBody].
func Encode(body Body, salt Salt, author PublicKey) ([]byte, error) {
	return appendBody(nil, body, salt, author)
}

// appendBody writes a body by this author. The error is [ErrBody].
func appendBody(b []byte, body Body, salt Salt, author PublicKey) ([]byte, error) {
	switch body := body.(type) {
	case Text:
		if !utf8.ValidString(string(body)) {
			return nil, fmt.Errorf("%w: text that is not UTF-8", ErrBody)
		}
		return append(b, body...), nil
	case File:
		for _, s := range []string{body.Name, body.Media} {
			if len(s) > maxFileText || !utf8.ValidString(s) {
				return nil, fmt.Errorf("%w: a file's name or type that is too long or not UTF-8", ErrBody)
			}
			b = append(append(b, byte(len(s))), s...)
		}
		return append(b, body.Content...), nil
	case Heartbeat:
		for _, s := range body {
			if s.Number == 0 {
				return nil, ErrSeen
			}
			b = s.append(b)
		}
		return b, nil
	case KeyMoved:
		return append(b, body.Key[:]...), nil
	case Device:
		if !body.wellFormed(salt, author) {
			return nil, fmt.Errorf("%w: a device without the proof of its own key", ErrBody)
		}
		return append(append(b, body.Key[:]...), body.Proof[:]...), nil
	case Reading:
		if err := body.Check(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBody, err)
		}
		return body.append(b), nil
	case Letter:
		if len(body) < MinLetter || len(body) > MaxLetter {
			return nil, fmt.Errorf("%w: a letter of %d bytes", ErrBody, len(body))
		}
		return append(b, body...), nil
	default:
		return nil, fmt.Errorf("%w: %T", ErrBody, body)
	}
}

// parseBody reads what appendBody writes.
func parseBody(kind Kind, data []byte, salt Salt, author PublicKey) Body {
	switch kind {
	case KindText:
		if utf8.Valid(data) {
			return Text(data)
		}
	case KindFile:
		name, rest, ok1 := cutPrefixed(data)
		media, content, ok2 := cutPrefixed(rest)
		if ok1 && ok2 && utf8.Valid(name) && utf8.Valid(media) {
			return File{string(name), string(media), content}
		}
	case KindHeartbeat:
		if seen, ok := parseHeartbeat(data); ok {
			return seen
		}
	case KindKeyMoved:
		if len(data) == len(KeyID{}) {
			return KeyMoved{KeyID(data)}
		}
	case KindDevice:
		if len(data) == KeySize+SignatureSize {
			d := Device{PublicKey(data), [SignatureSize]byte(data[KeySize:])}
			if d.wellFormed(salt, author) {
				return d
			}
		}
	case KindReading:
		if r, ok := parseReading(data); ok {
			return r
		}
	case KindLetter:
		if len(data) >= MinLetter && len(data) <= MaxLetter {
			return Letter(data) // whoever can open it sees whether it is one
		}
		return Unknown{kind, data} // of a later version
	default:
		return Unknown{kind, data}
	}
	return Unreadable{kind, data}
}

func parseHeartbeat(data []byte) (Heartbeat, bool) {
	if len(data)%seenSize != 0 {
		return nil, false
	}
	seen := make(Heartbeat, 0, len(data)/seenSize)
	for ; len(data) > 0; data = data[seenSize:] {
		s := parseSeen(data)
		if s.Number == 0 {
			return nil, false
		}
		seen = append(seen, s)
	}
	return seen, true
}
