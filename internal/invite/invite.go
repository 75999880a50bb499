// Package invite writes and reads invitations: a link whose fragment has everything that somebody needs to join a room.
// The fragment never reaches the relay that the link names. It knows no files and no network.
//
// The fragment is URL-safe base64 (RFC 4648, section 5) without padding, of these bytes; numbers are unsigned varints, as
// encoding/binary has them:
//
//	version      1 byte, 1
//	size         number: how many bytes follow, so that an invitation that was cut is known for one
//	flags        1 byte: 1 the relay's address is inside, 2 every entry is filled up, 4 the inviter's key is inside
//	relay        number and so many bytes; only with flag 1
//	channel      number
//	fields       1 byte: bit 0 is field 1
//	interval     number: milliseconds
//	profile      1 byte: 0 fernpost, 1 pbkdf2, 2 tutorial; 255: number and so many bytes of its written form
//	name         number and so many bytes: what the inviter calls the room
//	keys         number, and 32 bytes for each, newest first; none: the passphrase has to be asked for
//	read key     as below
//	write key    as below
//	inviter      32 bytes, the public key; only with flag 4
//	check sum    the first 4 bytes of SHA-256(`fernpost/v1 invitation` ‖ 0x00 ‖ relay's address ‖ 0x00 ‖ all bytes before)
//
// A key of the channel is the byte 0 if there is none; the byte 1 and 11 bytes, its 16 characters of 0-9 and A-Z as a number
// in base 36; or a number from 2 on, one more than its length, and its characters.
package invite

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/invisible"
	"github.com/fernpost/fernpost/internal/passphrase"
)

const (
	// MaxLink bounds a link, in characters, without the blanks that a mail program put into it.
	MaxLink = 4096
	// MaxKeys bounds the room keys of an invitation.
	MaxKeys = 32
	// MaxInterval bounds the time between two updates: with a longer one a room would hardly be one.
	MaxInterval = 24 * time.Hour
	// Fields is how many fields a channel has.
	Fields = 8

	// maxText bounds a room's name and a channel's keys, in bytes; plain are the characters of ASCII that are seen.
	maxText = 64
	plain   = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

	version   = 1
	checkSize = 4

	relayInside   = 1
	padded        = 2
	inviterInside = 4

	otherProfile = 255
	packedKey    = 1
	packedSize   = 11
	apiKeySize   = 16

	// page is where a relay shows what to do with an invitation; own is the scheme for relays without such a page.
	page = "/join"
	own  = "fernpost:join"
)

// Invitation is what a link says.
type Invitation struct {
	// Relay is the base address of the relay, http or https.
	Relay string
	// NoPage tells that the relay has no page for invitations, so that the link has a scheme of its own.
	NoPage  bool
	Channel int64
	// Fields are numbers from 1 to 8, in ascending order.
	Fields []int
	// Interval is what the relay wants between two updates, in whole milliseconds; 0 leaves it to the relay.
	Interval time.Duration
	Profile  passphrase.Profile
	// Pad fills up every entry.
	Pad bool
	// Name is what the inviter calls the room.
	Name string
	// Keys are those of the room, newest first, at most MaxKeys. Without any the passphrase has to be asked for.
	Keys []fernet.Key
	// ReadKey and WriteKey are the channel's; empty where there is none, or it is not handed on.
	ReadKey, WriteKey string
	// Inviter is the public key of who made the link; all zero if nobody signs in this room.
	Inviter [32]byte
}

// The reasons why a text is no invitation that can be used. Besides, there are [*CutError] and [*NewerError].
var (
	ErrForeign = errors.New(`that is no invitation: one looks like https://HOST/join#… or fernpost:join#…`)
	ErrSeveral = errors.New("there are several invitations in that text: take one of them")
	ErrAltered = errors.New("this invitation was altered on its way: its check sum, which covers the relay's address too, is another")
)

// CutError says that an invitation was cut, or that something was added to it.
type CutError struct {
	// Have and Want are bytes of the fragment; they are 0 where not even its size can be read.
	Have, Want int
}

func (e *CutError) Error() string {
	switch {
	case e.Want == 0:
		return "this invitation was cut: it has only its beginning"
	case e.Have > e.Want:
		return "something stands behind this invitation that does not belong to it"
	}
	return fmt.Sprintf("this invitation was cut: it has about %d of %d characters after the #",
		base64.RawURLEncoding.EncodedLen(e.Have), base64.RawURLEncoding.EncodedLen(e.Want))
}

// NewerError says that an invitation has a version that is not known here.
type NewerError struct{ Version byte }

func (e *NewerError) Error() string {
	return fmt.Sprintf("this invitation has version %d, and only version %d is known here", e.Version, version)
}

