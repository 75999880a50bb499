// Package qr draws QR codes (ISO/IEC 18004) for terminals, as PNG and as SVG, and finds them in pictures. It owns the two
// libraries for that.
package qr

import (
	"fmt"
	"io"
	"strings"

	"rsc.io/qr"
)

// margin is the light border that readers need, in modules (ISO/IEC 18004, section 9.1).
const margin = 4

// Code is one QR code of the lowest error correction, L: it is shown on screens, where nothing gets scratched.
type Code struct{ modules *qr.Code }

// Encode makes the code of a text of at most 2,953 bytes.
func Encode(text string) (Code, error) {
	c, err := qr.Encode(text, qr.L)
	if err != nil {
		return Code{}, fmt.Errorf("a QR code of %d characters: %w", len(text), err)
	}
	return Code{c}, nil
}

// modulesAcross is how many modules a code has across, its border included.
func (c Code) modulesAcross() int { return c.modules.Size + 2*margin }

// black tells the colour of a module; the border is light.
func (c Code) black(x, y int) bool { return c.modules.Black(x-margin, y-margin) }

// Cells is how many columns and lines of a terminal a code takes.
func (c Code) Cells() (columns, lines int) { return c.modulesAcross(), (c.modulesAcross() + 1) / 2 }

// Terminal draws the code with half blocks, two modules a cell. With colour it is black on white whatever the terminal's
// own colours are. Without, what is light is drawn, as most terminals are dark; readers take the opposite as well.
func (c Code) Terminal(w io.Writer, colour bool) error {
	var b strings.Builder
	across := c.modulesAcross()
	for y := 0; y < across; y += 2 {
		if colour {
			b.WriteString("\x1b[30;107m")
		}
		for x := range across {
			// Behind an odd last line there is nothing: as light as the border.
			upper, lower := c.black(x, y), y+1 < across && c.black(x, y+1)
			if !colour {
				upper, lower = !upper, !lower && y+1 < across
			}
			switch {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		if colour {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// PNG draws the code with eight pixels a module.
func (c Code) PNG() []byte { return c.modules.PNG() }

// Path returns the dark modules as the data of one SVG path, on a ground that is so many units wide and high.
func (c Code) Path() (across int, data string) {
	var b strings.Builder
	across = c.modulesAcross()
	for y := range across {
		for x := 0; x < across; x++ {
			begin := x
			for x < across && c.black(x, y) {
				x++
			}
			if x > begin {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", begin, y, x-begin, x-begin)
			}
		}
	}
	return across, b.String()
}

// SVG draws the code as one path, black on white, that fills whatever it is put into.
func (c Code) SVG() []byte {
	across, path := c.Path()
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" shape-rendering="crispEdges">`+"\n"+
		`<title>QR code</title><rect width="100%%" height="100%%" fill="#fff"/><path d="%s"/></svg>`+"\n", across, across, path)
}
