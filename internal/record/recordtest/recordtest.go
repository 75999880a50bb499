// Package recordtest makes what honest authors never write, for the tests of whoever reads it. It is linked into no
// program.
package recordtest

import (
	"crypto/ed25519"
	"crypto/sha512"
	"math/big"
	"slices"
)

// order is that of the group (RFC 8032, section 5.1).
var order, _ = new(big.Int).SetString("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed", 16)

// SignAgain returns a valid signature of a message, another one for each nonce. RFC 8032 makes the secret behind R of the
// message, so that there is one signature; here it is the secret half of another key, the public half of which is R.
func SignAgain(seed [ed25519.SeedSize]byte, message []byte, nonce byte) []byte {
	other := [ed25519.SeedSize]byte{nonce, 1}
	r := public(other)
	k := sha512.Sum512(slices.Concat(r, public(seed), message))
	s := number(k[:])
	s.Mul(s, secret(seed)).Add(s, secret(other)).Mod(s, order)
	low := s.FillBytes(make([]byte, ed25519.SeedSize))
	slices.Reverse(low)
	return append(r, low...)
}

func public(seed [ed25519.SeedSize]byte) []byte {
	return slices.Clone(ed25519.NewKeyFromSeed(seed[:])[ed25519.SeedSize:])
}

// secret returns the number that a seed stands for (RFC 8032, section 5.1.5).
func secret(seed [ed25519.SeedSize]byte) *big.Int {
	hash := sha512.Sum512(seed[:])
	hash[0] &= 248
	hash[31] = hash[31]&127 | 64
	return number(hash[:32])
}

// number reads a number of which the lowest byte comes first.
func number(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}
