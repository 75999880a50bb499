package room

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// onceFor is how long what was to be written once is not written again.
const onceFor = 30 * 24 * time.Hour

// WrittenBefore returns which message was written under a name, see [Writing]; ok tells whether one was, in the 30 days before
// now. The error is [model.ErrOtherBody] if it said something else, and [model.ErrNamedKeyGone] if nobody can tell that any more.
func (c *Conversation) WrittenBefore(name string, body record.Body, now time.Time) (id model.OwnID, ok bool, err error) {
	if name == "" {
		return id, false, nil
	}
	if err := c.renewKeys(); err != nil { // it may be sealed with a key that is new
		return id, false, err
	}
	before, ok, err := c.store.Once(sha256.Sum256([]byte(name)))
	if err != nil || !ok || before.At.Before(now.Add(-onceFor)) {
		return id, false, err
	}
	key := slices.Index(c.ids, record.KeyID(before.Body[:len(record.KeyID{})]))
	if key < 0 {
		return id, false, model.ErrNamedKeyGone
	}
	hash, err := c.hashOfBody(key, body)
	if err == nil && hash != before.Body {
		err = model.ErrOtherBody
	}
	if err != nil {
		return id, false, err
	}
	return before.OwnID, true, nil
}

// once is what is kept of a message that is to be written once, nothing without a name. It is called within the transaction that
// writes it; the error is a [*model.WrittenError] if it was written before.
func (c *Conversation) once(name string, body record.Body, id model.OwnID, now time.Time) (change kept.Change, err error) {
	if name == "" {
		return change, nil
	}
	before, ok, err := c.WrittenBefore(name, body, now)
	if err == nil && ok {
		err = &model.WrittenError{OwnID: before}
	}
	if err != nil {
		return change, err
	}
	hash, err := c.hashOfBody(0, body)
	if err != nil {
		return change, err
	}
	return kept.Change{OnceFrom: now.Add(-onceFor), Once: []kept.Once{{
		OwnID: id, Name: sha256.Sum256([]byte(name)), Body: hash, At: now,
	}}}, nil
}

// hashOfBody tells one body from another, to whoever has the key that it names first: nobody else can try what it may have said.
func (c *Conversation) hashOfBody(key int, body record.Body) (hash [32]byte, err error) {
	encoded, err := record.Encode(body, c.o.Salt, c.own)
	if err != nil {
		return hash, err
	}
	secret := c.o.Keys[key].RevealBytes()
	h := hmac.New(sha256.New, secret[:])
	fmt.Fprintf(h, "fernpost/v1 once\x00%d ", body.Kind())
	h.Write(encoded)
	copy(hash[copy(hash[:], c.ids[key][:]):], h.Sum(nil))
	return hash, nil
}
