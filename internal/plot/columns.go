package plot

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Column is what a picture shows of the points of some time.
type Column struct {
	// Time is the middle of their times, and Points how many they are.
	Time                    time.Time
	Points                  int
	Least, Median, Greatest float64
}

// What lies beyond is left out: the library counts nanoseconds, and a mark of twice the largest number is none.
var (
	earliest = time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2250, 1, 1, 0, 0, 0, 0, time.UTC)
)

const largest = 1e300

// Columns puts points in order and, where they are more than most, together by equal times. What cannot be drawn is left
// out.
func Columns(points []Point, most int) (columns []Column) {
	points = slices.DeleteFunc(slices.Clone(points), func(p Point) bool {
		return !(math.Abs(p.Value) <= largest) || p.Time.Before(earliest) || p.Time.After(latest) // NaN is not below anything
	})
	slices.SortStableFunc(points, func(a, b Point) int { return a.Time.Compare(b.Time) })
	if len(points) <= most {
		for _, p := range points {
			columns = append(columns, Column{p.Time, 1, p.Value, p.Value, p.Value})
		}
		return columns
	}
	first, last := points[0].Time, points[len(points)-1].Time
	width := max(last.Sub(first)/time.Duration(most)+1, 1)
	for len(points) > 0 {
		place := points[0].Time.Sub(first) / width
		n := slices.IndexFunc(points, func(p Point) bool { return p.Time.Sub(first)/width != place })
		if n < 0 {
			n = len(points)
		}
		those := points[:n]
		points = points[n:]
		// The middle of the times that there are: an empty hour before the last point of a column does not move it.
		at := those[0].Time.Add(those[n-1].Time.Sub(those[0].Time) / 2)
		slices.SortFunc(those, func(a, b Point) int { return cmp.Compare(a.Value, b.Value) })
		columns = append(columns, Column{at, n, those[0].Value, those[n/2].Value, those[n-1].Value})
	}
	return columns
}
