package keyring

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/filelock"
	"github.com/fernpost/fernpost/internal/model"
)

// another opens the same directory once more, as another process would.
func another(t *testing.T, dir string) *Keyring {
	t.Helper()
	k, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// A command that saved a room which it had loaded earlier took back the key that another had added meanwhile.
func TestChangesAtOnceAreAllKept(t *testing.T) {
	k, dir := open(t)
	if err := k.Add(lab()); err != nil {
		t.Fatal(err)
	}
	const processes, changes = 8, 10
	var work sync.WaitGroup
	for p := range processes {
		k := another(t, dir)
		work.Go(func() {
			for i := range changes {
				if _, err := k.Update("lab", func(r *model.Room) error {
					r.Keys = append([]model.Secret{model.Secret(fmt.Sprint("key ", p, i))}, r.Keys...)
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	got, err := k.Load("lab")
	if err != nil || len(got.Keys) != processes*changes+1 {
		t.Errorf("%d keys are left of %d (%v)", len(got.Keys), processes*changes+1, err)
	}
}

// Of four first commands of a new device each made an identity, and three of them signed with one that was lost.
func TestFirstCommandsAtOnceMakeOneIdentity(t *testing.T) {
	_, dir := open(t)
	var work sync.WaitGroup
	seeds := make([]model.Secret, 8)
	for p := range seeds {
		k := another(t, dir)
		work.Go(func() {
			id, err := k.UpdateIdentity(func(id *Identity) error {
				if id.Seed == "" {
					id.Seed = model.Secret(fmt.Sprint("seed of process ", p))
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			seeds[p] = id.Seed
		})
	}
	work.Wait()
	if len(slices.Compact(slices.Clone(seeds))) != 1 {
		t.Error("the processes sign with several identities")
	}
}

// Two rooms of one name must not take each other's place either, whoever comes first.
func TestOneOfSeveralAddsAtOnceWins(t *testing.T) {
	k, dir := open(t)
	var work sync.WaitGroup
	var mu sync.Mutex
	var won []int64
	for p := range 8 {
		k := another(t, dir)
		work.Go(func() {
			r := lab()
			r.Channel = int64(p + 1)
			switch err := k.Add(r); {
			case err == nil:
				mu.Lock()
				won = append(won, r.Channel)
				mu.Unlock()
			case !errors.Is(err, model.ErrRoomExists):
				t.Error(err)
			}
		})
	}
	work.Wait()
	got, err := k.Load("lab")
	if err != nil || len(won) != 1 || won[0] != got.Channel {
		t.Errorf("rooms of the channels %v were added, kept is %d (%v)", won, got.Channel, err)
	}
}

func TestAChangeThatFailsChangesNothing(t *testing.T) {
	k, dir := open(t)
	if err := k.Add(lab()); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	if _, err := k.Update("lab", func(r *model.Room) error {
		r.Keys = nil
		return refused
	}); !errors.Is(err, refused) {
		t.Errorf("Update = %v, want the error of the change", err)
	}
	if _, err := k.Update("nowhere", func(*model.Room) error { return nil }); !errors.Is(err, model.ErrNoRoom) {
		t.Errorf("Update of no room = %v, want ErrNoRoom", err)
	}
	if got, err := k.Load("lab"); err != nil || len(got.Keys) != 1 {
		t.Errorf("after a change that failed: %+v (%v)", got, err)
	}
	if d := cmp.Diff([]string{".lock", "lab.json"}, filesIn(t, dir)); d != "" {
		t.Error(d)
	}
}

// testdata/version1 was written by the version before the lock.
func TestFilesOfVersion1AreTakenOver(t *testing.T) {
	k, dir := open(t)
	for from, to := range map[string]string{"lab.json": "lab.json", "lesson.json": "lesson.json", "identity": identityFile} {
		b, err := os.ReadFile(filepath.Join("testdata", "version1", from))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	want := model.Room{
		Name: "lab", Relay: "http://127.0.0.1:35529", Channel: 9873939, Fields: []int{1, 2, 3, 4, 5, 6, 7, 8},
		Profile:  "fernpost",
		Keys:     []model.Secret{"RCtvCbL48mME7p1zA7sFdLU6o394-GpJNIaVKl6-1qg=", "Whqz_y7wM7wNrMvucMcIHkeN3EiL1kTPc6yga5rBK98="},
		WriteKey: "UX4K1SBNJXPAFBRM", Identity: "f96f2e96718bd966457a9dc4e903c1085a5ce670ca9abb4a716c3005079aa94c", Wrote: true,
		Interval: "0s",
	}
	for _, want.Version = range []int{1, version} { // before a change and after
		got, err := k.Load("lab")
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Error(d, err)
		}
		if _, err := k.Update("lab", func(*model.Room) error { return nil }); err != nil {
			t.Error(err)
		}
	}
	if r, err := k.Load("lesson"); err != nil || r.ReadKey != "LB66G3LRFUW5ZSU6" || len(r.Keys) != 1 {
		t.Errorf("lesson is %+v, %v", r, err)
	}
	id, err := k.UpdateIdentity(func(*Identity) error { return nil })
	if err != nil || id.Nickname != "ana" || !strings.HasPrefix(id.Seed.Reveal(), "9442284f") {
		t.Errorf("the identity is %+v, %v", id, err)
	}
	// What was changed must be refused by whoever takes no lock: it compares with the version that it knows, which is 1.
	for _, file := range []string{"lab.json", identityFile} {
		var content struct{ Version int }
		if b, err := os.ReadFile(filepath.Join(dir, file)); err != nil || json.Unmarshal(b, &content) != nil || content.Version <= 1 {
			t.Errorf("%s has version %d (%v), which an older fernpost would overwrite", file, content.Version, err)
		}
	}
}

// What a killed process has left half written has keys in it.
func TestLeftOversWithKeysAreRemoved(t *testing.T) {
	k, dir := open(t)
	if err := k.Add(lab()); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour)
	for name, at := range map[string]time.Time{
		newFile: time.Now(), ".lab.json.4711": long, "..identity.12": long,
		".school.json.9": time.Now(), // an older fernpost may be at work
		"notes.txt":      long, ".lab.json.bak": long,
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte("TOPSECRET"), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	another(t, dir)
	want := []string{".lab.json.bak", ".lock", ".school.json.9", "lab.json", "notes.txt"}
	if d := cmp.Diff(want, filesIn(t, dir)); d != "" {
		t.Error(d)
	}
}

// A process that was stopped while it has the lock must not hang all others.
func TestALockThatIsNeverLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir := open(t)
		f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := filelock.Try(f); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := k.Add(lab()); err == nil || !strings.Contains(err.Error(), "another fernpost") {
			t.Errorf("Add = %v", err)
		}
		if d := time.Since(began); d != lockTimeout {
			t.Errorf("it gives up after %v, want %v", d, lockTimeout)
		}
	})
}
