package plot

import (
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func points(n int, every time.Duration, value func(int) float64) (all []Point) {
	for i := range n {
		all = append(all, Point{noon.Add(time.Duration(i) * every), value(i)})
	}
	return all
}

// picture is an SVG picture as whoever shows it reads it.
type picture struct {
	texts   []string
	classes map[string]int
	attrs   map[string]string // of the outermost element
	ids     map[string]string // the text of an element
}

func read(t *testing.T, svg []byte) picture {
	t.Helper()
	p := picture{classes: map[string]int{}, attrs: map[string]string{}, ids: map[string]string{}}
	d, id, depth := xml.NewDecoder(strings.NewReader(string(svg))), "", 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			id = ""
			for _, a := range tok.Attr {
				switch a.Name.Local {
				case "style":
					t.Fatalf("a policy blocks %s in %s", a.Value, tok.Name.Local)
				case "class":
					p.classes[a.Value]++
				case "id":
					id = a.Value
				}
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Fatalf("%s=%q", a.Name.Local, a.Value)
				}
				if depth == 0 {
					p.attrs[a.Name.Local] = a.Value
				}
			}
			if !slices.Contains([]string{"svg", "title", "desc", "path", "text", "circle"}, tok.Name.Local) {
				t.Fatalf("an element %q", tok.Name.Local)
			}
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if id != "" {
				p.ids[id] += string(tok)
			} else if s := strings.TrimSpace(string(tok)); s != "" {
				p.texts = append(p.texts, s)
			}
		}
	}
}

// A picture is read aloud by its title, and strangers' texts in it stay texts.
func TestAPictureIsNamed(t *testing.T) {
	title, desc := `<script>"a" & 'b'</script>`, `style="fill:red" ]]> `+"\x1b[2J"
	svg, err := Plot{ID: "field1", Title: title, Description: desc}.SVG(points(3, time.Minute, func(i int) float64 { return float64(i) }))
	if err != nil {
		t.Fatal(err)
	}
	p := read(t, svg)
	if p.attrs["role"] != "img" || p.attrs["aria-labelledby"] != "field1-title field1-desc" || p.attrs["viewBox"] != "0 0 480 170" {
		t.Errorf("attributes %v", p.attrs)
	}
	if p.ids["field1-title"] != title || strings.ContainsRune(p.ids["field1-desc"], '\x1b') {
		t.Errorf("texts %q", p.ids)
	}
	for _, c := range colours {
		if c.class != "plot-range" && p.classes[c.class] == 0 {
			t.Errorf("nothing of class %s", c.class)
		}
		if !strings.Contains(Style, "."+c.class+" {") {
			t.Errorf("no style for %s", c.class)
		}
	}
}

// Marks are round and few, and say when.
func TestMarks(t *testing.T) {
	for _, c := range []struct {
		points []Point
		want   []string
	}{
		{points(10, time.Minute, func(i int) float64 { return float64(i) }), []string{"0", "2", "4", "6", "8", "10", "12:00", "12:05"}},
		{points(2, 0, func(int) float64 { return 21.5 }), []string{"21.2", "21.4", "21.6", "21.8"}},
		{points(100, 24*time.Hour, func(i int) float64 { return -0.001 * float64(i) }), []string{"0.00", "-0.10", "-0.02"}},
		{points(5, 6*time.Hour, func(i int) float64 { return 1e9 * float64(i) }), []string{"0", "1e+09", "4e+09", "May 5 00:00"}},
		{points(9, 15*time.Second, func(i int) float64 { return 5 }), []string{"12:00", "12:02", "4.94", "5.06"}},
	} {
		svg, err := Plot{ID: "p"}.SVG(c.points)
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, svg).texts
		for _, want := range c.want {
			if !slices.Contains(got, want) {
				t.Errorf("%v: marks %q lack %q", c.points[len(c.points)-1], got, want)
			}
		}
		if len(got) > 14 {
			t.Errorf("%d marks: %q", len(got), got)
		}
	}
}

// No point stands outside the picture's axes.
func TestPointsStandInside(t *testing.T) {
	svg, err := Plot{ID: "p"}.SVG(points(1000, 17*time.Minute, func(i int) float64 { return float64(i%100) * 1.37 }))
	if err != nil {
		t.Fatal(err)
	}
	extent := func(class string) (least, greatest int) {
		least = math.MaxInt
		for _, path := range regexp.MustCompile(`<path d="([^"]*)"[^>]*class="`+class+`"`).FindAllSubmatch(svg, -1) {
			for _, place := range regexp.MustCompile(`[ML] (\d+) `).FindAllSubmatch(path[1], -1) {
				x, _ := strconv.Atoi(string(place[1]))
				least, greatest = min(least, x), max(greatest, x)
			}
		}
		return least, greatest
	}
	left, right := extent("plot-line")
	axisLeft, axisRight := extent("plot-axis")
	if left < axisLeft || right > axisRight || right-left < 400 {
		t.Errorf("the line goes from %d to %d, the axis from %d to %d", left, right, axisLeft, axisRight)
	}
}

