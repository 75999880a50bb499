package room

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// What writing a message costs without the archive: signing, cutting, sealing.
func BenchmarkCompose(b *testing.B) {
	for _, size := range []int{200, 1 << 20} {
		b.Run(fmt.Sprintf("%d bytes", size), func(b *testing.B) {
			c := &Conversation{o: Options{
				Keys: []fernet.Key{fernet.GenerateKey()}, Identity: record.GenerateIdentity(), Fields: []int{1}, Nick: "ana",
			}}
			if err := c.prepare(); err != nil {
				b.Fatal(err)
			}
			r := record.Record{
				Number: 2, Clock: noon.UnixMilli(), Previous: record.ShortHash{1}, Nick: "ana",
				Body: record.Text(strings.Repeat("x", size)),
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := c.compose(&r, 0, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// No date is given twice, none lies in the future, and all are the last that are free.
func TestLastSeconds(t *testing.T) {
	now := time.Unix(1_000_000, 500)
	var used []kept.Seconds
	for _, c := range []struct {
		after time.Duration
		n     int
		want  []int64
		used  []kept.Seconds
	}{
		{0, 3, []int64{999_998, 999_999, 1_000_000}, []kept.Seconds{{First: 999_998, Last: 1_000_000}}},
		{0, 2, []int64{999_996, 999_997}, []kept.Seconds{{First: 999_996, Last: 1_000_000}}},
		{
			2 * time.Second, 4,
			[]int64{999_994, 999_995, 1_000_001, 1_000_002},
			[]kept.Seconds{{First: 999_994, Last: 1_000_002}},
		},
		{
			9 * time.Second, 2,
			[]int64{1_000_008, 1_000_009},
			[]kept.Seconds{{First: 999_994, Last: 1_000_002}, {First: 1_000_008, Last: 1_000_009}},
		},
		{
			9 * time.Second, 6,
			[]int64{999_993, 1_000_003, 1_000_004, 1_000_005, 1_000_006, 1_000_007},
			[]kept.Seconds{{First: 999_993, Last: 1_000_009}},
		},
		{
			-time.Hour, 1,
			[]int64{996_400},
			[]kept.Seconds{{First: 996_400, Last: 996_400}, {First: 999_993, Last: 1_000_009}},
		},
		{48 * time.Hour, 0, nil, nil},
	} {
		var got []int64
		got, used = lastSeconds(used, now.Add(c.after), c.n)
		if !slices.Equal(got, c.want) || !slices.Equal(used, c.used) {
			t.Errorf("%d after %v: %v, then %v in use", c.n, c.after, got, used)
		}
	}
	if got, used := lastSeconds(nil, now, 1_000_000); len(got) != 86_401 || len(used) != 1 {
		t.Errorf("%d seconds of a day", len(got))
	}
}

// Whoever wrote a message as 2 is told under which number it went out, however often it was signed anew on the way.
func TestRenumberedTwice(t *testing.T) {
	var d model.Delivered
	renumbered(&d, []model.Renumbered{{Before: 2, Now: 4}, {Before: 3, Now: 5}, {Before: 4, Now: 6}})
	renumbered(&d, []model.Renumbered{{Before: 5, Now: 7}, {Before: 6, Now: 8}, {Before: 9, Now: 10}})
	want := []model.Renumbered{{Before: 2, Now: 4}, {Before: 3, Now: 7}, {Before: 4, Now: 8}, {Before: 9, Now: 10}}
	if !slices.Equal(d.Renumbered, want) {
		t.Errorf("%v, want %v", d.Renumbered, want)
	}
	if got := []uint32{d.Number(1), d.Number(3), d.Number(4)}; !slices.Equal(got, []uint32{1, 7, 8}) {
		t.Errorf("numbers %v", got)
	}
}
