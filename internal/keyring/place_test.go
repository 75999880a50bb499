package keyring

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	library "github.com/zalando/go-keyring"

	"github.com/fernpost/fernpost/internal/model"
)

// fakeVault is a keyring of a system, which may be told to fail or to hang.
type fakeVault struct {
	mu      sync.Mutex
	entries map[string]string
	asked   int
	// before is called before it does anything.
	before func(call string) error
}

func (v *fakeVault) do(call string, work func() error) error {
	v.mu.Lock()
	v.asked++
	before := v.before
	v.mu.Unlock()
	if before != nil {
		if err := before(call); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return work()
}

func (v *fakeVault) Get(service, user string) (value string, err error) {
	return value, v.do("get", func() error {
		var ok bool
		if value, ok = v.entries[service+"/"+user]; !ok {
			return library.ErrNotFound
		}
		return nil
	})
}

func (v *fakeVault) Set(service, user, value string) error {
	return v.do("set", func() error {
		v.entries[service+"/"+user] = value
		return nil
	})
}

func (v *fakeVault) Delete(service, user string) error {
	return v.do("delete", func() error {
		delete(v.entries, service+"/"+user)
		return nil
	})
}

func newVault() *fakeVault { return &fakeVault{entries: map[string]string{}} }

// openWith opens a directory as a new process would, whose system has that keyring.
func openWith(t *testing.T, dir string, v vault) *Keyring {
	t.Helper()
	k := another(t, dir)
	k.system = newSystem(v)
	return k
}

const seed = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"

// makeHome makes a directory with two rooms and an identity.
func makeHome(t *testing.T, k *Keyring) {
	t.Helper()
	for _, name := range []string{"lab", "school"} {
		r := lab()
		r.Name = name
		if err := k.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.UpdateIdentity(func(id *Identity) error {
		id.Seed, id.Nickname = seed, "ana"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// contents returns what stands in the files of a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, name := range filesIn(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(b)
	}
	return texts
}

// readable fails the test unless everything of makeHome is there.
func readable(t *testing.T, k *Keyring) {
	t.Helper()
	for _, name := range []string{"lab", "school"} {
		if r, err := k.Load(name); err != nil || r.Keys[0] != "key-of-the-room" || r.WriteKey != "WRITEKEYWRITEKEY" {
			t.Errorf("%s is %+v (%v)", name, r, err)
		}
	}
	if id, err := k.Identity(); err != nil || id.Seed != seed {
		t.Errorf("the identity is %+v (%v)", id, err)
	}
}

func hasSecrets(text string) bool {
	return strings.Contains(text, seed) || strings.Contains(text, "key-of-the-room") || strings.Contains(text, "WRITEKEY")
}

func TestKeysMoveIntoTheSystemsKeyringAndBack(t *testing.T) {
	k, dir := open(t)
	makeHome(t, k)
	if err := k.SetDefault("lab"); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	v := newVault()
	k = openWith(t, dir, v)
	if files, changed, err := k.MoveTo(model.InSystem); files != 3 || !changed || err != nil {
		t.Fatalf("MoveTo = %d, %v, %v", files, changed, err)
	}
	for name, text := range contents(t, dir) {
		if hasSecrets(text) {
			t.Errorf("there are keys in %s", name)
		}
	}
	if len(v.entries) != 1 {
		t.Errorf("the system's keyring has %d entries", len(v.entries))
	}
	k = openWith(t, dir, v)
	readable(t, k)
	// What is written afterwards is sealed, too, and a command asks the system's keyring once.
	r := lab()
	r.Name, r.Channel = "new", 7
	if err := k.Add(r); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.Rename("school", "class"), k.Rename("class", "school")); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Update("lab", func(r *model.Room) error {
		r.Untold = []model.Secret{"key-of-the-room"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for name, text := range contents(t, dir) {
		if hasSecrets(text) {
			t.Errorf("there are keys in %s after a change", name)
		}
		var older struct{ Version int }
		if strings.HasSuffix(name, "lab.json") && (json.Unmarshal([]byte(text), &older) != nil || older.Version <= filesVersion) {
			t.Errorf("version %d: an older fernpost would write over %s", older.Version, name)
		}
	}
	if asked := v.asked; asked > 4 { // three times while the key was made, once since
		t.Errorf("the system's keyring was asked %d times", asked)
	}
	if kept, err := k.Kept(); err != nil || kept != (model.Kept{Place: model.InSystem, Sealed: 4}) || k.Default() != "lab" {
		t.Errorf("kept is %+v (%v), the default is %q", kept, err, k.Default())
	}
	if files, changed, err := k.MoveTo(model.InSystem); files != 0 || changed || err != nil {
		t.Errorf("MoveTo again = %d, %v, %v", files, changed, err)
	}

	if err := k.Remove("new"); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Update("lab", func(r *model.Room) error {
		r.Untold = nil
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if files, changed, err := k.MoveTo(model.InFiles); files != 3 || !changed || err != nil {
		t.Fatalf("MoveTo = %d, %v, %v", files, changed, err)
	}
	after := contents(t, dir)
	for _, name := range []string{"lab.json", identityFile, defaultFile} {
		if d := cmp.Diff(before[name], after[name]); d != "" {
			t.Errorf("%s is not what it was: %s", name, d)
		}
	}
	k = openWith(t, dir, newVault()) // none is asked any more
	readable(t, k)
	// A copy of the directory, from when it was sealed, is opened by the same key as before: it stays.
	k = openWith(t, dir, v)
	if _, _, err := k.MoveTo(model.InSystem); err != nil || len(v.entries) != 1 {
		t.Errorf("%d keys after moving again (%v)", len(v.entries), err)
	}
}

// A move that ended in the middle leaves files of both kinds; each can be read, and the next move goes on, either way.
func TestAMoveGoesOnWhereItEnded(t *testing.T) {
	for _, place := range []model.Place{model.InSystem, model.InFiles} {
		for _, next := range []model.Place{model.InSystem, model.InFiles} {
			k, dir := open(t)
			makeHome(t, k)
			v := newVault()
			k = openWith(t, dir, v)
			if place == model.InFiles {
				if _, _, err := k.MoveTo(model.InSystem); err != nil {
					t.Fatal(err)
				}
			}
			stuck := filepath.Join(dir, "lab.json")
			if err := os.Chmod(stuck, 0o644); err != nil {
				t.Fatal(err)
			}
			if files, _, err := k.MoveTo(place); err == nil || files != 2 || !strings.Contains(err.Error(), "lab.json") {
				t.Errorf("MoveTo = %d, %v", files, err)
			}
			if kept, err := k.Kept(); err != nil || !kept.Moving || kept.Place != place || kept.Unread == nil {
				t.Errorf("kept is %+v (%v)", kept, err)
			}
			if err := os.Chmod(stuck, 0o600); err != nil {
				t.Fatal(err)
			}
			k = openWith(t, dir, v)
			readable(t, k)
			if _, _, err := k.MoveTo(next); err != nil {
				t.Error(err)
			}
			readable(t, openWith(t, dir, v))
			want := model.Kept{Place: next, Sealed: 3}
			if next == model.InFiles {
				want = model.Kept{Place: next, Plain: 3}
			}
			if kept, err := k.Kept(); err != nil || kept != want || len(v.entries) != 1 {
				t.Errorf("from %s to %s: %+v (%v), %d keys", place, next, kept, err, len(v.entries))
			}
		}
	}
}

// Two processes that are told at once where the keys are to lie seal all with one key.
func TestMovesAtOnceMakeOneKey(t *testing.T) {
	k, dir := open(t)
	makeHome(t, k)
	v := newVault()
	var work sync.WaitGroup
	for range 8 {
		k := openWith(t, dir, v)
		work.Go(func() {
			if _, _, err := k.MoveTo(model.InSystem); err != nil {
				t.Error(err)
			}
			if _, err := k.Update("lab", func(r *model.Room) error {
				r.Refused = append(r.Refused, "one")
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	k = openWith(t, dir, v)
	readable(t, k)
	if r, err := k.Load("lab"); err != nil || len(r.Refused) != 8 || len(v.entries) != 1 {
		t.Errorf("%d changes, %d keys (%v)", len(r.Refused), len(v.entries), err)
	}
}

// A keyring that is locked waits for its user, maybe for ever: nobody waits for it longer than two seconds, nothing is
// lost and nothing is written that would not be sealed.
func TestAKeyringThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir := open(t)
		makeHome(t, k)
		v := newVault()
		answer := make(chan struct{})
		hang := func(string) error {
			<-answer
			return nil
		}
		v.before = hang
		before := contents(t, dir)
		k = openWith(t, dir, v)
		took := func(limit time.Duration, work func() error) {
			t.Helper()
			begin := time.Now()
			if err := work(); !errors.Is(err, model.ErrKeyringAway) {
				t.Errorf("error %v", err)
			}
			if d := time.Since(begin); d != limit {
				t.Errorf("it took %v, want %v", d, limit)
			}
		}
		move := func() error {
			_, _, err := k.MoveTo(model.InSystem)
			return err
		}
		took(answerTime, move)
		took(0, move) // the first one still hangs
		if d := cmp.Diff(before, contents(t, dir)); d != "" {
			t.Errorf("a keyring that hangs has changed files: %s", d)
		}
		readable(t, k)
		close(answer)
		synctest.Wait()
		if len(v.entries) != 1 && len(v.entries) != 0 {
			t.Errorf("%d keys", len(v.entries))
		}
		v.entries = map[string]string{} // what came too late
		if err := move(); err != nil {
			t.Fatal(err)
		}

		answer = make(chan struct{})
		before = contents(t, dir)
		k = openWith(t, dir, v)
		took(answerTime, func() error { _, err := k.Load("lab"); return err })
		took(0, func() error { _, err := k.Identity(); return err })
		took(0, func() error { _, err := k.UpdateIdentity(func(*Identity) error { return nil }); return err })
		took(0, func() error { r := lab(); r.Name = "new"; return k.Add(r) })
		if d := cmp.Diff(before, contents(t, dir)); d != "" {
			t.Errorf("a keyring that hangs has changed files: %s", d)
		}
		took(0, func() error { _, _, err := k.MoveTo(model.InFiles); return err })
		close(answer)
		synctest.Wait()
		readable(t, k)
		if files, _, err := k.MoveTo(model.InFiles); files > 3 || err != nil {
			t.Errorf("moving on: %d, %v", files, err)
		}
		readable(t, k)
	})
}

// A key that came into the keyring when nobody waited for it any more seals nothing, and is taken out.
func TestAKeyThatCameTooLateIsTakenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir := open(t)
		makeHome(t, k)
		v := newVault()
		answer := make(chan struct{})
		v.before = func(call string) error {
			if call == "set" {
				<-answer
			}
			return nil
		}
		k = openWith(t, dir, v)
		if _, _, err := k.MoveTo(model.InSystem); !errors.Is(err, model.ErrKeyringAway) {
			t.Errorf("MoveTo = %v", err)
		}
		close(answer)
		synctest.Wait()
		if len(v.entries) != 0 {
			t.Error("it is still there")
		}
	})
}

// Without its key a file stays as it is: nothing is made anew over it, and no other key takes the place of the one that lacks.
func TestAKeyringWithoutTheKey(t *testing.T) {
	k, dir := open(t)
	makeHome(t, k)
	v := newVault()
	k = openWith(t, dir, v)
	if _, _, err := k.MoveTo(model.InSystem); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	id := ""
	for name := range v.entries {
		id = name
	}
	for what, entries := range map[string]map[string]string{
		"none": {}, "another": {id: "QUJD"}, "junk": {id: "\x00"},
	} {
		k := openWith(t, dir, &fakeVault{entries: entries})
		_, load := k.Load("lab")
		_, identity := k.UpdateIdentity(func(id *Identity) error {
			id.Seed = seed
			return nil
		})
		_, update := k.Update("lab", func(*model.Room) error { return nil })
		r := lab()
		r.Name = "new"
		for _, err := range []error{load, identity, update, k.Add(r), k.Ready(), k.Ask()} {
			if !errors.Is(err, model.ErrKeyringLacks) || strings.Contains(err.Error(), "QUJD") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, _, err := k.MoveTo(model.InSystem); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if d := cmp.Diff(before, contents(t, dir)); d != "" {
			t.Errorf("%s: the files have changed: %s", what, d)
		}
		if names, err := k.Names(); len(names) != 2 || err != nil {
			t.Errorf("%s: rooms %v (%v)", what, names, err)
		}
	}
	readable(t, openWith(t, dir, v))
}

// What a keyring fails with, or a library that trusts it, ends no program.
func TestAKeyringThatFails(t *testing.T) {
	k, dir := open(t)
	makeHome(t, k)
	before := contents(t, dir)
	for what, fail := range map[string]func(string) error{
		"locked": func(string) error { return errors.New("failed to unlock correct collection '/x'") },
		"absent": func(string) error { return &fs.PathError{Op: "dial", Path: "/run/bus", Err: fs.ErrNotExist} },
		"full": func(call string) error {
			if call == "set" {
				return errors.New("no space")
			}
			return nil
		},
		"panics": func(string) error { panic("a reply of an unknown kind") },
	} {
		v := newVault()
		v.before = fail
		k := openWith(t, dir, v)
		if _, _, err := k.MoveTo(model.InSystem); !errors.Is(err, model.ErrKeyringAway) {
			t.Errorf("%s: %v", what, err)
		}
		if d := cmp.Diff(before, contents(t, dir)); d != "" {
			t.Errorf("%s: the files have changed: %s", what, d)
		}
		readable(t, k)
	}
	// No room and no identity: that was said of those whose keyring had no socket, and a new identity was to be made.
	v := newVault()
	if _, _, err := openWith(t, dir, v).MoveTo(model.InSystem); err != nil {
		t.Fatal(err)
	}
	absent := newVault()
	absent.before = func(string) error { return fs.ErrNotExist }
	k = openWith(t, dir, absent)
	_, load := k.Load("lab")
	_, update := k.UpdateIdentity(func(*Identity) error {
		t.Error("an identity was made beside the one that is sealed")
		return nil
	})
	if !errors.Is(load, model.ErrKeyringAway) || !errors.Is(update, model.ErrKeyringAway) {
		t.Errorf("load: %v, identity: %v", load, update)
	}
	if _, _, err := openWith(t, dir, v).MoveTo(model.InFiles); err != nil {
		t.Fatal(err)
	}
	// A user who was asked and said no is told as success.
	k = openWith(t, dir, forgetful{newVault()})
	if _, _, err := k.MoveTo(model.InSystem); err == nil {
		t.Error("a key is taken for kept that is not")
	}
	readable(t, k)
}

type forgetful struct{ *fakeVault }

func (forgetful) Set(string, string, string) error { return nil }

func TestASealedFileThatWasAltered(t *testing.T) {
	k, dir := open(t)
	makeHome(t, k)
	v := newVault()
	k = openWith(t, dir, v)
	if _, _, err := k.MoveTo(model.InSystem); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "lab.json")
	var sealed sealedFile
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &sealed)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(sealed.Sealed) + 1 {
		altered := sealed
		if i < len(sealed.Sealed) {
			altered.Sealed = append([]byte(nil), sealed.Sealed...)
			altered.Sealed[i] ^= 1
		} else {
			altered.Sealed = sealed.Sealed[:5]
		}
		text, err := json.Marshal(altered)
		if err == nil {
			err = os.WriteFile(file, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Load("lab"); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	text := fmt.Sprintf(`{"version":9,"key":%q,"sealed":"AAAA"}`, sealed.Key)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Load("lab"); err == nil || !strings.Contains(err.Error(), "newer fernpost") {
		t.Error(err)
	}
}
