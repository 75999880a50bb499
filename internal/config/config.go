// Package config holds fernpost's settings. A setting has one name everywhere: `poll_max` in the file is the variable
// FERNPOST_POLL_MAX and, where a command has it, the flag --poll-max. The order is: default, file, environment, flag.
//
// config.example.yaml explains every key; a test holds it against [Keys]. Passphrases and API keys are no settings:
// they come from prompts, files or variables of their own.
package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/duration"
)

// Key is one setting.
type Key struct {
	// Name is as in the file; [Key.Flag] and [Key.Variable] are made from it.
	Name string
	// Default is the value as one would write it.
	Default string
	check   func(string) error
}

// Flag returns the name of the command line flag, without dashes in front.
func (k Key) Flag() string { return strings.ReplaceAll(k.Name, "_", "-") }

// Variable returns the name of the environment variable.
func (k Key) Variable() string { return "FERNPOST_" + strings.ToUpper(k.Name) }

// Keys are all settings, in the order of config.example.yaml.
var Keys = []Key{
	{"relay", "http://127.0.0.1:3000", checkURL},
	{"room", "", nil},
	{"profile", "", nil},
	{"timeout", "10s", checkDuration},
	{"read_budget", "256MiB", checkLimit},
	{"poll_min", "1s", checkDuration},
	{"poll_max", "15s", checkDuration},
	{"unsigned", "balanced", nil},
	{"archive_size", "1GiB", checkLimit},
	{"keyring", "", orEmpty(checkKeyring)},
	{"no_color", "false", checkBool},
	{"quiet", "false", checkBool},
	{"listen", "127.0.0.1:3000", nil},
	{"data", "", nil},
	{"store", "", nil},
	{"open", "false", checkBool},
	{"tls_cert", "", nil},
	{"tls_key", "", nil},
	{"mqtt", "", nil},
	{"metrics_listen", "", nil},
	{"trust_proxy", "", nil},
	{"interval", "15s", checkInterval},
	{"limits", "free", nil},
	{"bulk_interval", "", orEmpty(checkInterval)},
	{"max_results", "", orEmpty(checkCount)},
	{"max_value_bytes", "", orEmpty(checkCount)},
	{"max_message_bytes", "", orEmpty(checkCount)},
	{"max_bulk_updates", "", orEmpty(checkCount)},
	{"max_channels", "", orEmpty(checkCount)},
	{"max_open_channels", "", orEmpty(checkCount)},
	{"max_entries", "", orEmpty(checkCount)},
	{"connections", "20000", checkCount},
	{"streams", "10000", checkCount},
	{"client_connections", "500", checkCount},
	{"client_streams", "200", checkCount},
	{"client_requests", "500", checkCount},
	{"client_wrong_keys", "100", checkCount},
}

// Config is a set of values for [Keys]. Make one with [Default] or [Load].
type Config struct {
	value  map[string]string
	origin map[string]string // where a value came from, for errors; absent: default
}

// Default returns the settings of somebody who has set nothing.
func Default() Config {
	c := Config{value: make(map[string]string, len(Keys)), origin: map[string]string{}}
	for _, k := range Keys {
		c.value[k.Name] = k.Default
	}
	return c
}

// Get returns the value of the named key as written. An unknown name is a mistake in the program and panics.
func (c Config) Get(name string) string {
	v, ok := c.value[name]
	if !ok {
		panic("config: no key " + name)
	}
	return v
}

// IsDefault reports whether nobody has set the named key.
func (c Config) IsDefault(name string) bool { return c.origin[name] == "" }

// Path returns where the file is looked for unless told otherwise: $XDG_CONFIG_HOME/fernpost/config.yaml.
func Path(getenv func(string) string) (string, error) {
	dir := getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := getenv("HOME")
		if home == "" {
			return "", errors.New("finding the configuration: neither XDG_CONFIG_HOME nor HOME is set")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "fernpost", "config.yaml"), nil
}

// mostBytes bounds a configuration file, in bytes.
const mostBytes = 1 << 20

// Load reads the file, if it exists, then the environment. It reports every problem at once, each with file, line and
// column or the variable's name. It never repeats a value: a misplaced secret must not end up in a log.
// mustExist makes a missing file an error: the user named it.
func Load(ctx context.Context, file string, mustExist bool, getenv func(string) string) (Config, error) {
	c := Default()
	var problems []error
	b, err := diskfile.ReadFile(ctx, file, mostBytes)
	switch {
	case err == nil && len(b) > mostBytes:
		return c, fmt.Errorf("reading the configuration: %s is longer than %d KiB", file, mostBytes>>10)
	case err == nil:
		problems = c.parse(file, b)
	case errors.Is(err, fs.ErrNotExist) && !mustExist:
	default:
		return c, fmt.Errorf("reading the configuration: %w", err)
	}
	for _, k := range Keys {
		if v := getenv(k.Variable()); v != "" {
			c.set(k, v, k.Variable(), &problems)
		}
	}
	return c, errors.Join(problems...)
}

