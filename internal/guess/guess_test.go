package guess

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/token"
)

func profile(tb testing.TB, text string) passphrase.Profile {
	tb.Helper()
	p, err := passphrase.ParseProfile(text)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// sealed returns a token under a passphrase.
func sealed(tb testing.TB, p passphrase.Profile, pass string) token.Token {
	tb.Helper()
	key, err := p.Derive(pass, passphrase.RoomSalt(7), "lab")
	if err != nil {
		tb.Fatal(err)
	}
	ring, err := fernet.NewRing(fernet.NewKey(key))
	if err != nil {
		tb.Fatal(err)
	}
	text, err := ring.Seal([]byte("hello"), time.Unix(1.78e9, 0))
	if err != nil {
		tb.Fatal(err)
	}
	tok, err := token.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return tok
}

func TestRules(t *testing.T) {
	for rule, want := range map[string]string{
		":": "passWord", "l": "password", "u": "PASSWORD", "c": "Password", "t": "PASSwORD", "r": "droWssap", "d": "passWordpassWord",
		"$1": "passWord1", "^1": "1passWord", "sa4": "p4ssWord", "c $1 $2": "Password12", "c$1$2": "Password12", "ss$ so0": "pa$$W0rd",
		"$ ": "passWord ", "sxy": "passWord",
	} {
		r, err := ParseRule(rule)
		if err != nil {
			t.Error(err)
		} else if got, ok := r.Apply("passWord"); got != want || !ok {
			t.Errorf("%q makes %q, want %q", rule, got, want)
		}
	}
	for rule, want := range map[string]string{"": "at least one", "@a": `"@"`, "$": "takes 1", "sa": "takes 2", "l T3": `"T"`, "é": `"é"`, "sé": "ASCII", "$é": "ASCII"} {
		if _, err := ParseRule(rule); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", rule, err)
		}
	}
	if _, err := ParseRules("# what people do\n:\r\n\nl\nZ\n"); err == nil || !strings.HasPrefix(err.Error(), "line 5: ") {
		t.Error(err)
	}
	// Words that are doubled again and again end.
	r, err := ParseRule(strings.Repeat("d", 64))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := r.Apply("x"); ok {
		t.Errorf("%d bytes", len(got))
	}
}

func TestRate(t *testing.T) {
	for rate, want := range map[float64]string{0.55: "0.55", 9.4: "9.4", 36: "36", 123: "123", 999: "999", 999.7: "1 thousand", 999_600: "1 million", 45e3: "45 thousand"} {
		if got := Rate(rate); got != want {
			t.Errorf("%v is %q, want %q", rate, got, want)
		}
	}
}

func TestMasks(t *testing.T) {
	m, err := ParseMask("a?d?u")
	if err != nil || m.Count() != 260 || m.At(0) != "a0A" || m.At(27) != "a1B" || m.At(259) != "a9Z" {
		t.Errorf("%v %v", m, err)
	}
	if m, err := ParseMask("??"); err != nil || m.At(0) != "?" {
		t.Errorf("%v %v", m, err)
	}
	for _, bad := range []string{"", "?", "?x", strings.Repeat("?a", 40), strings.Repeat("x", 65)} {
		if m, err := ParseMask(bad); err == nil {
			t.Errorf("%q: %v", bad, m)
		}
	}
}

