package gateway

import (
	"errors"
	"mime"
	"net/http"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
)

// consume takes what is there for a consumer, which is made if it is new, and waits for something.
func (d *roomDoor) consume(v *roomRequest, answer *messagesAnswer, consumer, from string, limit int, wait time.Duration) error {
	var b messenger.Batch
	take := func() error {
		return v.with(func(r *messenger.Room) (err error) {
			b, err = r.Consume(consumer, limit)
			return err
		})
	}
	if err := take(); errors.Is(err, messenger.ErrNoConsumer) {
		if err := d.begin(v, consumer, from); err != nil {
			return err
		}
	}
	return d.until(v, wait, func() (bool, error) {
		if err := take(); err != nil {
			return false, err
		}
		for i := range b.Items {
			answer.Messages = append(answer.Messages, v.room.messageOf(&b.Items[i]))
		}
		answer.Cursor, answer.More = new(b.Until.String()), b.More
		return len(b.Items) > 0, nil
	})
}

// begin makes a consumer.
func (d *roomDoor) begin(v *roomRequest, consumer, from string) error {
	at, err := d.from(v, from)
	if err != nil {
		return err
	}
	d.making.Lock()
	defer d.making.Unlock()
	by := func(name string) string { return v.room.settings.FilesName() + "\x00" + name }
	err = v.with(func(r *messenger.Room) error {
		all, err := r.Consumers()
		if err != nil {
			return err
		}
		own := 0
		for i := range all {
			if d.madeBy[by(all[i].Name)] == v.grant.ID {
				own++
			}
		}
		if own >= maxConsumers { // or one token would leave no place to the others
			return refusef(http.StatusConflict, "that token has made %d consumers in this room: remove some, or wait for the next start", own)
		}
		added, err := r.AddConsumer(consumer, at)
		if added {
			d.madeBy[by(consumer)] = v.grant.ID
		}
		return err
	})
	if err != nil {
		return err
	}
	if stream, _, _ := v.room.now(); from == "start" && stream != nil {
		stream.ReadWhole()
	}
	return nil
}

// ackBody says up to where a consumer has dealt with what it was given.
type ackBody struct {
	Cursor string `json:"cursor" means:"the cursor of the answer with the last message that it has dealt with"`
}

func (d *roomDoor) ack(w http.ResponseWriter, v *roomRequest) error {
	body, err := ReadBody(w, v.Request, maxMessage)
	if err != nil {
		return err
	}
	if kind, _, err := mime.ParseMediaType(v.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return refusef(http.StatusUnsupportedMediaType, "send JSON, {\"cursor\": \"…\"} with the header Content-Type: application/json")
	}
	cursor, err := member(body, "cursor")
	if err != nil {
		return err
	}
	until, err := model.ParseMark(cursor)
	if err != nil {
		return refusef(http.StatusBadRequest, "that is no cursor: send the one that came with the messages")
	}
	if err := v.with(func(r *messenger.Room) error { return r.Ack(v.query.Get("consumer"), until) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// consumerAnswer is a consumer.
type consumerAnswer struct {
	Name    string `json:"name" means:"its name"`
	Cursor  string `json:"cursor" means:"up to where it has dealt with what came"`
	Waiting bool   `json:"waiting" means:"whether more has come since"`
}

type consumersAnswer struct {
	Consumers []consumerAnswer `json:"consumers" means:"the consumers, by name:"`
}

func (d *roomDoor) getConsumers(w http.ResponseWriter, v *roomRequest) error {
	answer := consumersAnswer{[]consumerAnswer{}}
	err := v.with(func(r *messenger.Room) error {
		all, err := r.Consumers()
		for _, c := range all {
			answer.Consumers = append(answer.Consumers, consumerAnswer{c.Name, c.Until.String(), c.Waiting})
		}
		return err
	})
	if err != nil {
		return err
	}
	return SendJSON(w, http.StatusOK, answer)
}

func (d *roomDoor) deleteConsumer(w http.ResponseWriter, v *roomRequest) error {
	if err := v.with(func(r *messenger.Room) error { return r.RemoveConsumer(v.PathValue("consumer")) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
