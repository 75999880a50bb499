package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// Only the line end is taken off a passphrase in a file: with the tutorial's profile every other byte counts.
func TestACarriageReturnAtTheEndOfAPassphraseStays(t *testing.T) {
	for text, want := range map[string]string{
		"word": "word", "word\n": "word", "word\r\n": "word", "word\r": "word\r", " word \n": " word ",
	} {
		file := filepath.Join(t.TempDir(), "passphrase")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := new(app).readSecretFile(t.Context(), "passphrase-file", file); err != nil || got != want {
			t.Errorf("%q is read as %q, %v; want %q", text, got, err, want)
		}
	}
}
