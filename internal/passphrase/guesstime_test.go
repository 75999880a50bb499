package passphrase

import (
	"math"
	"testing"
)

func TestTimeToGuess(t *testing.T) {
	tests := []struct {
		profile string
		bits    float64
		want    string
	}{
		{"fernpost", 77.54, "about 2 trillion years"},
		{"pbkdf2", 77.54, "about 460 billion years"},
		{"tutorial", 77.54, "about 39 billion years"},
		{"fernpost", 50, "about 8900 years"},
		{"pbkdf2", 50, "about 2400 years"},
		{"tutorial", 50, "about 200 years"},
		{"tutorial", 40, "about 2 months"},
		{"fernpost", 10, "less than a second"},
		{"fernpost", 12, "about 1 second"},
		{"custom:kdf=sha256", 50, "about 35 hours"},
		{"custom:kdf=cut,fill=0", 50, "about 35 hours"},
		{"custom:kdf=pbkdf2,hash=sha512,salt=salt_,iterations=100000", 50, "about 560 years"},
	}
	for _, test := range tests {
		if got := mustParse(t, test.profile).TimeToGuess(test.bits); got != test.want {
			t.Errorf("%s: TimeToGuess(%v) = %q, want %q", test.profile, test.bits, got, test.want)
		}
	}
}

func TestRoughly(t *testing.T) {
	const year = 365.25 * 24 * 3600
	tests := []struct {
		seconds float64
		want    string
	}{
		{math.NaN(), "less than a second"},
		{-1, "less than a second"},
		{0.99, "less than a second"},
		{1, "about 1 second"},
		{1.6, "about 2 seconds"},
		{119, "about 120 seconds"},
		{120, "about 2 minutes"},
		{7200, "about 2 hours"},
		{2 * 86400, "about 2 days"},
		{60 * 86400, "about 60 days"},
		{0.5 * year, "about 6 months"},
		{2 * year, "about 2 years"},
		{3.6 * year, "about 4 years"},
		{9e3 * year, "about 9000 years"},
		{1e4 * year, "about 10 thousand years"},
		{994e3 * year, "about 990 thousand years"},
		{999e3 * year, "about 1 million years"},
		{3e6 * year, "about 3 million years"},
		{1e9 * year, "about 1 billion years"},
		{1e12 * year, "about 1 trillion years"},
		{1e15 * year, "more than a thousand trillion years"},
		{math.Inf(1), "more than a thousand trillion years"},
	}
	for _, test := range tests {
		if got := roughly(test.seconds); got != test.want {
			t.Errorf("roughly(%v) = %q, want %q", test.seconds, got, test.want)
		}
	}
}
