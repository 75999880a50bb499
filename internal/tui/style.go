package tui

// role is what a piece of the screen is for, which decides its colour.
type role string

// The roles, by the codes of ECMA-48's "select graphic rendition".
const (
	plain  role = ""
	strong role = "1"
	dim    role = "2"
	mark   role = "7"
	bad    role = "31"
	good   role = "32"
	warns  role = "33"
	whose  role = "36"
)

// paint colours a text where colours are wanted.
func paint(colour bool, r role, text string) string {
	if !colour || r == plain || text == "" {
		return text
	}
	return "\x1b[" + string(r) + "m" + text + "\x1b[0m"
}