// Marks stand at midnight of the zone that is shown.
func TestMarksOfAZone(t *testing.T) {
	svg, err := Plot{ID: "p", Zone: time.FixedZone("", 2*3600)}.SVG(points(20, 6*time.Hour, func(i int) float64 { return float64(i) }))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, svg).texts; !slices.Contains(got, "May 5") {
		t.Errorf("marks %q", got)
	}
}

// Of many points the least, the middle and the greatest of equal times are shown, at most 400 times: no extreme is lost.
func TestManyPointsBecomeColumns(t *testing.T) {
	all := points(8000, 15*time.Second, func(i int) float64 { return float64(i % 10) })
	all[4321].Value, all[17].Value = 99, -99
	columns := Columns(all, MostColumns)
	if len(columns) > MostColumns || len(columns) < MostColumns-5 {
		t.Errorf("%d columns", len(columns))
	}
	least, greatest := 0.0, 0.0
	for _, c := range columns {
		least, greatest = min(least, c.Least), max(greatest, c.Greatest)
		if c.Median < 3 || c.Median > 6 {
			t.Errorf("median %v at %v", c.Median, c.Time)
		}
	}
	if least != -99 || greatest != 99 {
		t.Errorf("from %v to %v", least, greatest)
	}
	svg, err := Plot{ID: "p"}.SVG(all)
	if err != nil {
		t.Fatal(err)
	}
	if p := read(t, svg); p.classes["plot-range"] != 2 || len(svg) > 40_000 {
		t.Errorf("%d bytes, classes %v", len(svg), p.classes)
	}
}

func TestNothingToDraw(t *testing.T) {
	for _, all := range [][]Point{nil, {{noon, math.NaN()}}, {{noon, math.Inf(1)}, {time.Time{}, 1}, {noon, 1e301}}} {
		if _, err := (Plot{ID: "p"}).SVG(all); !errors.Is(err, ErrNothing) {
			t.Errorf("%v: %v", all, err)
		}
	}
}

// Whatever is measured, in whatever order and however far apart: the picture is well formed, and small.
func TestAnyPoints(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	value := []func() float64{
		r.NormFloat64, func() float64 { return math.Float64frombits(r.Uint64()) }, func() float64 { return 0 },
		func() float64 { return 5e-324 * float64(r.IntN(3)) }, func() float64 { return 1e300 * (1 - 2*r.Float64()) },
		func() float64 { return 1e15 + float64(r.IntN(3)) },
	}
	span := []time.Duration{0, time.Nanosecond, time.Second, time.Hour, 1000 * time.Hour, 250 * 365 * 24 * time.Hour}
	for i := range 500 {
		v, s := value[r.IntN(len(value))], span[r.IntN(len(span))]
		var all []Point
		for range r.IntN(1000) {
			all = append(all, Point{noon.Add(time.Duration(r.Int64N(int64(s) + 1))), v()})
		}
		svg, err := Plot{ID: fmt.Sprint("p", i), Width: 1 + r.IntN(800), Height: 1 + r.IntN(300)}.SVG(all)
		if errors.Is(err, ErrNothing) && len(Columns(all, MostColumns)) == 0 {
			continue
		}
		if err != nil {
			t.Fatalf("%d points over %v: %v", len(all), s, err)
		}
		if p := read(t, svg); len(p.texts) > 16 || len(svg) > 60_000 {
			t.Fatalf("%d points over %v: %d bytes, marks %q", len(all), s, len(svg), p.texts)
		}
	}
}

// Values and times are what strangers have posted: eight bytes of each value, and eight of the time to the one before.
func FuzzSVG(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"), "title", 480, 170)
	f.Add(slices.Concat(make([]byte, 64), []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x7f, 1}), "<&>", 1, 1)
	f.Fuzz(func(t *testing.T, data []byte, title string, width, height int) {
		at := noon
		var all []Point
		for ; len(data) >= 16; data = data[16:] {
			at = at.Add(time.Duration(binary.LittleEndian.Uint64(data[8:]) >> 4))
			all = append(all, Point{at, math.Float64frombits(binary.LittleEndian.Uint64(data))})
		}
		svg, err := Plot{ID: "p", Title: title, Width: width % 2000, Height: height % 2000}.SVG(all)
		if errors.Is(err, ErrNothing) && len(Columns(all, MostColumns)) == 0 {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if p := read(t, svg); len(p.texts) > 16 {
			t.Errorf("marks %q", p.texts)
		}
	})
}

func BenchmarkSVG(b *testing.B) {
	all := points(8000, 15*time.Second, func(i int) float64 { return math.Sin(float64(i) / 500) })
	for b.Loop() {
		if _, err := (Plot{ID: "p"}).SVG(all); err != nil {
			b.Fatal(err)
		}
	}
}
