package cli

import (
	"time"

	"github.com/fernpost/fernpost/internal/record"
)

// refusalJSON is why something was refused.
type refusalJSON struct {
	Refused string `json:"why" means:"not base64, not canonical, version, cut, wrong key or altered, expired, from the future, too long"`
	Text    string `json:"text" means:"the same in words"`
	Code    int    `json:"code" means:"the exit code that says the same"`
}

// sealedTokenJSON is a token that was made.
type sealedTokenJSON struct {
	Line    *int         `json:"line" means:"number of the line of standard input; null without --lines"`
	Token   *string      `json:"token" means:"the new token; null if it is refused"`
	Clock   *uint64      `json:"clock" means:"the clock in it, in seconds since 1970"`
	Sealed  *time.Time   `json:"sealed" means:"the same as a time"`
	Key     *int         `json:"key" means:"of \"token rotate\": which key of the ring opened the old one, 0 is the newest"`
	Refused *refusalJSON `json:"refused" means:"why it is refused; otherwise null:"`
}

func (sealedTokenJSON) about() string {
	return `A token that was made ("token encrypt", "token rotate"):`
}

// openedTokenJSON is what a token holds.
type openedTokenJSON struct {
	Line    *int         `json:"line" means:"number of the line of standard input; null without --lines"`
	Text    *string      `json:"text" means:"what it holds, if that is UTF-8"`
	Base64  *string      `json:"base64" means:"the bytes that it holds, in base64"`
	Size    int          `json:"size" means:"how many they are"`
	Clock   *uint64      `json:"clock" means:"the clock in it, in seconds since 1970"`
	Sealed  *time.Time   `json:"sealed" means:"the same as a time"`
	Key     *int         `json:"key" means:"which key of the ring opened it, 0 is the newest"`
	Refused *refusalJSON `json:"refused" means:"why it is refused; otherwise null:"`
}

func (openedTokenJSON) about() string { return `What a token holds ("token decrypt"):` }

// socketMessageJSON is a token that came over a socket.
type socketMessageJSON struct {
	Peer    string       `json:"peer" means:"HOST:PORT of who has sent it"`
	Text    *string      `json:"text" means:"what it holds, if that is UTF-8"`
	Base64  *string      `json:"base64" means:"the bytes that it holds, in base64"`
	Size    int          `json:"size" means:"how many they are"`
	Clock   *uint64      `json:"clock" means:"the clock in it, in seconds since 1970"`
	Sealed  *time.Time   `json:"sealed" means:"the same as a time"`
	Key     *int         `json:"key" means:"which key of the ring opened it, 0 is the newest"`
	Refused *refusalJSON `json:"refused" means:"why it is refused; otherwise null:"`
}

func (socketMessageJSON) about() string {
	return `A token that came over a socket ("socket listen", "socket send"):`
}

// anatomyJSON is a token in its parts.
type anatomyJSON struct {
	Line         *int         `json:"line" means:"number of the line of standard input; null without --lines"`
	Bytes        *int         `json:"bytes" means:"its length once decoded"`
	Version      *string      `json:"version" means:"the first byte, 2 hexadecimal digits"`
	Clock        *uint64      `json:"clock" means:"the clock of whoever sealed it, in seconds since 1970"`
	Sealed       *time.Time   `json:"sealed" means:"the same as a time"`
	IV           *string      `json:"iv" means:"initialisation vector, in hexadecimal digits"`
	Blocks       *int         `json:"blocks" means:"how many blocks of 16 bytes the ciphertext has"`
	Ciphertext   *string      `json:"ciphertext" means:"the ciphertext, in hexadecimal digits"`
	MAC          *string      `json:"mac" means:"HMAC-SHA256, in hexadecimal digits"`
	MinPlaintext *int         `json:"min_plaintext" means:"least bytes that it can hold"`
	MaxPlaintext *int         `json:"max_plaintext" means:"most bytes that it can hold"`
	Key          *int         `json:"key" means:"which key of the ring opened it, 0 is the newest; null without a key"`
	CheckWords   *string      `json:"check_words" means:"that key's three words"`
	Inside       *string      `json:"inside" means:"what it holds, in words; null without a key"`
	Text         *string      `json:"text" means:"what it holds, if that is UTF-8"`
	Base64       *string      `json:"base64" means:"the bytes that it holds, in base64"`
	Refused      *refusalJSON `json:"refused" means:"why it is refused; otherwise null:"`
}

