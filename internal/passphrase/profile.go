package passphrase

import (
	"errors"
	"fmt"
	"strings"
)

// MaxIterations is the most iterations of PBKDF2 that a profile may ask for: ten seconds to a minute on one core.
// A larger number is a typing error, or somebody else's attempt to keep us busy.
const MaxIterations = 100_000_000

// minArgon2Salt is the shortest salt, in bytes, that other implementations of Argon2 accept.
const minArgon2Salt = 8

// Profile says how a passphrase becomes a key, and how tokens and what is in them are written. Profiles are values:
// they can be compared with ==, and [Profile.Validate] tells whether one makes sense. The zero Profile does not.
type Profile struct {
	KDF KDF
	// Hash is for KDFPBKDF2 only.
	Hash Hash
	// Salt is for KDFArgon2id and KDFPBKDF2 only.
	Salt Salt
	// Iterations, from 1 to MaxIterations, are for KDFPBKDF2 only.
	Iterations int
	// Fill is for KDFCut only: the one byte that fills up a short passphrase.
	Fill     string
	Spelling Spelling
	Wrapper  Wrapper
	Form     Form
}

// KDF is the function from passphrase to key.
type KDF string

// The functions that a profile may use. Only the first two are meant for passphrases; the others exist to talk to
// scripts that use them.
const (
	// KDFArgon2id is Argon2id v1.3 with 3 passes, 4 lanes and 64 MiB (RFC 9106, second recommendation).
	KDFArgon2id KDF = "argon2id"
	// KDFPBKDF2 is PBKDF2 with HMAC (RFC 8018, section 5.2).
	KDFPBKDF2 KDF = "pbkdf2"
	// KDFSHA256 takes the SHA-256 of the passphrase for the key.
	KDFSHA256 KDF = "sha256"
	// KDFCut takes the first 32 bytes of the passphrase for the key, filled up with Profile.Fill.
	KDFCut KDF = "cut"
	// KDFKey takes the passphrase for the key itself, in the URL-safe base64 that Fernet keys are printed in.
	KDFKey KDF = "key"
)

// Hash is the hash function of PBKDF2.
type Hash string

// The hash functions that a profile may use.
const (
	SHA256 Hash = "sha256"
	SHA512 Hash = "sha512"
)

// SaltKind says where a salt comes from. The zero SaltKind is that of functions without a salt.
type SaltKind string

// The sources of a salt.
const (
	// SaltFixed is Salt.Fixed, the same for everybody, and may be empty.
	SaltFixed SaltKind = "fixed"
	// SaltRoom is the room salt, see RoomSalt.
	SaltRoom SaltKind = "@room"
	// SaltName is the SHA-256 of the room's name, byte for byte as given: both sides must use the same name.
	SaltName SaltKind = "@name"
)

// Salt is what makes the same passphrase give different keys.
type Salt struct {
	Kind SaltKind
	// Fixed holds the bytes of a SaltFixed, and is empty otherwise.
	Fixed string
}

// Spelling says which bytes a passphrase is made of.
type Spelling string

// The ways to read a passphrase.
const (
	// SpellingNFC is what Normalize does: the same words give the same key however they were typed.
	SpellingNFC Spelling = "nfc"
	// SpellingTyped takes the bytes as they are; whoever reads a file takes off its line end first (TrimLineEnd).
	SpellingTyped Spelling = "typed"
)

// Wrapper is what stands around a token in a field.
type Wrapper string

// The wrappers that are known.
const (
	// WrapperBare is none.
	WrapperBare Wrapper = "bare"
	// WrapperPython is what str() makes of bytes in Python 3: b'gAAA…'.
	WrapperPython Wrapper = "python"
)

// Form is what a token's plaintext is.
type Form string

// The forms that are known.
const (
	// FormText is bare UTF-8, one token a message.
	FormText Form = "text"
	// FormRecords are signed records, cut into cells.
	FormRecords Form = "records"
)

// Fernpost returns the default profile: Argon2id and the room's salt.
func Fernpost() Profile {
	return Profile{
		KDF: KDFArgon2id, Salt: Salt{Kind: SaltRoom},
		Spelling: SpellingNFC, Wrapper: WrapperBare, Form: FormRecords,
	}
}

