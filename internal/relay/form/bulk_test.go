package form

import (
	"errors"
	"strings"
	"testing"
)

// A name of four bytes became a parameter of 48 each time it was repeated: one call without a key took a gigabyte.
func TestBulkNamesThatRepeatAreKeptOnce(t *testing.T) {
	part := func(key string) string {
		return "--X\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n" + key + "\r\n"
	}
	for name, body := range map[string]func(times int) string{
		"form":  func(times int) string { return strings.Repeat("key&", times) + "key=last" },
		"parts": func(times int) string { return strings.Repeat(part(""), times) + part("last") + "--X--\r\n" },
	} {
		media := map[string]string{"parts": "multipart/form-data; boundary=X"}[name]
		_, beside, err := ParseBulk(false, media, []byte(body(maxParams-1)), 3)
		if err != nil || len(beside) != 1 || beside[0] != (Param{Name: "key", Value: "last"}) {
			t.Errorf("%s: %d keys are kept as %d, %v", name, maxParams, len(beside), err)
		}
		_, _, err = ParseBulk(false, media, []byte(body(maxParams)), 3)
		if e, ok := errors.AsType[*Error](err); !ok || e.Fault != TooMany {
			t.Errorf("%s: more than %d names are told as %v", name, maxParams, err)
		}
	}
}
