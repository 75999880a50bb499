package check

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// updateID names an update of a check: the writer's index, and the number of the update among the writer's, from 0.
type updateID uint64

// writerBits is where the writer's index begins in an updateID.
const writerBits = 40

func idOf(writer int, n int64) updateID { return updateID(writer)<<writerBits | updateID(n) }

func (id updateID) writer() int { return int(id >> writerBits) }
func (id updateID) n() int64    { return int64(id & (1<<writerBits - 1)) }

func (id updateID) String() string {
	return fmt.Sprintf("update %d of writer %d", id.n()+1, id.writer()+1)
}

const (
	// minText is the shortest text, in bytes; the longest is thingspeak.MaxValueBytes.
	minText = 48
	// alphabet has 64 characters that pass every relay unchanged (contract section 15, item 9).
	alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

// texts makes the texts of updates: "RUN.WRITER.N." and characters that follow from these, the field and the seed. So
// each occurs once in the world, and whoever reads one back can tell whether it is whole without having kept it.
type texts struct {
	run  string
	seed uint64
}

// text returns what an update puts into a field.
func (t texts) text(id updateID, field int) string {
	state := mix(t.seed ^ mix(uint64(id)<<3|uint64(field-1)))
	size := minText + int(state%(thingspeak.MaxValueBytes-minText+1))
	b := make([]byte, 0, thingspeak.MaxValueBytes)
	b = append(b, t.run...)
	b = append(b, '.')
	b = strconv.AppendInt(b, int64(id.writer()), 10)
	b = append(b, '.')
	b = strconv.AppendInt(b, id.n(), 10)
	b = append(b, '.')
	for len(b) < size {
		state = mix(state)
		for bits, i := state, 0; i < 10 && len(b) < size; i++ {
			b = append(b, alphabet[bits&63])
			bits >>= 6
		}
	}
	return string(b)
}

// mix is the step of the generator SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// identify tells which update an entry is, if all its fields hold exactly what that update put there.
func (t texts) identify(e *thingspeak.Entry, fields thingspeak.FieldSet) (updateID, bool) {
	id, found := updateID(0), false
	for n := range fields.All() {
		text := e.Fields[n-1].Text
		if !found {
			if id, found = t.parse(text); !found {
				return 0, false
			}
		}
		if text != t.text(id, n) {
			return 0, false
		}
	}
	return id, found
}

// parse reads the beginning of a text.
func (t texts) parse(text string) (updateID, bool) {
	parts := strings.SplitN(text, ".", 4)
	if len(parts) != 4 || parts[0] != t.run {
		return 0, false
	}
	writer, err := strconv.ParseUint(parts[1], 10, 64-writerBits)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(parts[2], 10, writerBits)
	if err != nil {
		return 0, false
	}
	return idOf(int(writer), int64(n)), true
}
