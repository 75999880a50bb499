package archive_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

var _ room.Store = (*archive.Room)(nil)

func open(t testing.TB, dir string) *archive.Room {
	t.Helper()
	r, err := archive.OpenRoom(dir, "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

var options = room.Options{
	Keys: []fernet.Key{fernet.GenerateKey()}, Salt: record.Salt{2}, Identity: record.GenerateIdentity(), Nick: "ana",
	Fields: []int{1, 2, 3, 4},
}

func converse(t testing.TB, r *archive.Room) *room.Conversation {
	t.Helper()
	c, err := room.Open(r, options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := filepath.Join(t.TempDir(), "state")
	c := converse(t, open(t, dir))
	if _, err := c.Write(record.Text("x"), time.Now()); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v", info.Mode(), err)
	}
}

// No file of the archive holds what was written or read, nor a key.
func TestNoPlaintextOnDisk(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	c := converse(t, r)
	secret := "the cat sat on the mat"
	if _, err := c.Write(record.Text(secret), time.Now()); err != nil {
		t.Fatal(err)
	}
	file := record.File{Name: secret, Media: secret, Content: []byte(strings.Repeat(secret, 30))}
	if _, err := c.Write(file, time.Now()); err != nil {
		t.Fatal(err)
	}
	posts, err := r.Posts(kept.PostQuery{Only: kept.OpenPost})
	if err != nil {
		t.Fatal(err)
	}
	in, err := c.Receive(10)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := fernet.NewRing(options.Keys...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := ring.Seal([]byte(secret), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	entries := []thingspeak.Entry{{ID: 1, Fields: thingspeak.Fields{thingspeak.Text(text), thingspeak.Text(secret)}}}
	for i, p := range posts {
		entries = append(entries, thingspeak.Entry{ID: int64(i + 2), Fields: p.Fields})
	}
	for i := range entries {
		if err := in.Add(&entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	got, err := in.Finish(room.Facts{View: record.View{}, Now: time.Now()})
	if err != nil || got.Fresh != 3 {
		t.Fatalf("%d messages, %v", got.Fresh, err)
	}
	key, err := base64.URLEncoding.DecodeString(options.Keys[0].Reveal())
	if err != nil {
		t.Fatal(err)
	}
	seed := options.Identity.RevealSeed()
	look := func() {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for what, hidden := range map[string][]byte{
				"plaintext": []byte(secret), "a part of it": []byte("cat sat"), "the key": key[:16], "the identity": seed[:16],
				"the key in base64": []byte(options.Keys[0].Reveal()[:20]),
			} {
				if bytes.Contains(b, hidden) {
					t.Errorf("%s holds %s", name, what)
				}
			}
		}
	}
	look()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	look()
}

func TestNewerArchiveIsRefused(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	if err := r.SetSchema(99); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "lab.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = archive.OpenRoom(dir, "lab")
	if !errors.Is(err, model.ErrNewerArchive) {
		t.Fatalf("OpenRoom = %v, want ErrNewer", err)
	}
	want := "written by a newer fernpost: it has schema 99, and this program knows up to 6: use a newer one"
	if !strings.HasSuffix(err.Error(), want) {
		t.Errorf("the error is %q", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "lab.db"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed, %v", err)
	}
}

func TestDamagedArchive(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "lab.db"), bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.OpenRoom(dir, "lab"); !errors.Is(err, model.ErrArchiveDamaged) {
		t.Errorf("OpenRoom = %v, want ErrDamaged", err)
	}
}

// On a full disk nothing is half kept: neither a message that is written nor what was read, and all works again once
// there is room.
func TestFullDisk(t *testing.T) {
	r := open(t, t.TempDir())
	c := converse(t, r)
	if _, err := c.Write(record.Text("before"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := r.LimitPages(3); err != nil {
		t.Fatal(err)
	}
	_, err := c.Write(record.File{Content: make([]byte, 100_000)}, time.Now())
	if !errors.Is(err, model.ErrDiskFull) {
		t.Fatalf("Write = %v, want ErrFull", err)
	}
	if !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("the error is %q", err)
	}
	if q, err := c.Outbox(); err != nil || len(q) != 1 {
		t.Fatalf("outbox %v, %v", q, err)
	}
	other := options
	other.Identity = record.NewIdentity([32]byte{4})
	entries := feed(t, other, 300)
	if _, err := take(c, entries); !errors.Is(err, model.ErrDiskFull) {
		t.Fatalf("Finish = %v, want ErrFull", err)
	}
	if end, err := r.End(); err != nil || end.Message != 0 {
		t.Errorf("%d messages were kept, %v", end.Message, err)
	}
	if err := r.LimitPages(100_000); err != nil {
		t.Fatal(err)
	}
	got, err := take(c, entries)
	if err != nil || got.Fresh != 300 {
		t.Errorf("%d messages, %v", got.Fresh, err)
	}
	if w, err := c.Write(record.Text("after"), time.Now()); err != nil || w.Number != 2 {
		t.Errorf("number %d, %v, want 2", w.Number, err)
	}
}

// feed returns entries with what somebody else has written.
func feed(t testing.TB, o room.Options, n int) (entries []thingspeak.Entry) {
	t.Helper()
	r := open(t, t.TempDir())
	c, err := room.Open(r, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := c.Write(record.Text(fmt.Sprint("message ", i)), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	posts, err := r.Posts(kept.PostQuery{Only: kept.OpenPost})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range posts {
		entries = append(entries, thingspeak.Entry{ID: int64(i + 1), CreatedAt: time.Now(), Fields: p.Fields})
	}
	return entries
}

func take(c *room.Conversation, entries []thingspeak.Entry) (model.Arrivals, error) {
	in, err := c.Receive(0)
	if err != nil {
		return model.Arrivals{}, err
	}
	for i := range entries {
		if err := in.Add(&entries[i]); err != nil {
			break
		}
	}
	return in.Finish(room.Facts{View: record.View{}, Now: time.Now()})
}

// Every field of a finding comes back.
func TestFindingsComeBack(t *testing.T) {
	var f record.Finding
	v := reflect.ValueOf(&f).Elem()
	for i := range v.NumField() {
		fill(t, v.Field(i), v.Type().Field(i).Name)
	}
	text, err := archive.WriteFinding(&f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := archive.ReadFinding(text)
	if d := cmp.Diff(f, got); d != "" || err != nil {
		t.Errorf("%s %v\n%s", d, err, text)
	}
	if _, err := archive.ReadFinding("{"); !errors.Is(err, model.ErrArchiveDamaged) {
		t.Errorf("ReadFinding = %v, want ErrDamaged", err)
	}
}

func fill(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString(name)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8, reflect.Uint32:
		v.SetUint(7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(i + 1))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_800_000_000, 0).UTC()))
			return
		}
		for _, field := range v.Fields() {
			fill(t, field, name)
		}
	default:
		t.Fatalf("%s is of a kind that this test does not know", name)
	}
}

func TestStateComesBack(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	want := kept.State{
		Clears: kept.MaxClear, Position: []byte(`{"last":7}`), Keys: []record.KeyID{{1}, {2}},
		Own: record.PublicKey{3}, OwnLast: 1<<32 - 1, OwnHash: record.ShortHash{4}, Seq: 9,
		LetGo: record.Place{Clear: 2, Entry: kept.MaxEntry},
		Full:  kept.Full{Used: 3, Size: 4},
		Dates: []kept.Seconds{{First: 1_800_000_000, Last: 1_800_000_007}},
	}
	if err := r.Apply(&kept.Change{State: &want}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, dir).State()
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%s %v", d, err)
	}
}

// The outbox has one who posts. Others wait until it is done, or they are told to stop.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	unlock, err := a.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancelCause(t.Context())
	reason := errors.New("told to stop")
	stop(reason)
	if _, err := b.Lock(stopped); err != reason {
		t.Errorf("Lock = %v, want %v", err, reason)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		unlock, err := b.Lock(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		unlock()
	})
	unlock()
	waiting.Wait()
}

// Two processes that change one room at once wait for each other.
func TestTransactionsWaitForEachOther(t *testing.T) {
	dir := t.TempDir()
	const each = 40
	var both sync.WaitGroup
	for range 2 {
		r := open(t, dir)
		both.Go(func() {
			for range each {
				err := r.Transact(func() error {
					s, err := r.State()
					if err != nil {
						return err
					}
					s.OwnLast++
					return r.Apply(&kept.Change{State: &s})
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	if s, err := open(t, dir).State(); err != nil || s.OwnLast != 2*each {
		t.Errorf("counted to %d, %v, want %d", s.OwnLast, err, 2*each)
	}
}

// Several processes may make a database at once.
func TestOpenAtOnce(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				r, err := archive.OpenRoom(dir, "lab")
				if err != nil {
					t.Error(err)
					return
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
}

// What was kept is there after Leave, whether that has left a log or folded one that had grown long. Each time is a
// process of its own, as Leave needs.
func TestLeave(t *testing.T) {
	if dir := os.Getenv("FERNPOST_TEST_LEAVE"); dir != "" {
		keepAndLeave(t, dir)
		return
	}
	testenv.Unwatched(t)
	dir := t.TempDir()
	left, folded := 0, 0
	for range 30 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLeave$")
		cmd.Env = append(os.Environ(), "FERNPOST_TEST_LEAVE="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		info, err := os.Stat(filepath.Join(dir, "lab.db-wal"))
		switch {
		case err != nil:
			t.Fatal(err)
		case info.Size() == 0:
			folded++
		default:
			left++
		}
	}
	if left == 0 || folded == 0 {
		t.Errorf("a log was left %d times and folded %d times", left, folded)
	}
	r := open(t, dir)
	if s, err := r.State(); err != nil || s.Seq != 30 {
		t.Errorf("after 30 times the state is of %d, %v", s.Seq, err)
	}
}

func keepAndLeave(t *testing.T, dir string) {
	r, err := archive.OpenRoom(dir, "lab")
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	s.Seq++
	s.Position = []byte(strings.Repeat(fmt.Sprint(s.Seq%10), 20_000))
	if err := r.Apply(&kept.Change{State: &s}); err != nil {
		t.Fatal(err)
	}
	if err := r.Leave(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	r := open(b, dir)
	c := converse(b, r)
	if _, err := c.Write(record.Text("x"), time.Now()); err != nil {
		b.Fatal(err)
	}
	r.Close()
	b.ReportAllocs()
	for b.Loop() {
		r, err := archive.OpenRoom(dir, "lab")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := room.Open(r, options); err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
