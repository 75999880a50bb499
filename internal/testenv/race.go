//go:build race

package testenv

// Race tells that the race detector is on, which makes everything five to twenty times slower.
const Race = true
