package archive

import (
	"encoding/json"
	"fmt"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// readFinding reads what writeFinding writes. The error is [model.ErrArchiveDamaged].
func readFinding(text string) (f record.Finding, err error) {
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return record.Finding{}, fmt.Errorf("reading a finding: %w: %w", model.ErrArchiveDamaged, err)
	}
	return f, nil
}