// PBKDF2 returns the profile for peers without Argon2, such as browsers and old versions of Python:
// PBKDF2-HMAC-SHA256 with 1,200,000 iterations and the room's salt.
func PBKDF2() Profile {
	return Profile{
		KDF: KDFPBKDF2, Hash: SHA256, Salt: Salt{Kind: SaltRoom}, Iterations: 1_200_000,
		Spelling: SpellingNFC, Wrapper: WrapperBare, Form: FormRecords,
	}
}

// Tutorial returns the profile of the published tutorial scripts: PBKDF2-HMAC-SHA256 with 100,000 iterations and the
// salt "salt_", tokens as Python prints them, bare text inside.
func Tutorial() Profile {
	return Profile{
		KDF: KDFPBKDF2, Hash: SHA256, Salt: Salt{Kind: SaltFixed, Fixed: "salt_"}, Iterations: 100_000,
		Spelling: SpellingTyped, Wrapper: WrapperPython, Form: FormText,
	}
}

// JoinOrder returns the profiles that somebody who knows only a passphrase and a channel tries, the likeliest first.
func JoinOrder() []Profile { return []Profile{Fernpost(), PBKDF2(), Tutorial()} }

// ProfileNames returns what [ParseProfile] reads a profile from: the names of the presets, and how the others begin.
func ProfileNames() (names []string) {
	for _, p := range JoinOrder() {
		names = append(names, p.Name())
	}
	return append(names, customPrefix)
}

// ByName returns the preset of that name: fernpost, pbkdf2 or tutorial.
func ByName(name string) (Profile, bool) {
	for _, p := range JoinOrder() {
		if p.Name() == name {
			return p, true
		}
	}
	return Profile{}, false
}

// Name returns the name of a preset, and "custom" for every other profile.
func (p Profile) Name() string {
	switch p {
	case Fernpost():
		return "fernpost"
	case PBKDF2():
		return "pbkdf2"
	case Tutorial():
		return "tutorial"
	default:
		return "custom"
	}
}

// Validate reports everything that is wrong with the profile in one error, each part beginning with the key that
// [ParseProfile] knows the setting by. It repeats no values.
func (p Profile) Validate() error {
	var problems []string
	check := func(ok bool, problem string) {
		if !ok {
			problems = append(problems, problem)
		}
	}

	switch p.KDF {
	case KDFPBKDF2:
		check(p.Hash == SHA256 || p.Hash == SHA512, "hash: want sha256 or sha512")
		check(p.Salt.valid(0), "salt: want its text with %XX for other bytes, @room or @name")
		check(p.Iterations >= 1 && p.Iterations <= MaxIterations,
			fmt.Sprintf("iterations: want a whole number from 1 to %d", MaxIterations))
	case KDFArgon2id:
		check(p.Salt.valid(minArgon2Salt),
			fmt.Sprintf("salt: want at least %d bytes of text with %%XX for other bytes, @room or @name", minArgon2Salt))
	case KDFCut:
		check(len(p.Fill) == 1, "fill: want one character, or %XX for another byte")
	case KDFSHA256, KDFKey:
	default:
		problems = append(problems, "kdf: want argon2id, pbkdf2, sha256, cut or key")
	}
	if p.KDF.known() {
		check(p.KDF == KDFPBKDF2 || p.Hash == "", "hash: only kdf=pbkdf2 takes one")
		check(p.KDF == KDFPBKDF2 || p.Iterations == 0, "iterations: only kdf=pbkdf2 takes them")
		check(p.KDF == KDFPBKDF2 || p.KDF == KDFArgon2id || p.Salt == Salt{},
			"salt: only kdf=pbkdf2 and kdf=argon2id take one")
		check(p.KDF == KDFCut || p.Fill == "", "fill: only kdf=cut takes one")
	}
	check(p.Spelling == SpellingNFC || p.Spelling == SpellingTyped, "spelling: want nfc or typed")
	check(p.Wrapper == WrapperBare || p.Wrapper == WrapperPython, "wrapper: want bare or python")
	check(p.Form == FormText || p.Form == FormRecords, "form: want text or records")

	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}

func (k KDF) known() bool {
	switch k {
	case KDFArgon2id, KDFPBKDF2, KDFSHA256, KDFCut, KDFKey:
		return true
	}
	return false
}

// valid reports whether the salt has a kind, and at least minBytes where it is fixed.
func (s Salt) valid(minBytes int) bool {
	switch s.Kind {
	case SaltFixed:
		return len(s.Fixed) >= minBytes
	case SaltRoom, SaltName:
		return s.Fixed == ""
	}
	return false
}
