package token

import "strings"

// Resembles reports whether s begins as every token of our time does, whole or not: with the version and the zeros of a
// time below 2^42 seconds. It tells a token that was cut short or altered from other content.
func Resembles(s string) bool { return strings.HasPrefix(s, "gAAAA") }
