package keyring

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T) (*Keyring, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rooms")
	k, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k, dir
}

func lab() model.Room {
	return model.Room{
		Version: version, Name: "lab", Relay: "http://127.0.0.1:3000", Channel: 1234567, Fields: []int{1},
		Profile: "fernpost", Keys: []model.Secret{"key-of-the-room"}, WriteKey: "WRITEKEYWRITEKEY", Interval: "15s",
	}
}

func TestRoomComesBackAsItWas(t *testing.T) {
	k, dir := open(t)
	if err := k.Add(lab()); err != nil {
		t.Fatal(err)
	}
	got, err := k.Load("lab")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(lab(), got); d != "" {
		t.Error(d)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "lab.json"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v (%v), want %v", path, info.Mode().Perm(), err, want)
		}
	}
	if d := cmp.Diff([]string{".lock", "lab.json"}, filesIn(t, dir)); d != "" {
		t.Errorf("files left behind: %s", d)
	}
}

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

func TestAddNeverReplaces(t *testing.T) {
	k, _ := open(t)
	if err := k.Add(lab()); err != nil {
		t.Fatal(err)
	}
	other := lab()
	other.Channel = 7654321
	if err := k.Add(other); !errors.Is(err, model.ErrRoomExists) {
		t.Errorf("Add of a second lab = %v, want ErrExists", err)
	}
	if got, err := k.Load("lab"); err != nil || got.Channel != 1234567 {
		t.Errorf("the first lab has channel %d now (%v)", got.Channel, err)
	}
}

