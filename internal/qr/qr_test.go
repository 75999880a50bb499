package qr

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// text is a link as long as a usual invitation.
var text = "https://fernpost.example.org/join#" + strings.Repeat("Az0-_b", 26)

func encode(t testing.TB, text string) Code {
	t.Helper()
	c, err := Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func picture(t testing.TB, c Code) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(c.PNG()))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func pngOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t *testing.T, what string, file []byte, want ...string) {
	t.Helper()
	got, err := Read(bytes.NewReader(file))
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s: read %q (%v), want %q", what, got, err, want)
	}
}

// seen draws a picture as a camera sees it: from maps each point of the new picture to one of the old.
func seen(img image.Image, size int, from func(x, y float64) (float64, float64)) image.Image {
	out := image.NewGray(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			fx, fy := from(float64(x), float64(y))
			c := color.Gray{0xe0}
			if p := image.Pt(int(fx), int(fy)); p.In(img.Bounds()) {
				c = color.GrayModel.Convert(img.At(p.X, p.Y)).(color.Gray)
			}
			out.SetGray(x, y, c)
		}
	}
	return out
}

func TestPicturesAreReadBack(t *testing.T) {
	img := picture(t, encode(t, text))
	read(t, "as it is", pngOf(t, img), text)

	wide := float64(img.Bounds().Dx())
	size := int(1.6 * wide)
	middle := float64(size) / 2
	for _, degrees := range []float64{-20, -7, 7, 20} {
		sin, cos := math.Sincos(degrees * math.Pi / 180)
		read(t, "turned", pngOf(t, seen(img, size, func(x, y float64) (float64, float64) {
			x, y = x-middle, y-middle
			return cos*x - sin*y + wide/2, sin*x + cos*y + wide/2
		})), text)
	}
	read(t, "at a slant", pngOf(t, seen(img, size, func(x, y float64) (float64, float64) {
		y = y - middle + wide/2
		// The upper end is 5 % narrower than the lower one.
		return (x-middle)/(0.95+0.05*y/wide) + wide/2, y
	})), text)
	read(t, "of a camera with many pixels", pngOf(t, seen(img, 5000, func(x, y float64) (float64, float64) {
		return (x - 1500) / 3, (y - 1000) / 3
	})), text)
	read(t, "white on black", pngOf(t, seen(negative{img}, img.Bounds().Dx(), func(x, y float64) (float64, float64) { return x, y })), text)

	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 40}); err != nil {
		t.Fatal(err)
	}
	read(t, "as a bad JPEG", b.Bytes(), text)
}

// negative is a picture whose light is dark.
type negative struct{ image.Image }

func (n negative) At(x, y int) color.Color {
	return color.Gray{0xff - color.GrayModel.Convert(n.Image.At(x, y)).(color.Gray).Y}
}

func TestTwoCodesInOnePicture(t *testing.T) {
	left, right := picture(t, encode(t, text)), picture(t, encode(t, "https://example.org/other-code-of-somebody-else"))
	across := left.Bounds().Dx()
	both := seen(left, 2*across, func(x, y float64) (float64, float64) { return x, y })
	for y := range right.Bounds().Dy() {
		for x := range right.Bounds().Dx() {
			both.(*image.Gray).Set(across+x, across/2+y, right.At(x, y))
		}
	}
	read(t, "two codes", pngOf(t, both), text, "https://example.org/other-code-of-somebody-else")
}

func TestNoCodeInAPicture(t *testing.T) {
	if _, err := Read(bytes.NewReader(pngOf(t, image.NewGray(image.Rect(0, 0, 300, 200))))); !errors.Is(err, ErrNoCode) {
		t.Errorf("an empty picture: %v", err)
	}
	for name, file := range map[string][]byte{
		"text":           []byte("hello"),
		"nothing":        nil,
		"half a picture": encode(t, text).PNG()[:200],
		"10,000,000,000 pixels": append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
			0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0, 8, 0, 0, 0, 0, 0x7f, 0x3a, 0x8d, 0x21),
	} {
		if texts, err := Read(bytes.NewReader(file)); err == nil || errors.Is(err, ErrNoCode) {
			t.Errorf("%s: %q, %v", name, texts, err)
		}
	}
	if _, err := Read(io.LimitReader(zeros{}, maxPicture+10)); err == nil || !strings.Contains(err.Error(), "32 MiB") {
		t.Errorf("a file without end: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// What a terminal shows is read back as a camera would: each cell is a rectangle twice as high as it is wide.
func TestTerminal(t *testing.T) {
	c := encode(t, text)
	columns, lines := c.Cells()
	if columns != 57 || lines != 29 {
		t.Errorf("a link of %d characters takes %d x %d cells, want 57 x 29", len(text), columns, lines)
	}
	for _, colour := range []bool{true, false} {
		var b strings.Builder
		if err := c.Terminal(&b, colour); err != nil {
			t.Fatal(err)
		}
		plain := strings.NewReplacer("\x1b[30;107m", "", "\x1b[0m", "").Replace(b.String())
		rows := strings.Split(strings.TrimSuffix(plain, "\n"), "\n")
		if len(rows) != lines {
			t.Errorf("drawn in %d lines, want %d", len(rows), lines)
		}
		ink, paper := color.Gray{0}, color.Gray{0xff}
		if !colour { // a dark terminal: what is drawn is light
			ink, paper = paper, ink
		}
		const scale = 6
		img := image.NewGray(image.Rect(0, 0, columns*scale, 2*lines*scale))
		for y, row := range rows {
			for x, r := range []rune(row) {
				for half := range 2 {
					fill := paper
					if r == '█' || r == '▀' && half == 0 || r == '▄' && half == 1 {
						fill = ink
					}
					for p := range scale * scale {
						img.SetGray(x*scale+p%scale, (2*y+half)*scale+p/scale, fill)
					}
				}
			}
		}
		read(t, "photographed from the terminal", pngOf(t, img), text)
	}
}

func TestSVG(t *testing.T) {
	c := encode(t, text)
	var svg struct {
		Path struct {
			D string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal(c.SVG(), &svg); err != nil {
		t.Fatal(err)
	}
	black := 0
	for y := range c.modulesAcross() {
		for x := range c.modulesAcross() {
			if c.black(x, y) && (x == 0 || !c.black(x-1, y)) {
				black++
			}
		}
	}
	if got := strings.Count(svg.Path.D, "M"); got != black {
		t.Errorf("the path has %d strokes, want %d", got, black)
	}
}

func FuzzRead(f *testing.F) {
	small := encode(f, "https://h/join#AQ")
	small.modules.Scale = 2
	f.Add(small.PNG())
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
	f.Fuzz(func(_ *testing.T, file []byte) {
		// Larger pictures only take longer.
		if size, _, err := image.DecodeConfig(bytes.NewReader(file)); err == nil && size.Width*size.Height > 1<<13 {
			return
		}
		_, _ = Read(bytes.NewReader(file))
	})
}
