package passphrase

import (
	"math"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
)

func TestEstimateErrsLow(t *testing.T) {
	tests := []struct {
		pass string
		most float64 // bits
	}{
		// What everybody uses.
		{"", 0},
		{"123456", 3},
		{"password", 3},
		{"Password1!", 12},
		{"P@ssw0rd", 12},
		{"l3tm31n", 12},
		{"ILOVEYOU", 12},
		{"drowssap", 12},
		{"hunter2", 12},
		{"p a s s w o r d", 12},
		{"passwordpasswordpassword", 12},
		{"dragon dragon", 15},
		{"Dragon2024!", 20},
		{"S3cr3tK3y", 20},
		{"thingspeak", 15},
		{"winteriscoming!", 15},
		// Keyboards, sequences, repetitions, dates.
		{"qwertyuiopasdfghjkl", 20},
		{"poiuytrewq", 12},
		{"1qaz@WSX3edc", 25},
		{"q1w2e3r4t5y6u7i8", 15},
		{"asdkjfhaskdjfh", 45},
		{"abcdefghijklmnopqrstuvwxyz", 12},
		{"9876543210", 12},
		{"aaaaaaaaaaaaaaaaaaaaaaaa", 12},
		{"abababababababab", 15},
		{strings.Repeat("a", 1000), 15},
		{"31.12.1999", 15},
		{"12/31/1999", 15},
		{"1999-12-31", 15},
		{"31121999", 15},
		{"anna1987", 20},
		{"1987", 8},
		{"0715", 8},
		// Words, and what people make of them.
		{"correct horse battery staple", 15},
		{"correct-horse-battery-staple", 15},
		{"Tr0ub4dor&3", 32},
		{"schmetterling", 25},
		{"Schmetterling1!", 30},
		{"dziewczyna", 40},
		{"Geschwindigkeitsbegrenzung", 50},
		{"horse horse horse horse horse horse", 20},
		{"monkey banana tiger apple orange", 45},
		{"my dog likes to eat fish", 45},
		// All of them stand in the list that generated ones are made of: whoever picks words picks these.
		{"family friend food game money", 45},
		{"mary had a little lamb", 45},
		{"Manchester United 2008", 40},
		{"to be or not to be that is the question", 20},
		{"the quick brown fox jumps over the lazy dog", 20},
		// Other scripts.
		{"пароль", 12},
		{"Пароль123", 15},
		{"йцукен", 12},
		{"йцукенгшщзх", 12},
		{"gfhjkm", 12},
		{"привет123", 20},
		{"мама мыла раму", 40},
		{"ΚΩΔΙΚΟΣ", 25},
		{"contraseña", 15},
		{"密码123456", 20},
		{"我爱你", 15},
		{"パスワード", 15},
		{"비밀번호", 15},
		{"सुरक्षा", 30},
		{"😀😀😀😀😀😀😀😀", 15},
		{"\xff\xff\xff\xff", 30},
	}
	for _, test := range tests {
		if got := Estimate(test.pass); got.Bits > test.most || got.Bits < 0 {
			t.Errorf("Estimate(%.40q) = %.1f bits, want at most %v (%q)", test.pass, got.Bits, test.most, got.Why)
		}
	}
}

// What comes behind the first 256 characters is not looked at, so that a text of any length is rated at once.
func TestEstimateHasABound(t *testing.T) {
	text := strings.Repeat("k7Gx9mQ2vT4pLw3ZxR8nB5sC1dF6hJ0y", 8) // 256 characters
	cut, whole := Estimate(text), Estimate(text+"9zK!wq"+strings.Repeat("Yb3$", 10_000))
	if cut.Bits != whole.Bits || !slices.Equal(cut.Why, whole.Why) {
		t.Errorf("Estimate says %v of 256 characters and %v of many more", cut, whole)
	}
}

func TestEstimateKnowsStrength(t *testing.T) {
	tests := []struct {
		pass  string
		least float64 // bits
	}{
		{"k7Gx9mQ2vT4pLw3Z", MinBits},
		{"xkqzvwjpbnmtghfdrlkq", MinBits},
		{"hidtaq-pykza0-tyvWex", MinBits},
		{"7f3a9c2e5b8d10467f1c", MinBits},
		{"83920571648820375961482", MinBits},
		{"ana and bo meet at the old harbour on friday", MinBits},
		{"Съешь ещё этих мягких французских булок", MinBits},
		{"skeptic.unvocal.moneywise.crabgrass.dizziness.preset", 70},
		{"😀🎈🐙🚀🍕🌵🎸⚓🦉🧲🪁🥝", MinBits},
	}
	for _, test := range tests {
		if got := Estimate(test.pass); got.Bits < test.least {
			t.Errorf("Estimate(%q) = %.1f bits, want at least %v (%q)", test.pass, got.Bits, test.least, got.Why)
		}
	}
}

