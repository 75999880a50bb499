package screen

import (
	"fmt"
	"strings"
)

// Count writes a number with its noun: "1 message", "2 messages", "3 entries", "4 keys". The noun is a regular one.
func Count[N int | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok && strings.TrimRight(stem, "aeiou") == stem {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
