package relaycmd_test

import (
	"io"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaycmd"
)

// The help promised streams without limit for 0, and the relay lets them have no more than their share of the connections.
func TestTheLimitOfStreamsIsToldAsItIs(t *testing.T) {
	var says strings.Builder
	if code := relaycmd.Main([]string{"--help"}, &says, io.Discard); code != 0 {
		t.Fatalf("exit %d", code)
	}
	found := false
	for line := range strings.Lines(says.String()) {
		if strings.Contains(line, " --streams ") {
			found = strings.Contains(line, "three quarters of --connections") && !strings.Contains(line, "no limit")
		}
	}
	if !found {
		t.Errorf("the help says of --streams otherwise:\n%s", says.String())
	}
}

// A wrong call was answered in the words of the library: "accepts 1 arg(s), received 0", "strconv.ParseInt: parsing".
func TestAWrongCallIsToldInWords(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"user add", "error: fernpost-relay user add takes NAME: no argument was given\nhint: usage: fernpost-relay user add NAME [flags]\n"},
		{"user add a b", "error: fernpost-relay user add takes NAME: 2 arguments were given\n"},
		{"copy here", "error: fernpost-relay copy takes FROM TO: 1 argument was given\n"},
		{"import --channel 1234567", "error: fernpost-relay import takes FILE: no argument was given\n"},
		{"export --channel 1234567 a b", "error: fernpost-relay export takes [FILE]: 2 arguments were given\n"},
		{"--connections many", "error: --connections many: want a whole number\n"},
		{"--interval 5", "error: --interval 5: want a duration with its unit, such as 15s, 2h, 1d or 2w\n"},
		{"check --seed -1", "error: --seed -1: want a whole number that is not negative\n"},
		{"--open=perhaps", "error: --open perhaps: want true or false\n"},
	} {
		var says strings.Builder
		if code := relaycmd.Main(strings.Fields(tt.args), io.Discard, &says); code != 2 || !strings.HasPrefix(says.String(), tt.want) {
			t.Errorf("%s: exit %d, %q, want %q", tt.args, code, says.String(), tt.want)
		}
	}
}
