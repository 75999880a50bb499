package record

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What is said of somebody is judged in the same words whether all claims about everybody are looked at, which is the plain
// rule, or those only that are unsettled where nothing has come of whom they are about.
func TestUnsettledClaimsAreJudgedAsAllAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var scribes []*scribe
		for i := range byte(4) {
			scribes = append(scribes, newScribe(t, 1+i, fmt.Sprint("author", i)))
		}
		l := newListener(t)
		var written []Signed
		entry := int64(0)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			var cells []Cell
			for range rapid.IntRange(0, 3).Draw(t, "records") {
				by := rapid.SampledFrom(scribes).Draw(t, "by")
				var names Heartbeat
				for range rapid.IntRange(0, 3).Draw(t, "names") {
					if len(written) > 0 && rapid.Bool().Draw(t, "true") {
						names = append(names, seen(rapid.SampledFrom(written).Draw(t, "named")))
						continue
					}
					about := rapid.SampledFrom(scribes).Draw(t, "about")
					names = append(names, Seen{about.tag(), rapid.Uint32Range(1, 9).Draw(t, "number"), ShortHash{1}})
				}
				s := by.write(names)
				written = append(written, s)
				if entry++; rapid.IntRange(0, 3).Draw(t, "shown") > 0 {
					cells = append(cells, at(t, entry, s)...)
				}
			}
			if len(written) > 0 && rapid.IntRange(0, 4).Draw(t, "late") == 0 {
				i := rapid.IntRange(0, len(written)-1).Draw(t, "which")
				cells = append(cells, at(t, int64(i+1), written[i])...)
			}
			l.view.Holes = nil
			if rapid.Bool().Draw(t, "lacking") {
				l.view.Holes = []Hole{{First: rapid.Int64Range(1, entry+1).Draw(t, "hole"), Last: entry + 1, Since: noon}}
			}
			l.known.Keep(cells)
			plain := newReader(PublicKey{}).begin(l.known, l.view, l.now)
			for tag := range l.known.claims {
				plain.claimsAbout(tag)
			}
			want, wantErr := plain.read(cells)
			got := l.read(cells)
			if d := cmp.Diff(want, got); d != "" || wantErr != nil {
				t.Fatalf("(-plain +got): %s", errors.Join(wantErr, errors.New(d)))
			}
		}
	})
}
