package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func noEnv(string) string { return "" }

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestExampleFileIsTheDefaults(t *testing.T) {
	const example = "../../config.example.yaml"
	c, err := Load(t.Context(), example, true, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	var order []string
	for i := 0; i < len(doc.Content[0].Content); i += 2 {
		key := doc.Content[0].Content[i]
		order = append(order, key.Value)
		if key.HeadComment == "" {
			t.Errorf("%s: key %s is not explained", example, key.Value)
		}
	}
	var want []string
	for _, k := range Keys {
		want = append(want, k.Name)
		if got := c.Get(k.Name); got != k.Default {
			t.Errorf("%s says %s: %q, the default is %q", example, k.Name, got, k.Default)
		}
	}
	if got := strings.Join(order, " "); got != strings.Join(want, " ") {
		t.Errorf("%s has the keys\n%s\nwant\n%s", example, got, strings.Join(want, " "))
	}
}

func TestFileThenEnvironment(t *testing.T) {
	file := write(t, "relay: https://api.thingspeak.com\ntimeout: 3s\nroom:\n")
	env := func(name string) string {
		if name == "FERNPOST_TIMEOUT" {
			return "4s"
		}
		return ""
	}
	c, err := Load(t.Context(), file, true, env)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"relay": "https://api.thingspeak.com", "timeout": "4s", "room": "", "poll_max": "15s"} {
		if got := c.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if c.IsDefault("timeout") || !c.IsDefault("poll_max") {
		t.Error("IsDefault does not tell what was set")
	}
}

func TestEveryProblemAtOnceWithItsPlaceAndNoValue(t *testing.T) {
	file := write(t, "relay: hunter2\npoll-max: 3s\nTopSecretKey: hunter2\ntimeout: hunter2\n  \nroom: [hunter2]\n")
	env := func(name string) string {
		if name == "FERNPOST_QUIET" {
			return "hunter2"
		}
		return ""
	}
	_, err := Load(t.Context(), file, true, env)
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.ReplaceAll(err.Error(), file, "F")
	want := strings.Join([]string{
		"F:1:1: relay: want an address such as http://127.0.0.1:3000",
		`F:2:1: no such key (did you mean "poll_max"?)`,
		"F:3:1: no such key; config.example.yaml lists the keys",
		"F:4:1: timeout: want a duration above 0 with its unit, such as 15s",
		"F:6:1: room: want a single value",
		"FERNPOST_QUIET: quiet: want true or false",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFilesThatAreNoSettings(t *testing.T) {
	for name, text := range map[string]string{
		"list": "- a\n- b\n", "scalar": "hunter2\n", "broken": "relay: [hunter2\n", "twice": "room: a\nroom: b\n",
	} {
		_, err := Load(t.Context(), write(t, text), true, noEnv)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v; want one that does not repeat the value", name, err)
		}
	}
	if _, err := Load(t.Context(), write(t, "# only a comment\n"), true, noEnv); err != nil {
		t.Errorf("a file of comments: %v", err)
	}
}

func TestMissingFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := Load(t.Context(), missing, false, noEnv); err != nil {
		t.Errorf("a file that nobody named is missing: %v", err)
	}
	if _, err := Load(t.Context(), missing, true, noEnv); err == nil {
		t.Error("a file that the user named is missing: no error")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("relay: http://x\n")
	f.Add("a: &a [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := Default()
		for _, err := range c.parse("f", []byte(text)) {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %q would reach the terminal as it is", err)
			}
		}
	})
}

// TestAFileWithoutEndIsNoConfiguration: it was read until memory was full, and a pipe that nobody writes to for ever.
func TestAFileWithoutEndIsNoConfiguration(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip("there is no /dev/zero here")
	}
	if _, err := Load(t.Context(), "/dev/zero", true, noEnv); err == nil || !strings.Contains(err.Error(), "longer than 1024 KiB") {
		t.Errorf("it is read: %v", err)
	}
}