// Link writes an invitation. The error says what of it cannot be written.
func (i *Invitation) Link() (string, error) {
	relay, err := CanonicalRelay(i.Relay)
	if err != nil {
		return "", err
	}
	body, err := i.body(relay)
	if err != nil {
		return "", err
	}
	head := relay + page
	if i.NoPage {
		head = own
	}
	link := head + "#" + base64.RawURLEncoding.EncodeToString(seal(relay, body))
	if len(link) > MaxLink {
		return "", fmt.Errorf("this invitation would have %d characters, and %d is the most", len(link), MaxLink)
	}
	return link, nil
}

// Bytes writes an invitation without a link around it: what stands behind the # of one with the relay's address inside. The error
// says what of it cannot be written.
func (i *Invitation) Bytes() ([]byte, error) {
	relay, err := CanonicalRelay(i.Relay)
	if err != nil {
		return nil, err
	}
	inside := *i
	inside.NoPage = true
	body, err := inside.body(relay)
	if err != nil {
		return nil, err
	}
	return seal(relay, body), nil
}

// FromBytes reads what [Invitation.Bytes] writes. The error is [ErrAltered], [*CutError] or [*NewerError].
func FromBytes(b []byte) (Invitation, error) { return parse("", true, b) }

// seal puts version, size and check sum around what an invitation says.
func seal(relay string, body []byte) []byte {
	all := binary.AppendUvarint([]byte{version}, uint64(len(body)+checkSize))
	all = append(all, body...)
	return append(all, checkSum(relay, all)...)
}

func checkSum(relay string, all []byte) []byte {
	h := sha256.New()
	h.Write([]byte("fernpost/v1 invitation\x00" + relay + "\x00"))
	h.Write(all)
	return h.Sum(nil)[:checkSize]
}

// CanonicalRelay writes an address in the one form that the check sum covers: browsers and mail programs change the rest.
// Two addresses of one form are the same. A host has ASCII characters only: others look like those of another host.
func CanonicalRelay(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("the relay's address cannot be read")
	}
	scheme := strings.ToLower(u.Scheme)
	if scheme != "http" && scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("the relay's address has to be http://HOST or https://HOST, without user, query and fragment")
	}
	if strings.Trim(u.Host, plain) != "" {
		return "", errors.New("the relay's host has characters that may look like others: write it as xn--…")
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		host = strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
	}
	return scheme + "://" + host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

func (i *Invitation) body(relay string) ([]byte, error) {
	if i.Channel < 1 {
		return nil, fmt.Errorf("%d is no channel", i.Channel)
	}
	if len(i.Keys) > MaxKeys {
		return nil, fmt.Errorf("an invitation has at most %d keys, and these are %d", MaxKeys, len(i.Keys))
	}
	if i.Interval < 0 || i.Interval > MaxInterval {
		return nil, fmt.Errorf("an interval of %v", i.Interval)
	}
	if err := i.Profile.Validate(); err != nil {
		return nil, err
	}
	for _, text := range []string{i.Name, i.ReadKey, i.WriteKey} {
		if len(text) > maxText || strings.Trim(text, plain) != "" {
			return nil, errors.New("the room's name and the channel's keys have at most 64 letters, digits and other plain characters")
		}
	}
	fields, err := fieldBits(i.Fields)
	if err != nil {
		return nil, err
	}
	var flags byte
	if i.NoPage {
		flags |= relayInside
	}
	if i.Pad {
		flags |= padded
	}
	if i.Inviter != [32]byte{} {
		flags |= inviterInside
	}
	b := []byte{flags}
	if i.NoPage {
		b = appendText(b, relay)
	}
	b = binary.AppendUvarint(b, uint64(i.Channel))
	b = append(b, fields)
	b = binary.AppendUvarint(b, uint64(i.Interval/time.Millisecond))
	if n := slices.Index(passphrase.JoinOrder(), i.Profile); n >= 0 {
		b = append(b, byte(n))
	} else {
		b = appendText(append(b, otherProfile), i.Profile.String())
	}
	b = appendText(b, i.Name)
	b = binary.AppendUvarint(b, uint64(len(i.Keys)))
	for _, k := range i.Keys {
		if k.IsZero() {
			return nil, errors.New("a room's key is missing")
		}
		key := k.RevealBytes()
		b = append(b, key[:]...)
	}
	b = appendAPIKey(b, i.ReadKey)
	b = appendAPIKey(b, i.WriteKey)
	if flags&inviterInside != 0 {
		b = append(b, i.Inviter[:]...)
	}
	return b, nil
}

