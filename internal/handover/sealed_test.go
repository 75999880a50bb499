package handover_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/export"
	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/record"
)

const pass = "maple orbit velvet thunder pickle canyon"

// What a page seals it opens again, and so does the program, in whatever capitals its passphrase is typed by those who normalize it.
func TestWhatAPageSealsIsOpened(t *testing.T) {
	c := &handover.Content{Identity: record.NewIdentity([32]byte{1}), Nickname: "ana"}
	file, err := handover.Seal(c, pass, time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	got, err := handover.Open(file, " maple  orbit velvet thunder pickle canyon")
	if err != nil || got.Nickname != "ana" || got.Identity.Public() != c.Identity.Public() {
		t.Errorf("the page opens %+v, %v", got, err)
	}
	f, err := export.Read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if got, err = f.Open(pass); err != nil || got.Identity.Public() != c.Identity.Public() {
		t.Errorf("the program opens %+v, %v", got, err)
	}
	if _, err := f.Open("another one"); !errors.Is(err, handover.ErrPassphrase) {
		t.Errorf("another passphrase: %v", err)
	}
	if strings.Contains(string(file), c.Identity.SeedText()) {
		t.Error("the seed stands in the file")
	}
}

// A file that was altered, cut, or is another one, is refused by name.
func TestWhatNoPageHasSealed(t *testing.T) {
	c := &handover.Content{Identity: record.NewIdentity([32]byte{1})}
	file, err := handover.Seal(c, pass, time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]struct {
		file string
		is   error
	}{
		"nothing":         {"", handover.ErrNoExport},
		"another file":    {"age-encryption.org/v1\n", handover.ErrNoExport},
		"only its head":   {"fernpost sealed 1\n", handover.ErrAltered},
		"a short salt":    {"fernpost sealed 1\nAAAA\nx\n", handover.ErrAltered},
		"a cut token":     {string(file[:len(file)-10]), handover.ErrPassphrase},
		"an altered salt": {strings.Replace(string(file), string(file[18:20]), "zz", 1), handover.ErrPassphrase},
	} {
		if _, err := handover.Open([]byte(bad.file), pass); !errors.Is(err, bad.is) {
			t.Errorf("%s: %v, want %v", name, err, bad.is)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("fernpost sealed 1\nAAAAAAAAAAAAAAAAAAAAAA\ngAAAAA\n"))
	f.Add([]byte("fernpost sealed 1\n\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if c, err := handover.Open(file, pass); (c == nil) == (err == nil) {
			t.Errorf("%+v and %v", c, err)
		}
	})
}
