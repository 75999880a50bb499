package journal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/record"
)

// A value is written by its type: numbers as varints, texts and lists behind their length, an array of bytes as it is, a pointer
// behind 0 or 1, a time as seconds and nanoseconds since 1970 behind 0 or 1. A struct is the number of its fields, and these: one
// that was written before fields were added has zeros there. So fields are only ever added, behind the others; a test says so.

// errDamaged means that bytes are nothing that was written here.
var errDamaged = errors.New("what was kept of the room is damaged")

// errNewer means that a newer version has written them.
var errNewer = errors.New("what was kept of the room needs a newer version of this page")

// pending is what is kept of a cell that waits: where it stands and to what it belongs, and never what it says.
type pending struct {
	At    record.Spot
	Group record.GroupID
}

var (
	timeType    = reflect.TypeFor[time.Time]()
	cellType    = reflect.TypeFor[record.Cell]()
	pendingType = reflect.TypeFor[pending]()
)

// appendValue writes a value.
func appendValue(b []byte, v reflect.Value) []byte {
	switch v.Type() {
	case timeType:
		return appendTime(b, v.Interface().(time.Time))
	case cellType:
		c := v.Interface().(record.Cell)
		group, _ := c.Group() // what has none says nothing to a store
		return appendValue(b, reflect.ValueOf(pending{c.Spot, group}))
	}
	switch v.Kind() {
	case reflect.Bool:
		return append(b, b2i(v.Bool()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(b, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.AppendUvarint(b, v.Uint())
	case reflect.String:
		return append(binary.AppendUvarint(b, uint64(v.Len())), v.String()...)
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0)
		}
		return appendValue(append(b, 1), v.Elem())
	case reflect.Array:
		return appendList(b, v)
	case reflect.Slice:
		return appendList(binary.AppendUvarint(b, uint64(v.Len())), v)
	case reflect.Map:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		keys := slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int { return cmp.Compare(a.Int(), b.Int()) })
		for _, key := range keys {
			b = appendValue(appendValue(b, key), v.MapIndex(key))
		}
		return b
	case reflect.Struct:
		b = binary.AppendUvarint(b, uint64(v.NumField()))
		for _, field := range v.Fields() {
			b = appendValue(b, field)
		}
		return b
	}
	panic("a row has a field of type " + v.Type().String())
}

// appendList writes the elements of a list: bytes as they are.
func appendList(b []byte, v reflect.Value) []byte {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if v.Kind() == reflect.Slice {
			return append(b, v.Bytes()...)
		}
		for i := range v.Len() {
			b = append(b, byte(v.Index(i).Uint()))
		}
		return b
	}
	for i := range v.Len() {
		b = appendValue(b, v.Index(i))
	}
	return b
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	return binary.AppendUvarint(binary.AppendVarint(append(b, 1), t.Unix()), uint64(t.Nanosecond()))
}

func b2i(is bool) byte {
	if is {
		return 1
	}
	return 0
}

// decoder reads values; the first error stays.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err, d.b = err, nil
	}
}

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.fail(errDamaged)
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) int() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.fail(errDamaged)
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) flag() bool {
	n := d.uint()
	if n > 1 {
		d.fail(errDamaged)
	}
	return n == 1
}

// length reads how many elements follow, each of which takes a byte at least: a damaged length makes no long list.
func (d *decoder) length() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail(errDamaged)
		return 0
	}
	return int(n)
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.b) {
		d.fail(errDamaged)
		return make([]byte, n)
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

// value reads what appendValue has written into a zero value.
func (d *decoder) value(v reflect.Value) {
	switch v.Type() {
	case timeType:
		v.Set(reflect.ValueOf(d.time()))
		return
	case cellType:
		var p pending
		d.value(reflect.ValueOf(&p).Elem())
		v.Set(reflect.ValueOf(p.Group.CellAt(p.At)))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(d.flag())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := d.int(); v.OverflowInt(n) {
			d.fail(errDamaged)
		} else {
			v.SetInt(n)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n := d.uint(); v.OverflowUint(n) {
			d.fail(errDamaged)
		} else {
			v.SetUint(n)
		}
	case reflect.String:
		v.SetString(string(d.bytes(d.length())))
	case reflect.Pointer:
		if d.flag() {
			v.Set(reflect.New(v.Type().Elem()))
			d.value(v.Elem())
		}
	case reflect.Array:
		d.list(v, v.Len())
	case reflect.Slice:
		d.slice(v)
	case reflect.Map:
		d.dict(v)
	case reflect.Struct:
		d.fields(v)
	}
}

func (d *decoder) slice(v reflect.Value) {
	n := d.length()
	if n == 0 {
		return
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes(slices.Clone(d.bytes(n)))
		return
	}
	for range n {
		if d.err != nil {
			return
		}
		one := reflect.New(v.Type().Elem()).Elem()
		d.value(one)
		v.Set(reflect.Append(v, one))
	}
}

func (d *decoder) list(v reflect.Value, n int) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		reflect.Copy(v, reflect.ValueOf(d.bytes(n)))
		return
	}
	for i := range n {
		d.value(v.Index(i))
	}
}

func (d *decoder) dict(v reflect.Value) {
	n := d.length()
	if n == 0 {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	before := int64(math.MinInt64)
	for range n {
		key, one := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		d.value(key)
		d.value(one)
		if d.err == nil && key.Int() <= before {
			d.fail(errDamaged)
		}
		before = key.Int()
		v.SetMapIndex(key, one)
	}
}

func (d *decoder) fields(v reflect.Value) {
	n := d.uint()
	if n > uint64(v.NumField()) {
		d.fail(errNewer)
		return
	}
	for i := range int(n) {
		d.value(v.Field(i))
	}
}

func (d *decoder) time() time.Time {
	if !d.flag() {
		return time.Time{}
	}
	seconds, nanos := d.int(), d.uint()
	if nanos >= 1e9 {
		d.fail(errDamaged)
	}
	return time.Unix(seconds, int64(nanos)).UTC()
}

// encode writes a value behind a byte that tells what it is.
func encode[T any](kind byte, v *T) []byte {
	return appendValue([]byte{kind}, reflect.ValueOf(v).Elem())
}

// decode reads what encode has written behind that byte.
func decode[T any](b []byte) (v T, err error) {
	d := decoder{b: b}
	d.value(reflect.ValueOf(&v).Elem())
	if d.err == nil && len(d.b) > 0 {
		d.err = errDamaged
	}
	if d.err != nil {
		return v, fmt.Errorf("%w (%T)", d.err, v)
	}
	return v, nil
}
