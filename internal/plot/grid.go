package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"unicode/utf8"
)

// Bar is one of several numbers that are compared.
type Bar struct {
	Label string
	Value float64 // 0 or more
}

const (
	barHeight  = 18
	labelWidth = 110 // at least
	letter     = 7   // how wide a letter of a label is, at most
	cellSize   = 18
)

// Bars draws numbers as bars below one another, each with its label and its number. Width is kept, Height follows from how many
// there are.
func (p Plot) Bars(bars []Bar) ([]byte, error) {
	if len(bars) == 0 {
		return nil, ErrNothing
	}
	if p.Width <= 0 {
		p.Width = 480
	}
	p.Height = len(bars)*barHeight + 8
	most, labels := 0., labelWidth
	for _, b := range bars {
		most = max(most, b.Value)
		labels = max(labels, letter*utf8.RuneCountInString(b.Label)+6)
	}
	labels = min(labels, p.Width/2) // a stranger's label leaves no room for the bars
	var out bytes.Buffer
	p.begin(&out)
	room := float64(p.Width - labels - 60)
	for i, b := range bars {
		width := 0.
		if most > 0 && b.Value > 0 {
			width = max(b.Value/most*room, 1)
		}
		y := 4 + i*barHeight
		label(&out, labels-6, y+13, "end", b.Label)
		fmt.Fprintf(&out, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="#2e8b63" class="plot-bar"></rect>`, labels, y+2, width, barHeight-4)
		label(&out, labels+int(width)+6, y+13, "start", fmt.Sprint(b.Value))
	}
	out.WriteString("</svg>")
	return out.Bytes(), nil
}

// Grid draws numbers as a heat map: rows by columns, at most 7 by 24 of them are read at a glance. The stronger the colour, the
// greater the number; the numbers themselves belong into a table beside it.
func (p Plot) Grid(rows, columns []string, values [][]int) ([]byte, error) {
	most := 0
	for _, row := range values {
		for _, v := range row {
			most = max(most, v)
		}
	}
	if most == 0 {
		return nil, ErrNothing
	}
	p.Width, p.Height = 40+len(columns)*cellSize+8, 20+len(rows)*cellSize+8
	var out bytes.Buffer
	p.begin(&out)
	for c, name := range columns {
		label(&out, 40+c*cellSize+cellSize/2, 14, "middle", name)
	}
	for r, name := range rows {
		label(&out, 34, 20+r*cellSize+13, "end", name)
		for c := range columns {
			v := 0
			if r < len(values) && c < len(values[r]) {
				v = values[r][c]
			}
			// The root, since where one hour has thousands all others would look empty.
			strength := math.Sqrt(float64(v) / float64(most))
			fmt.Fprintf(&out, `<rect x="%d" y="%d" width="%d" height="%[3]d" fill="#2e8b63" fill-opacity="%.2f" stroke="#bec6c0" stroke-width="0.5" class="plot-cell"></rect>`,
				40+c*cellSize, 20+r*cellSize, cellSize, strength)
		}
	}
	out.WriteString("</svg>")
	return out.Bytes(), nil
}

func label(out *bytes.Buffer, x, y int, anchor, text string) {
	fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="%s" font-size="11" fill="#6e7871" class="plot-text">`, x, y, anchor)
	xml.EscapeText(out, []byte(text)) // writing into memory does not fail
	out.WriteString("</text>")
}