func TestNames(t *testing.T) {
	k, dir := open(t)
	for _, n := range []string{"b", "a", "c-1"} {
		r := lab()
		r.Name = n
		if err := k.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "Notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := k.Names()
	if d := cmp.Diff([]string{"a", "b", "c-1"}, got); d != "" || err != nil {
		t.Error(d, err)
	}
	for _, bad := range []string{"", "../a", "A", "a b", "-a", strings.Repeat("a", 33), "a\x1b[2J", "a\n"} {
		if CheckName(bad) == nil {
			t.Errorf("CheckName(%q) accepts it", bad)
		}
		if _, err := k.Load(bad); err == nil {
			t.Errorf("Load(%q) works", bad)
		}
	}
}

func TestFilesThatAreRefusedWithoutShowingKeys(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"readable by others":   {`{}`, 0o644, "other users can read"},
		"by the group":         {`{}`, 0o640, "other users can read"},
		"cut short":            {`{"version":1,"keys":["TOPSECRET`, 0o600, "damaged"},
		"a key without quotes": {`{"version":1,"keys":[@TOPSECRET`, 0o600, "damaged"}, // a decoder would quote the first character
		"wrong types":          {`{"version":1,"channel":"TOPSECRET"}`, 0o600, "damaged"},
		"newer":                {`{"version":9,"keys":["TOPSECRET"]}`, 0o600, "newer fernpost"},
		"nothing in it":        {`{"version":1}`, 0o600, "lacks something"},
		"huge":                 {strings.Repeat(" ", maxFile+1), 0o600, "more than is ever needed"},
	} {
		k, dir := open(t)
		file := filepath.Join(dir, "lab.json")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := k.Load("lab")
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "@") ||
			strings.Contains(err.Error(), "TOPSECRET") {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
}

func TestMissingRoom(t *testing.T) {
	k, _ := open(t)
	if _, err := k.Load("lab"); !errors.Is(err, model.ErrNoRoom) {
		t.Errorf("Load = %v, want ErrNoRoom", err)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	for _, form := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(form, lab()); strings.Contains(s, "WRITEKEY") || strings.Contains(s, "key-of-the-room") {
			t.Errorf("%s prints %s", form, s)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(`{"version":1,"channel":1,"fields":[1],"keys":["k"],"relay":"http://x"}`)
	f.Fuzz(func(t *testing.T, text string) {
		k, dir := open(t)
		if err := os.WriteFile(filepath.Join(dir, "lab.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := k.Load("lab"); err == nil && (len(r.Keys) == 0 || r.Channel < 1) {
			t.Errorf("Load accepted %q", text)
		}
	})
}

// A file without a seed counted as no identity, and a new one was written over it.
func TestADamagedIdentityIsNotReplaced(t *testing.T) {
	seed := strings.Repeat("5e", 32)
	for _, text := range []string{
		`{}`, `null`, `{"version":2,"nickname":"ana"}`, `{"version":2,"seed":"` + strings.Repeat("0", 64) + `"}`,
		`{"version":2,"seed":"` + seed + `"} junk`, `{"version":2,"seed":"` + seed + `"}{}`, ``,
	} {
		k, dir := open(t)
		file := filepath.Join(dir, identityFile)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := k.UpdateIdentity(func(id *Identity) error {
			id.Seed = model.Secret(seed)
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "damaged") || strings.Contains(err.Error(), seed) {
			t.Errorf("%q: %v", text, err)
		}
		if after, err := os.ReadFile(file); err != nil || string(after) != text {
			t.Errorf("%q became %q (%v)", text, after, err)
		}
	}
}

func TestIdentityComesBack(t *testing.T) {
	k, dir := open(t)
	if _, err := k.Identity(); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("Identity = %v, want ErrNoIdentity", err)
	}
	want := Identity{Version: version, Seed: "5eed", Nickname: "ana"}
	made, err := k.UpdateIdentity(func(id *Identity) error {
		*id = want
		return nil
	})
	if err != nil || made != want {
		t.Fatalf("UpdateIdentity = %+v, %v", made, err)
	}
	if got, err := k.Identity(); err != nil || got != want {
		t.Errorf("Identity = %+v, %v", got, err)
	}
	if names, err := k.Names(); err != nil || len(names) != 0 {
		t.Errorf("the identity is listed as a room: %v (%v)", names, err)
	}
	info, err := os.Stat(filepath.Join(dir, identityFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode().Perm(), err)
	}
}

// A room that got another name lost its archive, or shared one with the next room of the old name.
func TestFilesStayWithTheirRoom(t *testing.T) {
	k, _ := open(t)
	room := lab()
	if err := k.Add(room); err != nil {
		t.Fatal(err)
	}
	files := func(name string) string {
		t.Helper()
		r, err := k.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		return r.FilesName()
	}
	before, err := k.Load("lab")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.SetDefault("lab"); err != nil || k.Default() != "lab" {
		t.Errorf("the default is %q (%v)", k.Default(), err)
	}
	if err := k.Rename("lab", "school"); err != nil {
		t.Fatal(err)
	}
	if err := k.Add(room); err != nil {
		t.Fatal(err)
	}
	if a, b := files("school"), files("lab"); a != "lab" || b == "lab" {
		t.Errorf("the files of the renamed room are %q, of the new one %q", a, b)
	}
	if k.Default() != "school" {
		t.Errorf("the default is %q after renaming", k.Default())
	}
	renamed, err := k.Load("school")
	if err != nil {
		t.Fatal(err)
	}
	want := room
	want.Name, want.Files, want.Version = "school", "lab", filesVersion
	if d := cmp.Diff(want, renamed); d != "" {
		t.Error(d)
	}
	if now, err := k.Current(before); err != nil || now.Name != "school" {
		t.Errorf("what was lab before is %q now (%v)", now.Name, err)
	}
	for _, taken := range []string{"lab", "school"} {
		if err := k.Rename("lab", taken); !errors.Is(err, model.ErrRoomExists) {
			t.Errorf("renamed to %s: %v", taken, err)
		}
	}
	if err := k.Rename("nowhere", "x"); !errors.Is(err, model.ErrNoRoom) {
		t.Errorf("renaming no room: %v", err)
	}
	if err := k.Remove("school"); err != nil || k.Default() != "" {
		t.Errorf("removing: %v, the default is %q", err, k.Default())
	}
	if now, err := k.Current(before); !errors.Is(err, model.ErrNoRoom) {
		t.Errorf("what was lab before is %q now (%v), and removed", now.Name, err)
	}
	if err := k.Remove("school"); !errors.Is(err, model.ErrNoRoom) {
		t.Errorf("removing it again: %v", err)
	}
}

// Whoever knows no MQTT would drop it when changing a room, so must refuse the file.
func TestRoomWithMQTTHasAVersionOfItsOwn(t *testing.T) {
	k, _ := open(t)
	room := lab()
	room.Name = "mqtt"
	room.MQTT = model.MQTT{URL: "mqtt://127.0.0.1:1", ClientID: "id", Username: "id", Password: "password"}
	if err := k.Add(room); err != nil {
		t.Fatal(err)
	}
	r, err := k.Load("mqtt")
	if err != nil || r.Version != mqttVersion || r.MQTT != room.MQTT {
		t.Errorf("Load = version %d, %v, %v", r.Version, r.MQTT, err)
	}
	r, err = k.Update("mqtt", func(r *model.Room) error {
		r.MQTT = model.MQTT{}
		return nil
	})
	if err != nil || r.Version != version {
		t.Errorf("without it the version is %d, %v", r.Version, err)
	}
}
