package room_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// copyHome copies a member's home, as a backup does.
func (m *member) copyHome(h *hall) *member {
	m.t.Helper()
	if err := m.archive.Close(); err != nil {
		m.t.Fatal(err)
	}
	dir := filepath.Join(m.t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(m.dir)); err != nil {
		m.t.Fatal(err)
	}
	store := h.enter(m.o, m.dir)
	m.Conversation, m.archive = store.Conversation, store.archive
	return h.enter(m.o, dir)
}

// A backup that is restored signs what waits in it anew, after what the feed holds of its key, and says so.
func TestRestoredBackup(t *testing.T) {
	for name, fields := range layouts {
		t.Run(name, func(t *testing.T) {
			h := newHall(t, fields...)
			ana, bo := h.join(1, "ana"), h.join(2, "bo")
			ana.say("one")
			for _, text := range []string{"waits in the backup", "waits, too" + strings.Repeat(" long", 100)} {
				if _, err := ana.Write(record.Text(text), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			ana.states()
			restored := ana.copyHome(h)
			restored.states()
			if err := ana.Drop(2, false, time.Now()); err != nil {
				t.Fatal(err)
			}
			ana.told("ana 2: taken back")
			ana.deliver()
			ana.say("four")

			if got := restored.look().Elsewhere; !slices.Equal(got, []uint32{2, 3, 4}) {
				t.Errorf("written elsewhere: %v", got)
			}
			done := restored.deliver()
			if d := cmp.Diff([]model.Renumbered{{Before: 2, Now: 5}, {Before: 3, Now: 6}}, done.Renumbered); d != "" {
				t.Error(d)
			}
			states := restored.states()
			if want := []string{"ana 6: queued, ana 3 before", "ana 5: queued, ana 2 before"}; !slices.Equal(states[:2], want) || len(states) != 4 {
				t.Errorf("the states %q, want first %q", states, want)
			}
			if w := restored.say("seven"); w.Number != 7 {
				t.Errorf("number %d, want 7", w.Number)
			}
			got := bo.look()
			want := []string{
				"ana: one", "ana: heartbeat", "ana: waits, too" + strings.Repeat(" long", 100), "ana: four",
				"ana: waits in the backup", "ana: waits, too" + strings.Repeat(" long", 100), "ana: seven",
			}
			if d := cmp.Diff(want, lines(got.Items)); d != "" {
				t.Error(d)
			}
			if len(got.Told)+len(got.Waiting) > 0 {
				t.Errorf("told %v %v", told(got.Told), told(got.Waiting))
			}
		})
	}
}

// A home that is used on two machines at once is named, and nothing is lost.
func TestCopiedHome(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("one")
	ana.look()
	twin := ana.copyHome(h)
	ana.look()
	twin.look()
	for _, m := range []*member{ana, twin} { // neither knows of the other's
		if _, err := m.Write(record.Text("two of "+filepath.Base(m.dir)), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []*member{ana, twin} {
		if _, err := m.Deliver(t.Context(), poster{m.client}, nil); err != nil {
			t.Fatal(err)
		}
	}
	fork := "ana's key wrote two different ana 2: two devices with one key, a restored backup, or a room shown in " +
		"two versions"
	for _, m := range []*member{ana, twin, bo} {
		if d := cmp.Diff([]string{fork}, told(m.look().Told)); d != "" {
			t.Error(d)
		}
	}
	if w := twin.say("three"); w.Number != 3 {
		t.Errorf("number %d, want 3", w.Number)
	}
	got := ana.look()
	if !slices.Equal(got.Elsewhere, []uint32{3}) {
		t.Errorf("written elsewhere: %v", got.Elsewhere)
	}
	if w := ana.say("four"); w.Number != 4 {
		t.Errorf("number %d, want 4", w.Number)
	}
	bo.look()
	want := []string{"ana: one", "ana: two of state", "ana: two of copy", "ana: three", "ana: four"}
	for _, m := range []*member{ana, twin, bo} {
		m.look()
		if d := cmp.Diff(want, m.history()); d != "" {
			t.Error(d)
		}
	}
}
