package token

// IV returns the initialisation vector.
func (t Token) IV() [IVSize]byte { return [IVSize]byte(t.raw[ivAt:]) }
