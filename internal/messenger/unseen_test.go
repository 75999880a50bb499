package messenger

import (
	"errors"
	"testing"

	"github.com/fernpost/fernpost/internal/model"
)

// Where it could not be found out what was here before a feed was read, nothing was told to be withheld, and no error either.
func TestCompareSaysWhyItCannot(t *testing.T) {
	busy := errors.New("the archive is busy")
	if d, err := new(Engine).Compare(model.Room{}, &Verified{unseen: busy}, 0); !errors.Is(err, busy) || len(d.Differing) > 0 {
		t.Errorf("Compare = %+v, %v", d, err)
	}
}
