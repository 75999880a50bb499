package screen

import (
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/invisible"
)

// FileName makes a file name of what a peer calls one, and returns it with its extension apart: one element of a path,
// without a dot at its beginning, without characters that a file system or a terminal reads in its own way, at most 100
// bytes, with something to be seen, and not a device of Windows.
func FileName(name string) (base, ext string) {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`<>:"|?*`, r) || r == utf8.RuneError:
			return '_'
		case unicode.Is(unicode.Zs, r):
			return ' '
		case invisible.Rune(r) && !joins(r): // two files must not seem to have one name, and none must seem to have no name
			return -1
		}
		return r
	}, Line(name))
	name = strings.TrimLeftFunc(name, func(r rune) bool { return strings.ContainsRune(". -", r) || invisible.Rune(r) })
	name = strings.TrimRightFunc(name, func(r rune) bool { return strings.ContainsRune(". ", r) || invisible.Rune(r) })
	ext = filepath.Ext(name)
	if len(ext) > 16 {
		ext = ""
	}
	base = strings.TrimSuffix(name, ext)
	for len(base) > 80 {
		_, n := utf8.DecodeLastRuneInString(base)
		base = base[:len(base)-n]
	}
	if isDevice(base) {
		base = "file" + base
	}
	return base, ext
}

// joins reports whether r, which shows nothing, changes how the character before it is written: names in many scripts, and
// emoji, are spelt with such.
func joins(r rune) bool {
	return r == '\u200c' || r == '\u200d' || r == '\ufe0e' || r == '\ufe0f' || invisible.Stacker(r)
}

// isDevice reports whether a name is empty, or one that Windows keeps for devices: whatever follows a dot.
func isDevice(name string) bool {
	name, _, _ = strings.Cut(strings.ToUpper(name), ".")
	switch strings.TrimRight(name, " ") {
	case "", "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	for _, kind := range []string{"COM", "LPT"} {
		number, ok := strings.CutPrefix(name, kind)
		if r := []rune(strings.TrimRight(number, " ")); ok && len(r) == 1 && strings.ContainsRune("0123456789¹²³", r[0]) {
			return true
		}
	}
	return false
}