func (c Config) set(k Key, value, origin string, problems *[]error) {
	if k.check != nil {
		if err := k.check(value); err != nil {
			*problems = append(*problems, fmt.Errorf("%s: %s: %w", origin, k.Name, err))
			return
		}
	}
	c.value[k.Name], c.origin[k.Name] = value, origin
}

// parse walks the YAML tree itself: the decoder's own strict mode tells the line of an unknown key, but not the column,
// and stops looking at values.
func (c Config) parse(file string, b []byte) (problems []error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return []error{notYAML(file, err)}
	}
	if doc.Kind == 0 {
		return nil // empty, or comments only
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return []error{fmt.Errorf("%s:%d:%d: want lines of the form \"key: value\"", file, root.Line, root.Column)}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		name, value := root.Content[i], root.Content[i+1]
		at := fmt.Sprintf("%s:%d:%d", file, name.Line, name.Column)
		k, ok := find(name.Value)
		switch {
		case !ok:
			problems = append(problems, fmt.Errorf("%s: no such key%s", at, suggest(name.Value)))
		case seen[k.Name]:
			problems = append(problems, fmt.Errorf("%s: %s stands here a second time", at, k.Name))
		case value.Kind != yaml.ScalarNode:
			problems = append(problems, fmt.Errorf("%s: %s: want a single value", at, k.Name))
		case value.Tag == "!!null":
			seen[k.Name] = true // "key:" alone leaves the default
		default:
			seen[k.Name] = true
			c.set(k, value.Value, at, &problems)
		}
	}
	return problems
}

func find(name string) (Key, bool) {
	for _, k := range Keys {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

// suggest names the key that somebody probably meant. The unknown name itself is not repeated: it may be a secret on a
// wrong line.
func suggest(name string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	for _, k := range Keys {
		if strings.ReplaceAll(k.Name, "_", "") == strings.ReplaceAll(name, "_", "") || strings.HasPrefix(name, k.Name) {
			return fmt.Sprintf(" (did you mean %q?)", k.Name)
		}
	}
	return "; config.example.yaml lists the keys"
}

// notYAML says in which line a file cannot be read. The parser's own words are for programmers, and may repeat parts of it.
func notYAML(file string, err error) error {
	line := 0
	if _, after, ok := strings.Cut(err.Error(), "line "); ok {
		_, _ = fmt.Sscanf(after, "%d", &line)
	}
	if line > 0 {
		file = fmt.Sprintf("%s:%d", file, line)
	}
	return fmt.Errorf("%s: not YAML: want lines of the form \"key: value\", such as \"timeout: 10s\"", file)
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("want an address such as http://127.0.0.1:3000")
	}
	return nil
}

// ParseSize reads a number of bytes, whole and with a unit: 64KiB, 256MiB, 2GiB, or 0.
func ParseSize(s string) (bytes int64, err error) {
	const most = 1 << 20 // of any unit, so that nothing overflows
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if number, ok := strings.CutSuffix(s, unit); ok {
			n, err := strconv.ParseUint(number, 10, 63)
			if err != nil || n > most {
				break
			}
			return int64(n) << (10 * (i + 1)), nil
		}
	}
	if s == "0" {
		return 0, nil
	}
	return 0, errors.New("want a size with its unit, such as 256MiB, or 0")
}

// FormatSize writes a number of bytes as [ParseSize] reads it, in the largest unit that is exact.
func FormatSize(bytes int64) string {
	for i, unit := range []string{"GiB", "MiB", "KiB"} {
		if one := int64(1) << (30 - 10*i); bytes > 0 && bytes%one == 0 {
			return strconv.FormatInt(bytes/one, 10) + unit
		}
	}
	return "0"
}

// ParseLimit reads a number of bytes that something may come to: 1 MiB or more, which suffices for the newest rows of a
// channel, whatever stands in them; 0 is no limit.
func ParseLimit(s string) (bytes int64, err error) {
	n, err := ParseSize(s)
	if err == nil && n > 0 && n < 1<<20 {
		err = errors.New("want 1MiB or more, or 0 for no limit")
	}
	return n, err
}

func checkLimit(s string) error {
	_, err := ParseLimit(s)
	return err
}

func checkInterval(s string) error {
	if d, err := duration.Parse(s); err != nil || d < 0 {
		return errors.New("want a duration of 0 or more with its unit, such as 15s or 1d")
	}
	return nil
}

func checkDuration(s string) error {
	if d, err := duration.Parse(s); err != nil || d <= 0 {
		return errors.New("want a duration above 0 with its unit, such as 15s")
	}
	return nil
}

func checkKeyring(s string) error {
	if s != "files" && s != "system" {
		return errors.New("want files or system")
	}
	return nil
}

func checkBool(s string) error {
	if _, err := strconv.ParseBool(s); err != nil {
		return errors.New("want true or false")
	}
	return nil
}

func checkCount(s string) error {
	if _, err := strconv.ParseUint(s, 10, 31); err != nil {
		return errors.New("want a whole number from 0")
	}
	return nil
}

// orEmpty lets a setting be empty, which leaves what it is to another one.
func orEmpty(check func(string) error) func(string) error {
	return func(s string) error {
		if s == "" {
			return nil
		}
		return check(s)
	}
}
