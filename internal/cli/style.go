package cli

// style colours words on a terminal. The zero style colours nothing.
type style struct{ on bool }

// newStyle turns colours on for a terminal that wants them: NO_COLOR (https://no-color.org) and TERM=dumb do not.
func newStyle(terminal, noColor bool, getenv func(string) string) style {
	return style{terminal && !noColor && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}

// Codes of ECMA-48's "select graphic rendition".
const (
	styleBold = "1"
	styleDim  = "2"
	styleBad  = "31"
	styleGood = "32"
	styleWarn = "33"
	styleName = "36"
)

func (s style) start(b []byte, code string) []byte {
	if !s.on {
		return b
	}
	return append(append(append(b, "\x1b["...), code...), 'm')
}

func (s style) end(b []byte) []byte {
	if !s.on {
		return b
	}
	return append(b, "\x1b[0m"...)
}

func (s style) paint(code, text string) string {
	if !s.on {
		return text
	}
	return string(s.end(append(s.start(nil, code), text...)))
}

func (s style) bold(text string) string { return s.paint(styleBold, text) }
func (s style) dim(text string) string  { return s.paint(styleDim, text) }
func (s style) bad(text string) string  { return s.paint(styleBad, text) }
func (s style) good(text string) string { return s.paint(styleGood, text) }
func (s style) warn(text string) string { return s.paint(styleWarn, text) }
