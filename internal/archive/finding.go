package archive

import (
	"encoding/json"
	"fmt"

	"github.com/fernpost/fernpost/internal/record"
)

// event is a finding as the table has it: with bytes for what has no readable form in JSON.
type event struct {
	record.Finding

	Author, Tag, By []byte
}

func writeFinding(f *record.Finding) (string, error) {
	e := event{Finding: *f, Author: f.Author[:], Tag: f.Tag[:], By: f.By[:]}
	b, err := json.Marshal(e)
	return string(b), err
}

func readFinding(text string) (record.Finding, error) {
	var e event
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return record.Finding{}, fmt.Errorf("reading a finding: %w: %w", ErrDamaged, err)
	}
	f := e.Finding
	copy(f.Author[:], e.Author)
	copy(f.Tag[:], e.Tag)
	copy(f.By[:], e.By)
	return f, nil
}
