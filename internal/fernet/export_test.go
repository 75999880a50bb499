package fernet

// RevealBytes returns the key itself.
func (k Key) RevealBytes() [KeySize]byte { return *k.secret() }
