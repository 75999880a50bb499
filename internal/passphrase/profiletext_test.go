package passphrase

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseProfile(t *testing.T) {
	typed := func(p Profile) Profile {
		p.Spelling, p.Form = SpellingTyped, FormText
		if p.Wrapper == "" {
			p.Wrapper = WrapperBare
		}
		return p
	}
	fixed := func(salt string) Salt { return Salt{Kind: SaltFixed, Fixed: salt} }
	tests := []struct {
		text string
		want Profile
	}{
		{"fernpost", Fernpost()},
		{"pbkdf2", PBKDF2()},
		{"tutorial", Tutorial()},
		{
			"custom:kdf=pbkdf2,hash=sha512,salt=salt_,iterations=100000,wrapper=python,form=text",
			typed(Profile{
				KDF: KDFPBKDF2, Hash: SHA512, Salt: fixed("salt_"), Iterations: 100_000, Wrapper: WrapperPython,
			}),
		},
		{
			"custom:kdf=pbkdf2,salt=static_salt_value,iterations=100000",
			typed(Profile{KDF: KDFPBKDF2, Hash: SHA256, Salt: fixed("static_salt_value"), Iterations: 100_000}),
		},
		{
			"custom:kdf=pbkdf2,salt=salt_,iterations=1000000",
			typed(Profile{KDF: KDFPBKDF2, Hash: SHA256, Salt: fixed("salt_"), Iterations: 1_000_000}),
		},
		{
			"custom:kdf=pbkdf2,salt=,iterations=480000",
			typed(Profile{KDF: KDFPBKDF2, Hash: SHA256, Salt: fixed(""), Iterations: 480_000}),
		},
		{
			"custom:kdf=pbkdf2,salt=@name,iterations=480000",
			typed(Profile{KDF: KDFPBKDF2, Hash: SHA256, Salt: Salt{Kind: SaltName}, Iterations: 480_000}),
		},
		{
			"custom:iterations=1,salt=%00%ff%2C%25=@ ü,kdf=pbkdf2",
			typed(Profile{KDF: KDFPBKDF2, Hash: SHA256, Salt: fixed("\x00\xff,%=@ ü"), Iterations: 1}),
		},
		{
			"custom:kdf=pbkdf2,salt=%40room,iterations=1",
			typed(Profile{KDF: KDFPBKDF2, Hash: SHA256, Salt: fixed("@room"), Iterations: 1}),
		},
		{"custom:kdf=sha256", typed(Profile{KDF: KDFSHA256})},
		{"custom:kdf=cut,fill=0", typed(Profile{KDF: KDFCut, Fill: "0"})},
		{"custom:kdf=cut,fill=%00", typed(Profile{KDF: KDFCut, Fill: "\x00"})},
		{"custom:kdf=key,wrapper=python", typed(Profile{KDF: KDFKey, Wrapper: WrapperPython})},
		{"custom:kdf=argon2id,salt=@room,spelling=nfc,form=records", Fernpost()},
		{"custom:kdf=pbkdf2,salt=@room,iterations=1200000,spelling=nfc,form=records", PBKDF2()},
		{"custom:kdf=pbkdf2,salt=salt_,iterations=100000,wrapper=python", Tutorial()},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			got, err := ParseProfile(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("ParseProfile (-want +got):\n%s", diff)
			}
			again, err := ParseProfile(got.String())
			if err != nil || again != got {
				t.Errorf("ParseProfile(%q) = %v, %v, want what it was written from", got.String(), again, err)
			}
		})
	}
}

// The manual cannot rot: every profile that a comment of this package gives as an example can be parsed.
func TestDocumentedProfilesParse(t *testing.T) {
	source, err := os.ReadFile("profiletext.go")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile(`custom:kdf=\S+`).FindAllString(string(source), -1)
	if len(examples) < 9 {
		t.Fatalf("found %d examples, want one for each public variant", len(examples))
	}
	for _, example := range examples {
		mustParse(t, example)
	}
}

func TestProfileString(t *testing.T) {
	const text = "custom:kdf=pbkdf2,hash=sha512,salt=a%2Cb%20%C3%BC,iterations=7,spelling=nfc,wrapper=python,form=records"
	if got := mustParse(t, text).String(); got != text {
		t.Errorf("String = %s, want %s", got, text)
	}
}

