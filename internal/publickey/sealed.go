package publickey

import (
	"bufio"
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fernpost/fernpost/internal/record"
)

// A sealed file is
//
//	"fernpost sealed 1\n" ‖ encapsulated key (32) ‖ chunks
//
// sealed by HPKE (RFC 9180, base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305), of which the info is
// "fernpost/v1 sealed file", a zero byte and the recipient's Ed25519 key. Each chunk is sealed with the next sequence number
// and has 65,536 bytes of the file, the last one what is left, and 16 more. The aad is one byte: 1 for the last chunk, else 0,
// so that no end goes missing unnoticed. An empty file has one empty chunk; no other one is empty.
const (
	sealedHead = "fernpost sealed "
	sealedLine = sealedHead + "1\n"
	chunkSize  = 64 << 10
	tagSize    = 16
)

// Why a file cannot be opened.
var (
	// ErrNotSealed is returned for what is no sealed file, or only the beginning of its head.
	ErrNotSealed = errors.New("not a sealed file of fernpost")
	// ErrNewerSealed means that the file has another version.
	ErrNewerSealed = errors.New("this sealed file needs a newer fernpost")
	// ErrNotOurs means that it was sealed to another key, or altered, which nobody can tell apart.
	ErrNotOurs = errors.New("this identity does not open it: sealed to another key, or altered")
	// ErrAltered means that a later part of the file was altered, or that it ends within one.
	ErrAltered = errors.New("the sealed file was altered or cut")
	// ErrCut means that the end of the file is missing.
	ErrCut = errors.New("the end of the sealed file is missing")
)

func suite() (hpke.KDF, hpke.AEAD) { return hpke.HKDFSHA256(), hpke.ChaCha20Poly1305() }

// SealText seals a text as one piece, with an info that says what it is, and returns the encapsulated key (32) and the sealed text,
// which is 16 bytes longer. [OpenText] opens it.
func SealText(text, info []byte, to Keys) ([]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(to.Sealing[:])
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	key, err := hpke.NewDHKEMPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	kdf, aead := suite()
	sealed, err := hpke.Seal(key, kdf, aead, info, text)
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return sealed, nil
}

// OpenText opens what [SealText] has sealed to an identity with the same info. The error is [ErrNotOurs].
func OpenText(sealed, info []byte, id record.Identity) ([]byte, error) {
	key, err := hpke.NewDHKEMPrivateKey(sealingKey(id))
	if err != nil {
		return nil, fmt.Errorf("opening: %w", err)
	}
	kdf, aead := suite()
	text, err := hpke.Open(key, kdf, aead, info, sealed)
	if err != nil {
		return nil, ErrNotOurs
	}
	return text, nil
}

func sealedInfo(to record.PublicKey) []byte { return append([]byte(sealedDomain), to[:]...) }

// Seal seals what it reads to somebody's keys. It holds one chunk in memory, so that a file may have any length. Who has
// sealed it, it does not say: anybody can who has the keys. Errors of the reader and the writer are returned as they are.
func Seal(w io.Writer, r io.Reader, to Keys) error {
	public, err := ecdh.X25519().NewPublicKey(to.Sealing[:])
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	key, err := hpke.NewDHKEMPublicKey(public)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	kdf, aead := suite()
	enc, sender, err := hpke.NewSender(key, kdf, aead, sealedInfo(to.Signing))
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	if _, err := w.Write(append([]byte(sealedLine), enc...)); err != nil {
		return err
	}
	return chunks(r, chunkSize, func(chunk []byte, last byte) error {
		sealed, err := sender.Seal([]byte{last}, chunk)
		if err != nil {
			return fmt.Errorf("sealing: %w", err)
		}
		_, err = w.Write(sealed)
		return err
	})
}

// chunks reads a stream in chunks of the same size, of which only the last may be shorter, and tells which it is: 1, or 0.
func chunks(r io.Reader, size int, work func(chunk []byte, last byte) error) error {
	in, chunk := bufio.NewReaderSize(r, size), make([]byte, size)
	for {
		n, err := io.ReadFull(in, chunk)
		last := byte(1)
		if err == nil {
			if _, err = in.Peek(1); err == nil {
				last = 0
			}
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if err := work(chunk[:n], last); err != nil || last == 1 {
			return err
		}
	}
}

// Open writes what was sealed to an identity. Each chunk is written once it has proven to be genuine, so after [ErrAltered] or
// [ErrCut] the beginning is there, and only that. Other errors are [ErrNotSealed], [ErrNewerSealed], [ErrNotOurs], and those
// of the reader and the writer.
func Open(w io.Writer, r io.Reader, id record.Identity) error {
	in := bufio.NewReader(r)
	head := make([]byte, len(sealedLine)+32)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if rest, ok := strings.CutPrefix(string(head[:n]), sealedHead); ok && !strings.HasPrefix(rest, "1\n") {
		if version, _, ok := strings.Cut(rest, "\n"); ok && isNumber(version) {
			return ErrNewerSealed
		}
	}
	enc, ok := strings.CutPrefix(string(head[:n]), sealedLine)
	if !ok {
		return ErrNotSealed
	}
	if err != nil {
		return ErrCut
	}
	key, err := hpke.NewDHKEMPrivateKey(sealingKey(id))
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	kdf, aead := suite()
	recipient, err := hpke.NewRecipient([]byte(enc), key, kdf, aead, sealedInfo(id.Public()))
	if err != nil {
		return ErrNotOurs // a key of small order, that nobody seals with
	}
	first := true
	return chunks(in, chunkSize+tagSize, func(chunk []byte, last byte) error {
		plain, err := recipient.Open([]byte{last}, chunk)
		switch {
		case err == nil && len(plain) == 0 && !first:
			return ErrAltered // a second form of the same file
		case err == nil:
			first = false
			_, err = w.Write(plain)
			return err
		case last == 1 && len(chunk) == 0:
			return ErrCut
		}
		// A failed try does not count. The last chunk that is there may be one that others followed.
		if last == 1 {
			if _, err := recipient.Open([]byte{0}, chunk); err == nil {
				return ErrCut
			}
		}
		if first {
			return ErrNotOurs
		}
		return ErrAltered
	})
}
