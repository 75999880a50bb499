package record

// Receipt says that By has signed a seen of our record with this number or a higher one, and with the hash that we
// hold. It is By's claim.
type Receipt struct {
	By     PublicKey
	ByName string
	Number uint32
}

// MarkNamed notes that our own record with number at names this author's record with the given number.
func (a *Author) MarkNamed(number, at uint32) {
	a.Named, a.NamedAt = max(a.Named, number), max(a.NamedAt, at)
}
