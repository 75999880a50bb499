package fernet

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"testing"

	"github.com/fernpost/fernpost/internal/token"
)

// The tests have a sealer of their own, which follows the specification step by step and takes orders that Ring.Seal
// does not: any time and IV, any padding, any body, always with a valid MAC. Whoever has the key can write such tokens.

// key returns the key of 16 bytes sign and 16 bytes encrypt.
func key(sign, encrypt byte) Key {
	return NewKey([KeySize]byte(append(bytes.Repeat([]byte{sign}, 16), bytes.Repeat([]byte{encrypt}, 16)...)))
}

func ring(t testing.TB, keys ...Key) Ring {
	t.Helper()
	r, err := NewRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// padded returns message with PKCS #7 padding (RFC 5652, section 6.3).
func padded(message []byte) []byte {
	n := token.BlockSize - len(message)%token.BlockSize
	return append(bytes.Clone(message), bytes.Repeat([]byte{byte(n)}, n)...)
}

// encrypt returns the ciphertext of whole blocks, which are taken as they are.
func encrypt(k Key, iv [token.IVSize]byte, blocks []byte) []byte {
	secret := k.RevealBytes()
	c, err := aes.NewCipher(secret[16:])
	if err != nil {
		panic(err)
	}
	body := bytes.Clone(blocks)
	cipher.NewCBCEncrypter(c, iv[:]).CryptBlocks(body, body)
	return body
}

// sign returns head with its MAC behind it.
func sign(k Key, head []byte) []byte {
	secret := k.RevealBytes()
	mac := hmac.New(sha256.New, secret[:16])
	mac.Write(head)
	return mac.Sum(bytes.Clone(head))
}

// sealBody returns the text of a token with a body of any length and a valid MAC.
func sealBody(k Key, seconds uint64, iv [token.IVSize]byte, body []byte) string {
	head := binary.BigEndian.AppendUint64([]byte{token.Version}, seconds)
	head = append(head, iv[:]...)
	return base64.URLEncoding.EncodeToString(sign(k, append(head, body...)))
}

// sealAt seals a message as the specification says.
func sealAt(k Key, seconds uint64, iv [token.IVSize]byte, message []byte) string {
	return sealBody(k, seconds, iv, encrypt(k, iv, padded(message)))
}

// ivOf returns a token's initialisation vector, which stands behind version and time.
func ivOf(tok token.Token) [token.IVSize]byte {
	return [token.IVSize]byte(tok.Bytes()[1+token.TimeSize:])
}

// openStrictly opens a well-formed token as the specification says, by other means than the library.
func openStrictly(k Key, tok token.Token) (message []byte, ok bool) {
	raw := tok.Bytes()
	head := raw[:len(raw)-token.MACSize]
	if !hmac.Equal(sign(k, head), raw) {
		return nil, false
	}
	secret := k.RevealBytes()
	c, err := aes.NewCipher(secret[16:])
	if err != nil {
		panic(err)
	}
	iv := ivOf(tok)
	plain := bytes.Clone(head[len(head)-tok.CiphertextLen():])
	cipher.NewCBCDecrypter(c, iv[:]).CryptBlocks(plain, plain)
	n := int(plain[len(plain)-1])
	if n < 1 || n > token.BlockSize || !bytes.Equal(plain, padded(plain[:len(plain)-n])) {
		return nil, false
	}
	return plain[:len(plain)-n], true
}
