package relaycmd_test

import (
	"io"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaycmd"
)

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
