package messenger

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// Consumer is a program that takes what comes into a room, piece by piece, under a name. What comes while it is away is
// kept: until it says up to where it has dealt with it, it is given the same again.
type Consumer struct {
	Name string
	// Until is up to where it has dealt with what came, and Waiting tells that there is more.
	Until   model.Mark
	Waiting bool
}

// Why there is nothing for a consumer.
var (
	// ErrNoConsumer means that the room has no consumer of that name.
	ErrNoConsumer = errors.New("the room has no consumer of that name")
	// ErrConsumerName refuses a name that no consumer can have.
	ErrConsumerName = errors.New("a consumer's name has 1 to 64 characters out of a-z, A-Z, 0-9, \".\", \"-\" and \"_\"")
	// ErrTooManyConsumers refuses one more than a room can have.
	ErrTooManyConsumers = fmt.Errorf("a room has at most %d consumers", maxConsumers)
	// ErrNotYet refuses to have dealt with what has not come yet, or to go on behind it.
	ErrNotYet = errors.New("so much has not come yet")
)

// maxConsumers is how many consumers a room has at most.
const maxConsumers = 1000

// consumerMark begins the names of the marks of consumers.
const consumerMark = "consumer "

func checkConsumer(name string) error {
	const maxName = 64
	for _, c := range []byte(name) {
		if ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_'; !ok {
			return ErrConsumerName
		}
	}
	if name == "" || len(name) > maxName {
		return ErrConsumerName
	}
	return nil
}

// Consumers returns the consumers of a room, by name.
func (r *Room) Consumers() (all []Consumer, err error) {
	marks, err := r.talk.AllShown(consumerMark)
	if err != nil || len(marks) == 0 {
		return nil, err
	}
	now, err := r.Now()
	for _, name := range slices.Sorted(maps.Keys(marks)) {
		all = append(all, Consumer{name, marks[name], marks[name].Message < now.Message})
	}
	return all, err
}

// AddConsumer makes a consumer, unless there is one of that name: it is given what has come since a mark, in the order
// in which it came here; all since the zero mark.
func (r *Room) AddConsumer(name string, from model.Mark) (added bool, err error) {
	if err := checkConsumer(name); err != nil {
		return false, err
	}
	err = r.archive.Transact(func() error {
		marks, err := r.talk.AllShown(consumerMark)
		if _, is := marks[name]; err != nil || is {
			return err
		}
		if len(marks) >= maxConsumers {
			return ErrTooManyConsumers
		}
		added = true
		return r.SetShown(consumerMark+name, from)
	})
	return added, err
}

// RemoveConsumer forgets a consumer. The error is [ErrNoConsumer] where there is none.
func (r *Room) RemoveConsumer(name string) error {
	if _, err := r.consumer(name); err != nil {
		return err
	}
	return r.talk.ForgetShown(consumerMark + name)
}

func (r *Room) consumer(name string) (model.Mark, error) {
	if err := checkConsumer(name); err != nil {
		return model.Mark{}, err
	}
	m, ok, err := r.Shown(consumerMark + name)
	if err == nil && !ok {
		err = ErrNoConsumer
	}
	return m, err
}

// Batch is what has come since a mark, in the order in which it came here.
type Batch struct {
	// Items are messages, without heartbeats.
	Items  []model.Item
	Found  []Found
	States []model.OwnState
	// Until is the mark behind all of it, and More tells that there is more.
	Until model.Mark
	More  bool
}

// Since returns what has come since a mark, with at most so many messages.
func (r *Room) Since(m model.Mark, most int) (b Batch, err error) {
	if err := r.renewLost(); err != nil { // another process may have been told of one
		return b, err
	}
	if err := r.takeSent(); err != nil { // or what another process has sent would be taken for somebody else's
		return b, err
	}
	news, err := r.talk.Since(m, most)
	if err != nil {
		return b, err
	}
	b = Batch{Items: news.Items, States: news.States, Until: news.Until, More: news.More}
	b.Items = slices.DeleteFunc(b.Items, func(it model.Item) bool {
		if it.Record == nil || it.Notice != "" {
			return false
		}
		_, heartbeat := it.Record.Body.(record.Heartbeat)
		return heartbeat
	})
	for i := range news.Found {
		b.Found = append(b.Found, Found{news.Found[i].Finding, news.Found[i].TakenBack})
	}
	return b, nil
}

// Consume returns what a consumer has not dealt with yet, with at most so many messages; nothing if there is no
// message. The error is [ErrNoConsumer] where there is none of that name.
func (r *Room) Consume(name string, most int) (b Batch, err error) {
	from, err := r.consumer(name)
	for more := err == nil; more; {
		if b, err = r.Since(from, most); err != nil || len(b.Items) > 0 {
			return b, err
		}
		if b.Until != from { // nothing of that is to be dealt with
			err = r.SetShown(consumerMark+name, b.Until)
		}
		from, more = b.Until, b.More && err == nil
	}
	b.Found, b.States = nil, nil
	return b, err
}

// Ack notes that a consumer has dealt with all up to a mark, which is that of a [Batch]. One that it has dealt with
// before changes nothing. The error is [ErrNoConsumer], or [ErrNotYet].
func (r *Room) Ack(name string, until model.Mark) error {
	if _, err := r.consumer(name); err != nil {
		return err
	}
	if err := r.HasCome(until); err != nil {
		return err
	}
	return r.SetShown(consumerMark+name, until)
}

// HasCome returns [ErrNotYet] for a mark behind what has come.
func (r *Room) HasCome(m model.Mark) error {
	now, err := r.Now()
	if err == nil && (m.Message > now.Message || m.Event > now.Event) {
		err = ErrNotYet
	}
	return err
}

// Numbered returns the messages that a key has signed under a number: more than one where that key wrote two.
func (r *Room) Numbered(author record.PublicKey, number uint32) ([]model.Item, error) {
	return r.talk.Numbered(author, number)
}