func TestParseProfileNamesWhatIsWrong(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // each stands in the error
	}{
		{"unknown name", "fernpots", []string{"want fernpost, pbkdf2, tutorial, or custom:"}},
		{"no settings", "custom:", []string{"a setting without =", "kdf: "}},
		{"unknown keys", "custom:kdf=sha256,hsh=sha512,sallt=x", []string{`unknown key "hsh"`, `unknown key "sallt"`}},
		{"white space", "custom:kdf=sha256, form=text", []string{`unknown key " form"`}},
		{"given twice", "custom:kdf=sha256,form=text,form=text", []string{`"form" is given twice`}},
		{
			"everything wrong at once", "custom:kdf=pbkdf2,hash=md5,salt=%4,iterations=many,spelling=a,wrapper=b,form=c",
			[]string{"hash: ", "salt: ", "iterations: ", "spelling: ", "wrapper: ", "form: "},
		},
		{"no kdf", "custom:salt=x,iterations=1", []string{"kdf: "}},
		{"no salt", "custom:kdf=pbkdf2,iterations=1", []string{"salt: "}},
		{"no such salt", "custom:kdf=pbkdf2,salt=@rooms,iterations=1", []string{"salt: "}},
		{"salt with a bad escape", "custom:kdf=pbkdf2,salt=%+1,iterations=1", []string{"salt: "}},
		{"short salt for Argon2", "custom:kdf=argon2id,salt=salt_", []string{"salt: want at least 8 bytes"}},
		{"no iterations", "custom:kdf=pbkdf2,salt=x", []string{"iterations: "}},
		{"0 iterations", "custom:kdf=pbkdf2,salt=x,iterations=0", []string{"iterations: "}},
		{
			"absurd iterations", "custom:kdf=pbkdf2,salt=x,iterations=100000001",
			[]string{"iterations: want a whole number from 1 to 100000000"},
		},
		{"no fill", "custom:kdf=cut", []string{"fill: "}},
		{"long fill", "custom:kdf=cut,fill=00", []string{"fill: "}},
		{
			"what the function has no use for", "custom:kdf=sha256,hash=sha256,salt=x,iterations=1,fill=0",
			[]string{"hash: only", "salt: only", "iterations: only", "fill: only"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := ParseProfile(test.text)
			if err == nil {
				t.Fatalf("ParseProfile(%q) = %v, want an error", test.text, p)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("ParseProfile(%q): %q, which lacks %q", test.text, err, want)
				}
			}
		})
	}
}

// People paste passphrases and keys into the wrong place.
func TestParseProfileQuotesNoSecrets(t *testing.T) {
	const key = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	for _, text := range []string{
		key, "hunter2", "custom:" + key, "custom:kdf=" + key, "custom:" + key + "," + key, "custom:kdf=key,key=" + key,
		"custom:kdf=pbkdf2,salt=%" + key + ",iterations=" + key + ",wrapper=" + key, "custom:hunter2=hunter2",
	} {
		_, err := ParseProfile(text)
		if err == nil {
			t.Errorf("ParseProfile(%q): no error", text)
		} else if strings.Contains(err.Error(), key[:8]) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("ParseProfile quotes a secret: %v", err)
		}
	}
}

func FuzzParseProfile(f *testing.F) {
	for _, seed := range []string{
		"fernpost", "custom:", "custom:kdf=key", "custom:kdf=cut,fill=%00", "custom:kdf=argon2id,salt=@room",
		"custom:kdf=pbkdf2,hash=sha512,salt=%40%2C,iterations=100000,wrapper=python,form=records,spelling=nfc",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseProfile(text)
		if err != nil {
			return
		}
		if err := p.Validate(); err != nil {
			t.Errorf("ParseProfile(%q) = %+v, which is not valid: %v", text, p, err)
		}
		again, err := ParseProfile(p.String())
		if err != nil || again != p {
			t.Errorf("ParseProfile(%q) = %+v, %v, want %+v", p.String(), again, err, p)
		}
	})
}
