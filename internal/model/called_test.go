package model

import (
	"errors"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/record"
)

// Whoever is shown as "ana's device (~4c95c681)" has no nickname, and was not found by what stands before the tag, nor told of.
func TestADeviceWithoutANicknameIsProposed(t *testing.T) {
	key := record.PublicKey{1, 2, 3}
	shown := "ana's device (" + key.Tag().Name() + ")"
	_, err := Called([]Person{{Author: record.Author{Key: key}, Name: shown}, {Name: "bo"}}, "ana's device")
	who, ok := errors.AsType[*WhoError](err)
	if !ok || len(who.Otherwise) != 1 || who.Otherwise[0].Key != key || !strings.Contains(err.Error(), shown) {
		t.Errorf("it is told as %v", err)
	}
}
