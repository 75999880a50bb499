package relaycmd

import (
	"testing"

	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/config"
)

// TestSettings: what a flag of the relay chooses can be set in the configuration too, where its default is the same.
func TestSettings(t *testing.T) {
	defaults := map[string]string{}
	for _, k := range config.Keys {
		defaults[k.Flag()] = k.Default
	}
	// To cheat is for a lesson: nobody shall find it in a file.
	onlyFlags := map[string]bool{"cheat": true}
	NewCommand().Flags().VisitAll(func(f *pflag.Flag) {
		switch value, found := defaults[f.Name]; {
		case found == onlyFlags[f.Name]:
			t.Errorf("--%s: among the settings is %t, want %t", f.Name, found, !found)
		case found && value != f.DefValue:
			t.Errorf("--%s is %q without the flag, and %q without the setting", f.Name, f.DefValue, value)
		}
	})
}
