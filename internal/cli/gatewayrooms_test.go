package cli

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// A gateway that was killed after it had put a reading into the outbox, and before it had noted that, puts it there again when it
// is back: the room has it once all the same, posted meanwhile or not.
func TestReadingsOfAGatewayAreSentOnce(t *testing.T) {
	for _, profile := range []string{quickSigned, "tutorial"} {
		t.Run(profile, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ana := newClass(t, relaytest.InBubble(t)).device("127.0.0.1")
				ana.makeRoom(profile)
				a := ana.app()
				a.config, a.timeout = config.Default(), time.Minute
				rooms := a.gatewayRooms()
				use := func(work func(box *gatewayOutbox) error) {
					t.Helper()
					box, err := rooms.Outbox("lab")
					if err != nil {
						t.Fatal(err)
					}
					if err := work(box.(*gatewayOutbox)); err != nil {
						t.Error(err)
					}
					if err := box.Close(); err != nil {
						t.Error(err)
					}
				}
				queue := func(number int64) {
					t.Helper()
					e := &thingspeak.Entry{ID: number, CreatedAt: time.Unix(time.Now().Unix(), 0).UTC()}
					e.Fields[0] = thingspeak.Text(fmt.Sprint("value", number))
					if err := rooms.Check("lab", e); err != nil {
						t.Error(err)
					}
					use(func(box *gatewayOutbox) error { return box.Queue(t.Context(), e) })
				}
				for number := range int64(3) {
					queue(number + 1)
					queue(number + 1)
				}
				use(func(box *gatewayOutbox) error { return box.Post(t.Context()) })
				queue(3)
				use(func(box *gatewayOutbox) error { return box.Post(t.Context()) })
				ana.must("recv")
				shown := ana.stdout.String()
				for number := range 3 {
					if n := strings.Count(shown, fmt.Sprint("value", number+1)); n != 1 {
						t.Errorf("value%d is there %d times:\n%s", number+1, n, shown)
					}
				}
			})
		})
	}
}

// What a room cannot carry is refused at the door, in words, and not put into its outbox.
func TestReadingsThatARoomCannotCarry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ana := newClass(t, relaytest.InBubble(t)).device("127.0.0.1")
		ana.makeRoom("tutorial")
		a := ana.app()
		a.config, a.timeout = config.Default(), time.Minute
		rooms := a.gatewayRooms()
		text := func(field int, s string) *thingspeak.Entry {
			e := &thingspeak.Entry{}
			e.Fields[field-1] = thingspeak.Text(s)
			return e
		}
		old := text(1, "1")
		old.CreatedAt = time.Unix(-1, 0)
		for says, e := range map[string]*thingspeak.Entry{
			"not to field 2": text(2, "1"), "at most 127": text(1, strings.Repeat("1", 128)), "is empty": {}, "before 1970": old,
		} {
			if err := rooms.Check("lab", e); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want that it %s", err, says)
			}
		}
		if err := rooms.Check("lab", text(1, "1")); err != nil {
			t.Error(err)
		}
	})
}