func (anatomyJSON) about() string { return `A token in its parts ("token inspect"):` }

// tamperedJSON is a token of which a bit was turned.
type tamperedJSON struct {
	Line    *int         `json:"line" means:"number of the line of standard input; null without --lines"`
	Token   *string      `json:"token" means:"the token with that bit turned"`
	Bit     *int         `json:"bit" means:"the number of the bit"`
	Part    *string      `json:"part" means:"version, clock, IV, ciphertext or MAC"`
	Refused *refusalJSON `json:"refused" means:"why it is refused; otherwise null:"`
}

func (tamperedJSON) about() string { return `A token of which a bit was turned ("token tamper"):` }

// madeKeyJSON is a new key.
type madeKeyJSON struct {
	Key        string `json:"key" means:"the key itself, as a key file has it"`
	CheckWords string `json:"check_words" means:"three words that are the same for all who have the key"`
	ID         string `json:"id" means:"what names the key: 32 hexadecimal digits; not to be published"`
}

func (madeKeyJSON) about() string { return `A key that was made ("key generate", "key derive"):` }

// checkedKeyJSON names a key.
type checkedKeyJSON struct {
	Number     int    `json:"number" means:"its place among the keys, from 0 on: the newest"`
	CheckWords string `json:"check_words" means:"three words that are the same for all who have the key"`
	ID         string `json:"id" means:"what names the key: 32 hexadecimal digits; not to be published"`
}

func (checkedKeyJSON) about() string { return `A key, without itself ("key check"):` }

// hashJSON is the hash of a file.
type hashJSON struct {
	File   string `json:"file" means:"the file as it was named"`
	Size   int64  `json:"size" means:"its length in bytes"`
	SHA256 string `json:"sha256" means:"64 hexadecimal digits"`
	Words  string `json:"words" means:"six words to compare"`
}

func (hashJSON) about() string { return `The hash of a file ("hash"):` }

// signedJSON is a signature of a file that was made.
type signedJSON struct {
	File      string           `json:"file" means:"the file as it was named"`
	Out       *string          `json:"out" means:"the file into which the signature was written; null without one"`
	Key       record.PublicKey `json:"key" means:"your public key, 64 hexadecimal digits"`
	Words     string           `json:"words" means:"six words to compare"`
	Time      *time.Time       `json:"time" means:"when it was signed, by your clock"`
	Signature string           `json:"signature" means:"the signature itself, as it stands in a file"`
}

func (signedJSON) about() string { return `A signature that was made ("identity sign"):` }

// signatureJSON is whether a signature of a file holds, and whose it is.
type signatureJSON struct {
	File     string           `json:"file" means:"the file as it was named"`
	Holds    bool             `json:"holds" means:"whether that key has signed this very file"`
	Why      *string          `json:"why" means:"why it does not; otherwise null"`
	Key      record.PublicKey `json:"key" means:"the author's public key, as the signature names it"`
	Words    string           `json:"words" means:"six words to compare"`
	Standing string           `json:"standing" means:"own, compared, named (by --by), known (from a room, not compared) or unknown"`
	Lost     bool             `json:"lost" means:"whether it is the key of a device that was withdrawn as lost, on this device"`
	Time     *time.Time       `json:"time" means:"when it was signed, by the author's clock"`
}

func (signatureJSON) about() string { return `A signature of a file ("identity check"):` }
