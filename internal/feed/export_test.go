package feed

// NumbersOf returns the parts of a date of three numbers, nil if it is none.
func NumbersOf(s string) []string {
	n, ok := numbersOf(s)
	if !ok {
		return nil
	}
	return []string{n.before, n.a, n.b, n.c, n.behind}
}
