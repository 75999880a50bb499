// Package licenses holds the licences of what the programs are made of.
package licenses

import (
	"bytes"
	"compress/gzip"
	_ "embed" // for the file of them
	"encoding/json"
	"fmt"
)

// Part is a part of the programs that has licences of its own: fernpost, a Go module, Go itself, or data of others.
type Part struct {
	Name    string
	Version string // of a module
	Text    string // its licences and notices
}

// The file is compressed JSON, which the test of this package makes: go test ./internal/licenses -update.
//
//go:embed licenses.json.gz
var packed []byte

// All returns all parts, ordered by name.
func All() (all []Part, err error) {
	text, err := gzip.NewReader(bytes.NewReader(packed))
	if err == nil {
		err = json.NewDecoder(text).Decode(&all)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the licences in this program: %w", err)
	}
	return all, nil
}
