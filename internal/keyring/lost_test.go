package keyring

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/record"
)

// A list that cannot be read is no empty one: whoever lost a device would trust it again.
func TestALostDeviceIsForgottenByNoFault(t *testing.T) {
	dir := t.TempDir()
	k, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if all, err := k.Lost(); len(all) > 0 || err != nil {
		t.Errorf("at first %v, %v", all, err)
	}
	one := Lost{Key: record.GenerateIdentity().Public(), At: time.Unix(1700000000, 0).UTC()}
	add := func(all []Lost) []Lost { return append(all, one) }
	if err := k.UpdateLost(add); err != nil {
		t.Fatal(err)
	}
	if all, err := k.Lost(); !slices.Equal(all, []Lost{one}) || err != nil {
		t.Errorf("kept as %v, %v", all, err)
	}
	if names, err := k.Names(); len(names) > 0 || err != nil {
		t.Errorf("it is taken for a room: %v, %v", names, err)
	}
	for name, text := range map[string]string{"newer": `{"version":99,"devices":[]}`, "damaged": `{"version":2,"devices":[{"key":"xy"}]}`, "cut": `{`} {
		if err := os.WriteFile(filepath.Join(dir, lostFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if all, err := k.Lost(); err == nil {
			t.Errorf("%s: read as %v", name, all)
		}
		if err := k.UpdateLost(add); err == nil {
			t.Errorf("%s: written over", name)
		}
	}
}