// What opens a token is found, whatever it is tried beside, and with which profile.
func TestFound(t *testing.T) {
	sha, room, python := profile(t, "custom:kdf=sha256"), profile(t, "custom:kdf=pbkdf2,salt=@room,iterations=10"), profile(t, "custom:kdf=cut,fill=0")
	strange := sealed(t, sha, "something else")
	for name, c := range map[string]struct {
		p    passphrase.Profile
		pass string
		from Candidates
	}{
		"a word":           {sha, "correct horse", Candidates{Words: strings.NewReader("a\n\nb\r\ncorrect horse\r\nz\n")}},
		"the last word":    {room, "zebra", Candidates{Words: strings.NewReader("a\nzebra")}},
		"a changed word":   {python, "Zebra1", Candidates{Words: strings.NewReader("lion\nzebra"), Rules: []Rule{{{do: ':'}}, {{do: 'c'}, {do: '$', x: '1'}}}}},
		"a mask":           {sha, "ab9", Candidates{Mask: Mask{"a", "abc", sets['d']}}},
		"behind long ones": {sha, "short", Candidates{Words: strings.NewReader(strings.Repeat("x", 1<<20) + "\nshort\n")}},
		"bytes":            {sha, "\xff\xfe", Candidates{Words: strings.NewReader("\xff\n\xff\xfe\n")}},
	} {
		target := Target{
			Tokens: []token.Token{strange, sealed(t, c.p, c.pass)}, Profiles: []passphrase.Profile{python, room, sha}, Salt: passphrase.RoomSalt(7),
		}
		got, err := Search(t.Context(), &target, &c.from, Options{})
		if err != nil || got.Found == nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		} else if d := cmp.Diff(Found{c.pass, c.p}, *got.Found); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// Where none opens it, all were tried, once each; and a search that was stopped goes on where it was.
func TestNoneFoundAndGoneOn(t *testing.T) {
	sha := profile(t, "custom:kdf=sha256")
	target := Target{Tokens: []token.Token{sealed(t, sha, "no word of the list")}, Profiles: []passphrase.Profile{sha}}
	var list strings.Builder
	for i := range 100_000 {
		fmt.Fprintln(&list, "word", i)
	}
	got, err := Search(t.Context(), &target, &Candidates{Words: strings.NewReader(list.String())}, Options{Of: 100_000})
	if err != nil || got.Found != nil || got.Tried != 100_000 {
		t.Errorf("%+v, %v", got, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var calls atomic.Int32
	slow := profile(t, "custom:kdf=pbkdf2,salt=x,iterations=20000")
	target = Target{Tokens: []token.Token{sealed(t, slow, "word 300")}, Profiles: []passphrase.Profile{slow}}
	got, err = Search(ctx, &target, &Candidates{Words: strings.NewReader(list.String())}, Options{Progress: func(Progress) {
		if calls.Add(1) == 1 {
			stop()
		}
	}})
	if got.Found == nil {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%+v, %v", got, err)
		}
		got, err = Search(t.Context(), &target, &Candidates{Words: strings.NewReader(list.String())}, Options{Skip: got.Tried})
	}
	if err != nil || got.Found == nil || got.Found.Passphrase != "word 300" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNothingToTry(t *testing.T) {
	if _, err := Search(t.Context(), &Target{}, &Candidates{}, Options{}); err == nil {
		t.Error("no error")
	}
}

// FuzzRule: whatever a file of rules and a mask have in it, nothing breaks and nothing grows without end.
func FuzzRule(f *testing.F) {
	f.Add("c $1", "word", "?l?d")
	f.Add("sab dd ^\xff", "\xff\xfe", "??x")
	f.Fuzz(func(t *testing.T, rule, word, mask string) {
		if r, err := ParseRule(rule); err == nil {
			if got, ok := r.Apply(word); ok && len(got) > longest && len(got) > len(word) {
				t.Errorf("%d bytes", len(got))
			}
		}
		if m, err := ParseMask(mask); err == nil {
			for _, n := range []uint64{0, m.Count() / 2, m.Count() - 1} {
				if got := m.At(n); len(got) != len(m) {
					t.Errorf("%q", got)
				}
			}
		}
	})
}

// BenchmarkSearch is to be compared with BenchmarkDerive: what the search itself costs.
func BenchmarkSearch(b *testing.B) {
	for _, name := range []string{"custom:kdf=sha256", "tutorial"} {
		p := profile(b, name)
		target := Target{Tokens: []token.Token{sealed(b, p, "nothing")}, Profiles: []passphrase.Profile{p}}
		b.Run(p.Name()+"-"+string(p.KDF), func(b *testing.B) {
			m := Mask{sets['d'], sets['d']}
			if p.KDF == passphrase.KDFSHA256 {
				m = Mask{sets['d'], sets['d'], sets['d'], sets['d'], sets['d']}
			}
			for b.Loop() {
				if got, err := Search(b.Context(), &target, &Candidates{Mask: m}, Options{}); err != nil || got.Tried != m.Count() {
					b.Fatal(got, err)
				}
			}
			b.ReportMetric(float64(m.Count())*float64(b.N)/b.Elapsed().Seconds(), "guesses/s")
		})
	}
}

func BenchmarkDerive(b *testing.B) {
	for _, name := range []string{"custom:kdf=sha256", "tutorial"} {
		p := profile(b, name)
		b.Run(p.Name()+"-"+string(p.KDF), func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := p.Derive("nothing", [16]byte{}, ""); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