func TestEstimateOfGeneratedPhrases(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	for range 2000 {
		phrase, bits, err := Generate(DefaultWords)
		if err != nil {
			t.Fatal(err)
		}
		if got := Estimate(phrase); got.Bits < 70 || got.Bits > bits+0.05 || len(got.Why) > 0 {
			t.Errorf("Estimate(%q) = %.1f bits, want about %.1f (%q)", phrase, got.Bits, bits, got.Why)
		}
	}
}

// A random text is never rated above what it is worth.
func TestEstimateNeverFlattersRandomText(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 2)
	const lower = "abcdefghijklmnopqrstuvwxyz"
	for _, alphabet := range []string{
		"0123456789", "0123456789abcdef", lower, lower + strings.ToUpper(lower) + "0123456789",
	} {
		for length := 6; length <= 24; length += 6 {
			worth := float64(length) * math.Log2(float64(len(alphabet)))
			for range 100 {
				var text strings.Builder
				for range length {
					text.WriteByte(alphabet[randomIndex()%len(alphabet)])
				}
				if got := Estimate(text.String()); got.Bits > worth {
					t.Errorf("Estimate(%q) = %.1f bits, worth %.1f", &text, got.Bits, worth)
				}
			}
		}
	}
}

func TestEstimateSaysWhy(t *testing.T) {
	tests := []struct {
		pass string
		want reason
	}{
		{"letmein", whyPassword | whyShort},
		{"p4ssw0rd", whyPassword | whyLookAlike | whyShort},
		{"drowssap", whyPassword | whyReversed | whyShort},
		{"aerobics skydiver", whyWord},
		{"schmetterling", whyLetters},
		{"hijklmnop", whySequence | whyShort},
		{"фывапролд", whyKeyboard | whyShort},
		{"kqxkqxkqxkqx", whyRepeat},
		{"31.12.1999", whyDate},
		{"aerobics9!", whyWord | whyEnding},
		{"k7Gx9mQ2vT4pLw3Zb", 0},
	}
	for _, test := range tests {
		got := Estimate(test.pass)
		for i, clause := range clauses {
			if want := test.want&(1<<i) != 0; slices.Contains(got.Why, clause) != want && (want || test.want == 0) {
				t.Errorf("Estimate(%q).Why = %q; %q: want %v", test.pass, got.Why, clause, want)
			}
		}
	}
}

// Only the beginning counts, so a megabyte takes no longer than a page.
func TestEstimateOfLongText(t *testing.T) {
	text := strings.Repeat("abacus Zebra 123 пароль \u0301\u0301 !?", 1<<20/32)
	whole, page := Estimate(text), Estimate(text[:1<<14])
	if whole.Bits != page.Bits || whole.Bits == 0 {
		t.Errorf("Estimate of 1 MiB = %.1f bits, of its first 16 KiB %.1f", whole.Bits, page.Bits)
	}
}

func FuzzEstimate(f *testing.F) {
	for _, seed := range []string{
		"", "password", "P@ssw0rd 31.12.1999!", "пароль", "1q2w3e4r5t6y", "a\u0301\u0301", "\xff\x00", "4815162342",
		"abacus abdomen zebra zoom zone yo-yo", "😀👨‍👩‍👧", "1.2.3", "99999999999", "!!!!", strings.Repeat("ab", 300),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pass string) {
		got := Estimate(pass)
		if !(got.Bits >= 0 && got.Bits <= maxRated*effBits) {
			t.Errorf("Estimate(%q) = %v bits", pass, got.Bits)
		}
		for _, clause := range got.Why {
			if !slices.Contains(clauses[:], clause) {
				t.Errorf("Estimate(%q) gives a reason of its own: %q", pass, clause)
			}
		}
	})
}

func BenchmarkEstimate(b *testing.B) {
	for _, bench := range []struct{ name, pass string }{
		{"8B", "Dragon1!"},
		{"28B", "correct horse battery staple"},
		{"256B", strings.Repeat("abacus Zebra 123", 16)},
		{"1MiB", strings.Repeat("a", 1<<20)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Estimate(bench.pass)
			}
		})
	}
}
