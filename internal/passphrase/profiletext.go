package passphrase

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const customPrefix = "custom:"

// ParseProfile reads a profile: the name of a preset (fernpost, pbkdf2, tutorial), or "custom:" and settings as
// key=value, separated by commas, in any order and without white space:
//
//	kdf         argon2id, pbkdf2, sha256, cut or key; must be given
//	hash        pbkdf2 only: sha256 (default) or sha512
//	salt        pbkdf2 and argon2id, must be given: its text, which may be empty; @room for the room salt,
//	            @name for the SHA-256 of the room's name
//	iterations  pbkdf2 only, must be given: 1 to 100000000
//	fill        cut only, must be given: the byte that a short passphrase is filled up with
//	spelling    typed (default): the passphrase's bytes as they are; nfc: normalised, as the presets do
//	wrapper     bare (default) or python: what stands around a token
//	form        text (default) or records: what stands inside a token
//
// In salt and fill, %XX is the byte of that hexadecimal number. A comma, a percent sign and an @ at the beginning of a
// salt must be written so; other characters may.
//
// What published scripts do, and how to say it:
//
//	custom:kdf=pbkdf2,hash=sha512,salt=salt_,iterations=100000             SHA-512 instead of SHA-256
//	custom:kdf=pbkdf2,salt=static_salt_value,iterations=100000             another fixed salt
//	custom:kdf=pbkdf2,salt=%00%01%02%03%04%05%06%07,iterations=100000      a salt that is not text
//	custom:kdf=pbkdf2,salt=salt_,iterations=1000000                        more iterations
//	custom:kdf=pbkdf2,salt=,iterations=480000                              no salt
//	custom:kdf=pbkdf2,salt=@name,iterations=480000                         salt = SHA-256(room name)
//	custom:kdf=sha256                                                      key = base64(SHA-256(passphrase))
//	custom:kdf=cut,fill=0                                                  key = base64(passphrase, 32 bytes, '0' added)
//	custom:kdf=cut,fill=%00                                                the same with NUL bytes
//	custom:kdf=key                                                         the passphrase is a Fernet key
//
// where wrapper=python is added if the scripts post str(token), as the tutorial's do.
//
// The error names every unknown key and every setting that is wrong, and repeats no values: people paste secrets into
// the wrong place.
func ParseProfile(text string) (Profile, error) {
	if p, ok := ByName(text); ok {
		return p, nil
	}
	settings, ok := strings.CutPrefix(text, customPrefix)
	if !ok {
		return Profile{}, errors.New(
			"unknown profile: want fernpost, pbkdf2, tutorial, or custom: and settings such as kdf=pbkdf2")
	}

	var problems []string
	p := Profile{Spelling: SpellingTyped, Wrapper: WrapperBare, Form: FormText}
	seen := map[string]bool{}
	for item := range strings.SplitSeq(settings, ",") {
		key, value, ok := strings.Cut(item, "=")
		switch {
		case !ok:
			problems = append(problems, "a setting without =")
		case seen[key]:
			problems = append(problems, showKey(key)+" is given twice")
		case !p.set(key, value):
			problems = append(problems, "unknown key "+showKey(key))
		}
		seen[key] = true
	}
	if p.KDF == KDFPBKDF2 && !seen["hash"] {
		p.Hash = SHA256
	}
	if err := p.Validate(); err != nil {
		problems = append(problems, err.Error())
	}
	if len(problems) > 0 {
		return Profile{}, fmt.Errorf("custom profile: %s", strings.Join(problems, "; "))
	}
	return p, nil
}

// set stores one setting and reports whether its key is known. A value that cannot be read is stored as one that
// Validate refuses, so that there is one place for the messages.
func (p *Profile) set(key, value string) bool {
	switch key {
	case "kdf":
		p.KDF = KDF(value)
	case "hash":
		p.Hash = Hash(value)
	case "salt":
		p.Salt = parseSalt(value)
	case "iterations":
		n, err := strconv.Atoi(value)
		if err != nil {
			n = -1
		}
		p.Iterations = n
	case "fill":
		fill, ok := unescape(value)
		if !ok {
			fill = "unreadable"
		}
		p.Fill = fill
	case "spelling":
		p.Spelling = Spelling(value)
	case "wrapper":
		p.Wrapper = Wrapper(value)
	case "form":
		p.Form = Form(value)
	default:
		return false
	}
	return true
}

func parseSalt(value string) Salt {
	if strings.HasPrefix(value, "@") {
		return Salt{Kind: SaltKind(value)}
	}
	fixed, ok := unescape(value)
	if !ok {
		return Salt{Kind: "unreadable"}
	}
	return Salt{Kind: SaltFixed, Fixed: fixed}
}

// String returns the text that [ParseProfile] reads this profile from: the name of a preset, or "custom:" and every
// setting that applies.
func (p Profile) String() string {
	if name := p.Name(); name != "custom" {
		return name
	}
	settings := []string{"kdf=" + string(p.KDF)}
	if p.Hash != "" {
		settings = append(settings, "hash="+string(p.Hash))
	}
	switch p.Salt.Kind {
	case "":
	case SaltFixed:
		settings = append(settings, "salt="+escape(p.Salt.Fixed))
	default:
		settings = append(settings, "salt="+string(p.Salt.Kind))
	}
	if p.Iterations != 0 {
		settings = append(settings, "iterations="+strconv.Itoa(p.Iterations))
	}
	if p.Fill != "" {
		settings = append(settings, "fill="+escape(p.Fill))
	}
	if p.Spelling != SpellingTyped {
		settings = append(settings, "spelling="+string(p.Spelling))
	}
	settings = append(settings, "wrapper="+string(p.Wrapper), "form="+string(p.Form))
	return customPrefix + strings.Join(settings, ",")
}

// showKey quotes what can be a mistyped key, and nothing that may be a secret.
func showKey(key string) string {
	const longest = 12
	if len(key) > longest || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz_- ") != "" {
		return "(not shown)"
	}
	return strconv.Quote(key)
}

// escape writes every byte that could mean something in a list of settings, a shell or a configuration file as %XX.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._/+", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// unescape undoes escape, and reports whether each percent sign has its two hexadecimal digits.
func unescape(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), true
}
