package room

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// onceFor is how long what was to be written once is not written again.
const onceFor = 30 * 24 * time.Hour

// WrittenBefore returns which message was written under a name, see [Writing]; ok tells whether one was, in the last 30
// days. The error is [model.ErrOtherBody] if it said something else.
func (c *Conversation) WrittenBefore(name string, body record.Body) (id model.OwnID, ok bool, err error) {
	if name == "" {
		return id, false, nil
	}
	if err := c.renewKeys(); err != nil { // it may be sealed with a key that is new
		return id, false, err
	}
	before, ok, err := c.store.Once(sha256.Sum256([]byte(name)))
	if err != nil || !ok {
		return id, false, err
	}
	for _, key := range c.o.Keys {
		if hashOfBody(key, body) == before.Body {
			return before.OwnID, true, nil
		}
	}
	return id, false, model.ErrOtherBody
}

// once is what is kept of a message that is to be written once, nothing without a name. It is called within the transaction that
// writes it; the error is a [*model.WrittenError] if it was written before.
func (c *Conversation) once(name string, body record.Body, id model.OwnID, now time.Time) (change kept.Change, err error) {
	if name == "" {
		return change, nil
	}
	before, ok, err := c.WrittenBefore(name, body)
	if err == nil && ok {
		err = &model.WrittenError{OwnID: before}
	}
	if err != nil {
		return change, err
	}
	return kept.Change{OnceFrom: now.Add(-onceFor), Once: []kept.Once{{
		OwnID: id, Name: sha256.Sum256([]byte(name)), Body: hashOfBody(c.o.Keys[0], body), At: now,
	}}}, nil
}

// hashOfBody tells one body from another, to whoever has the key: nobody else can try what it may have said.
func hashOfBody(key fernet.Key, body record.Body) (sum [32]byte) {
	secret := key.RevealBytes()
	h := hmac.New(sha256.New, secret[:])
	fmt.Fprintf(h, "fernpost/v1 once\x00%d ", body.Kind())
	if f, ok := body.(record.File); ok {
		fmt.Fprintf(h, "%q %q %s", f.Name, f.Media, f.Content)
	} else {
		fmt.Fprintf(h, "%#v", body)
	}
	h.Sum(sum[:0])
	return sum
}
