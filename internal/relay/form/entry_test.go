package form

import (
	"testing"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

func TestDecimal(t *testing.T) {
	if v := decimal("nonsense", "5", "6"); v != thingspeak.Text("5") {
		t.Errorf("of nonsense, 5 and 6 the first decimal is %+v", v)
	}
	if v := decimal("", "north"); v.Given {
		t.Errorf("without a decimal there is %+v", v)
	}
}