func fieldBits(fields []int) (bits byte, err error) {
	for _, f := range fields {
		if f < 1 || f > Fields {
			return 0, fmt.Errorf("%d is no field", f)
		}
		bits |= 1 << (f - 1)
	}
	if bits == 0 {
		return 0, errors.New("an invitation needs at least one field")
	}
	return bits, nil
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendAPIKey(b []byte, key string) []byte {
	if key == "" {
		return append(b, 0)
	}
	if packed, ok := pack(key); ok {
		return append(append(b, packedKey), packed[:]...)
	}
	return append(binary.AppendUvarint(b, uint64(len(key))+1), key...)
}

// halfKeys is how many halves of a key there are: 36 to the power of 8.
const halfKeys = 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36

// pack writes a key as ThingSpeak's are, 16 characters of 0-9 and A-Z, as a number: that saves 7 of the link's characters.
func pack(key string) (packed [packedSize]byte, ok bool) {
	if len(key) != apiKeySize || strings.Trim(key, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return packed, false
	}
	high, _ := strconv.ParseUint(key[:apiKeySize/2], 36, 64)
	low, _ := strconv.ParseUint(key[apiKeySize/2:], 36, 64)
	var n [16]byte
	top, rest := bits.Mul64(high, halfKeys)
	rest, carry := bits.Add64(rest, low, 0)
	binary.BigEndian.PutUint64(n[:8], top+carry)
	binary.BigEndian.PutUint64(n[8:], rest)
	copy(packed[:], n[len(n)-packedSize:])
	return packed, true
}

// unpack undoes pack; a number that no key has is refused.
func unpack(packed []byte) (string, bool) {
	var n [16]byte
	copy(n[len(n)-packedSize:], packed)
	top := binary.BigEndian.Uint64(n[:8])
	if top >= halfKeys { // which no quotient of Div64 would hold
		return "", false
	}
	high, low := bits.Div64(top, binary.BigEndian.Uint64(n[8:]), halfKeys)
	if high >= halfKeys {
		return "", false
	}
	// With halfKeys added a half has nine digits, of which the first is 1: else its zeros in front were lost.
	text := strconv.FormatUint(halfKeys+high, 36)[1:] + strconv.FormatUint(halfKeys+low, 36)[1:]
	return strings.ToUpper(text), true
}

// Parse reads an invitation as people hand it on: with blanks, line breaks, a mail's brackets or words around it. The error is
// [ErrForeign], [ErrSeveral], [ErrAltered], [*CutError] or [*NewerError].
func Parse(text string) (Invitation, error) {
	i, err := parseLink(text)
	if err == nil {
		return i, nil
	}
	among, amongErr := parseAmongWords(text)
	if amongErr == nil || errors.Is(amongErr, ErrSeveral) || errors.Is(err, ErrForeign) {
		return among, amongErr
	}
	return i, err
}

// parseLink reads a text that is a link and nothing else.
func parseLink(text string) (Invitation, error) {
	text, ok := tidy(text)
	if !ok {
		return Invitation{}, ErrForeign
	}
	head, fragment, ok := strings.Cut(strings.Replace(text, "%23", "#", 1), "#")
	if !ok {
		return Invitation{}, ErrForeign
	}
	inside := strings.EqualFold(head, own)
	relay := ""
	if !inside {
		if head, ok = strings.CutSuffix(strings.TrimRight(head, "/"), page); !ok {
			return Invitation{}, ErrForeign
		}
		var err error
		if relay, err = CanonicalRelay(head); err != nil {
			return Invitation{}, ErrForeign
		}
	}
	fragment = strings.TrimRight(fragment, "=")
	all, err := decode(fragment)
	if err != nil {
		return Invitation{}, err
	}
	i, err := parse(relay, inside, all)
	if _, newer := errors.AsType[*NewerError](err); newer && isAltered(relay, inside, all) {
		err = ErrAltered
	}
	// The last letter has bits that no byte takes: a change there is one, too.
	if err == nil && base64.RawURLEncoding.EncodeToString(all) != fragment {
		err = ErrAltered
	}
	if err != nil {
		return Invitation{}, err
	}
	return i, nil
}

// GoesOn reports whether a text is the beginning of an invitation, of which more may stand in a next line.
func GoesOn(text string) bool {
	_, err := Parse(text)
	if cut, ok := errors.AsType[*CutError](err); ok {
		return cut.Have <= cut.Want
	}
	text, ok := tidy(text)
	text = strings.ToLower(text)
	return ok && errors.Is(err, ErrForeign) && !strings.Contains(strings.Replace(text, "%23", "#", 1), "#") &&
		(strings.HasPrefix(text, "http") || strings.HasPrefix(text, "fernpost"))
}

// tidy takes off what a carrier has put into or around a link, and tells whether the rest may be one by its length.
func tidy(text string) (string, bool) {
	// Before anything is copied: somebody may have pasted a whole book.
	if len(text) > 4*MaxLink {
		return "", false
	}
	text = strings.Trim(invisible.Strip(text), "<>()[]\"'`“”‘’«».,;")
	return text, len(text) <= MaxLink
}

// decode undoes the base64 of a fragment.
func decode(fragment string) ([]byte, error) {
	if len(fragment)%4 == 1 { // no bytes end there: the last character has come alone
		fragment = fragment[:len(fragment)-1]
	}
	all, err := base64.RawURLEncoding.DecodeString(fragment)
	if err != nil {
		return nil, ErrAltered
	}
	return all, nil
}

// isAltered reports whether what says to have another version is one of ours, but for that byte. Version 0 was never written.
func isAltered(relay string, inside bool, all []byte) bool {
	ours := bytes.Clone(all)
	ours[0] = version
	_, err := parse(relay, inside, ours)
	return all[0] == 0 || err == nil
}

func parse(relay string, inside bool, all []byte) (Invitation, error) {
	if len(all) == 0 {
		return Invitation{}, &CutError{}
	}
	if all[0] != version {
		return Invitation{}, &NewerError{all[0]}
	}
	size, n := binary.Uvarint(all[1:])
	if n == 0 {
		return Invitation{}, &CutError{}
	}
	if n < 0 || size > MaxLink {
		return Invitation{}, ErrAltered
	}
	if want := 1 + n + int(size); len(all) != want {
		return Invitation{}, &CutError{len(all), want}
	}
	if size < checkSize {
		return Invitation{}, ErrAltered
	}
	r := reader{rest: all[1+n : len(all)-checkSize]}
	i := r.invitation(relay, inside)
	canonical, err := CanonicalRelay(i.Relay)
	if err != nil || r.bad || len(r.rest) > 0 || !bytes.Equal(all[len(all)-checkSize:], checkSum(canonical, all[:len(all)-checkSize])) {
		return Invitation{}, ErrAltered
	}
	// One invitation has one form: whatever else would be read is not what we write.
	if body, err := i.body(canonical); err != nil || !bytes.Equal(seal(canonical, body), all) {
		return Invitation{}, ErrAltered
	}
	return i, nil
}

// reader reads what a body holds; where it ends too early, or says what cannot be, bad is set.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) invitation(relay string, inside bool) (i Invitation) {
	flags := r.byte()
	i.Relay, i.NoPage, i.Pad = relay, inside, flags&padded != 0
	if (flags&relayInside != 0) != inside || flags > relayInside|padded|inviterInside {
		r.bad = true
	}
	if inside {
		i.Relay = r.text()
	}
	i.Channel = int64(min(r.number(), 1<<63-1))
	for bits, f := r.byte(), 1; f <= Fields; f++ {
		if bits&(1<<(f-1)) != 0 {
			i.Fields = append(i.Fields, f)
		}
	}
	i.Interval = time.Duration(min(r.number(), 1<<40)) * time.Millisecond
	i.Profile = r.profile()
	i.Name = r.text()
	keys := r.number()
	if keys > MaxKeys {
		r.bad = true
		return i
	}
	for range keys {
		i.Keys = append(i.Keys, fernet.NewKey([fernet.KeySize]byte(r.bytes(fernet.KeySize))))
	}
	i.ReadKey, i.WriteKey = r.apiKey(), r.apiKey()
	if flags&inviterInside != 0 {
		i.Inviter = [32]byte(r.bytes(len(i.Inviter)))
	}
	return i
}

func (r *reader) profile() (p passphrase.Profile) {
	known := passphrase.JoinOrder()
	switch n := int(r.byte()); {
	case n < len(known):
		return known[n]
	case n == otherProfile:
		p, err := passphrase.ParseProfile(r.text())
		r.bad = r.bad || err != nil
		return p
	default:
		r.bad = true
		return p
	}
}

func (r *reader) apiKey() string {
	switch n := r.number(); n {
	case 0:
		return ""
	case packedKey:
		key, ok := unpack(r.bytes(packedSize))
		r.bad = r.bad || !ok
		return key
	default:
		return string(r.bytes(int(min(n-1, MaxLink))))
	}
}

func (r *reader) text() string { return string(r.bytes(int(min(r.number(), MaxLink)))) }

func (r *reader) byte() byte { return r.bytes(1)[0] }

// bytes returns the next n bytes, and as many zeros if there are not so many.
func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.bad, r.rest = true, nil
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}
