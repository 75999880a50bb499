package room_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// helperVariable makes the test program a member of a conversation instead: it holds a helper as JSON.
const helperVariable = "FERNPOST_ROOM_HELPER"

// helper is a process that tests start, and kill.
type helper struct {
	Dir, URL, WriteKey, Key string
	Channel                 int64
	Seed                    byte
	Nick                    string
	Fields                  []int
	// Write is how many messages it writes; without, it reads until it is killed.
	Write int
	// Queue leaves them in the outbox.
	Queue bool
	// Dice is where the random sizes of its messages begin.
	Dice uint64
}

func TestMain(m *testing.M) {
	if text := os.Getenv(helperVariable); text != "" {
		if err := runHelper(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runHelper(text string) error {
	var h helper
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return err
	}
	key, err := fernet.ParseKey(h.Key)
	if err != nil {
		return err
	}
	store, err := archive.OpenRoom(h.Dir, "lab")
	if err != nil {
		return err
	}
	defer store.Close()
	c, err := room.Open(store, room.Options{
		Keys: []fernet.Key{key}, Salt: salt, Identity: record.NewIdentity([record.KeySize]byte{h.Seed}), Nick: h.Nick,
		Fields: h.Fields,
	})
	if err != nil {
		return err
	}
	client, err := remote.New(remote.Options{BaseURL: h.URL, Channel: h.Channel, WriteKey: remote.Secret(h.WriteKey)})
	if err != nil {
		return err
	}
	if h.Write == 0 {
		for {
			if err := h.receive(c, client); err != nil {
				return err
			}
		}
	}
	dice := rand.New(rand.NewPCG(h.Dice, 0))
	relay := &patientPoster{bulkPoster: bulkPoster{poster{client}}}
	for range h.Write {
		if err := h.send(c, relay, dice); err != nil {
			return err
		}
	}
	return nil
}

// send writes a message, says so, and posts what is in the outbox.
func (h *helper) send(c *room.Conversation, relay *patientPoster, dice *rand.Rand) error {
	id := strconv.FormatUint(rand.Uint64(), 36)
	words := dice.IntN(60)
	if dice.IntN(8) == 0 {
		words = dice.IntN(2000) // many entries, by bulk update
	}
	body := record.Text(id + strings.Repeat(" padding", words))
	w, err := c.Write(body, time.Now())
	if err != nil {
		return err
	}
	fmt.Println("wrote", w.Number, id)
	if h.Queue {
		return nil
	}
	if _, err := readRoom(c, relay.Client, time.Now()); err != nil {
		return err
	}
	_, err = deliver(context.Background(), c, relay, nil)
	return err
}

// patientPoster waits, as cli does, before it takes for lost what an earlier process may have sent.
type patientPoster struct{ bulkPoster }

func (p *patientPoster) Find(
	ctx context.Context, fields []thingspeak.Fields, after int64, promised bool,
) ([]int64, error) {
	return p.Settle(ctx, fields, after, promised, nil)
}

// receive reads the room and says what came.
func (h *helper) receive(c *room.Conversation, client *remote.Client) error {
	got, err := readRoom(c, client, time.Now())
	if err != nil {
		return err
	}
	for i := range got.Items {
		m := got.Items[i].Record
		id, _, _ := strings.Cut(string(m.Body.(record.Text)), " ")
		fmt.Println("read", m.Number, id)
	}
	for i := range got.Told {
		fmt.Println("told", got.Told[i].Text())
	}
	return nil
}

// process is a helper that runs, and what it has said.
type process struct {
	cmd   *exec.Cmd
	lines []string
	said  chan struct{} // one for each line, as long as there is room; closed at the end
	read  sync.WaitGroup
}

func start(t *testing.T, h helper) *process {
	t.Helper()
	b, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: testenv.Command(t, os.Args[0]), said: make(chan struct{}, 1000)}
	p.cmd.Env = append(os.Environ(), helperVariable+"="+string(b))
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.read.Go(func() {
		defer close(p.said)
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadString('\n')
			if err == io.EOF || err != nil {
				return // a line that was cut short by the kill was not said
			}
			p.lines = append(p.lines, strings.TrimSuffix(line, "\n"))
			select {
			case p.said <- struct{}{}:
			default:
			}
		}
	})
	return p
}

// end waits for the process, which was killed or has come to its end, and returns what it has said.
func (p *process) end(t *testing.T, killed bool) []string {
	t.Helper()
	p.read.Wait()
	if err := p.cmd.Wait(); err != nil && !killed {
		t.Fatal(err)
	}
	return p.lines
}

// kill ends the process a random time after it has said so many lines, or something, if it ever does.
func (p *process) kill(t *testing.T, dice *rand.Rand, lines int) []string {
	t.Helper()
	for range lines {
		testenv.Receive(t, p.said, "a word of the process")
	}
	select {
	case <-p.said:
	case <-time.After(time.Duration(dice.IntN(300)) * time.Millisecond):
	}
	<-time.After(time.Duration(dice.IntN(15_000)) * time.Microsecond)
	p.cmd.Process.Kill()
	return p.end(t, true)
}

// kills is how many times a sender and a receiver are killed, from FERNPOST_KILLS, and the seed of when that is and of
// what is written, from FERNPOST_SEED. What the processes have done by then is up to the machine.
func kills(t *testing.T) (n int, dice *rand.Rand) {
	t.Helper()
	n = int(testenv.Number(t, "FERNPOST_KILLS", 6))
	t.Logf("FERNPOST_KILLS=%d", n)
	return n, testenv.Random(t)
}

func (h *hall) helper(t *testing.T, seed byte, nick string) helper {
	return helper{
		Dir: t.TempDir(), URL: h.relay.URL, WriteKey: h.channel.WriteKey, Key: h.key.Reveal(), Channel: h.channel.ID,
		Seed: seed, Nick: nick, Fields: h.fields,
	}
}

// Sender and receiver are killed again and again, as often after a few messages as after many: nothing is lost, nothing
// is stored or read twice, no number is used twice.
func TestKill9(t *testing.T) {
	t.Parallel() // much of it is waiting
	h := newHall(t)
	ana, bo := h.helper(t, 1, "ana"), h.helper(t, 2, "bo")
	n, dice := kills(t)
	var wrote, read []string
	for i := range n {
		ana.Write, ana.Dice = 1000, dice.Uint64()
		sender, receiver := start(t, ana), start(t, bo)
		messages := 1 + dice.IntN(5)
		if i%2 == 1 {
			messages = 60 + dice.IntN(120)
		}
		wrote = append(wrote, sender.kill(t, dice, messages)...)
		read = append(read, receiver.kill(t, dice, 0)...)
	}
	ana.Write = 1
	wrote = append(wrote, start(t, ana).end(t, false)...)
	h.judge(t, wrote, read, bo.Dir)
}

// Two processes of one identity write at once, and a third one posts: no number is used twice, nothing is lost.
func TestTwoProcessesWriteAtOnce(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	ana := h.helper(t, 1, "ana")
	ana.Write = 25
	queuing := ana
	queuing.Queue = true
	var wrote []string
	for _, p := range []*process{start(t, ana), start(t, ana), start(t, queuing)} {
		wrote = append(wrote, p.end(t, false)...)
	}
	ana.Write = 1
	wrote = append(wrote, start(t, ana).end(t, false)...)
	if len(wrote) != 76 {
		t.Errorf("%d messages written, want 76", len(wrote))
	}
	h.judge(t, wrote, nil, t.TempDir())
}

// judge compares what was written and read with what is in the room, as a member with that home reads it in the end.
func (h *hall) judge(t *testing.T, wrote, read []string, dir string) {
	t.Helper()
	bo := h.enter(h.options(2, "bo"), dir)
	got := bo.look()
	for i := range got.Items {
		id, _, _ := strings.Cut(string(got.Items[i].Record.Body.(record.Text)), " ")
		read = append(read, fmt.Sprint("read ", got.Items[i].Record.Number, " ", id))
	}
	if len(got.Told)+len(got.Waiting) > 0 {
		t.Errorf("told %v, waiting %v", told(got.Told), told(got.Waiting))
	}
	var history []string
	numbers := map[uint32]bool{}
	if err := bo.History(0, func(it *model.Item) error {
		m := it.Record
		id, _, _ := strings.Cut(string(m.Body.(record.Text)), " ")
		history = append(history, fmt.Sprint(m.Number, " ", id))
		if numbers[m.Number] || m.Forked {
			t.Errorf("number %d was used twice", m.Number)
		}
		numbers[m.Number] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for n := range uint32(len(history)) {
		if !numbers[n+1] {
			t.Errorf("number %d was not used", n+1)
		}
	}
	for _, line := range wrote {
		if text, ok := strings.CutPrefix(line, "wrote "); !ok || !slices.Contains(history, text) {
			t.Errorf("%q is not in the room", line)
		}
	}
	slices.Sort(read)
	for i, line := range read {
		if i > 0 && line == read[i-1] {
			t.Errorf("%q was read twice", line)
		}
		if text, ok := strings.CutPrefix(line, "read "); !ok || !slices.Contains(history, text) {
			t.Errorf("%q is not in the room", line)
		}
	}
	entries := h.relay.Entries(t, h.channel.ID)
	count := map[string]int{}
	for i := range entries {
		for _, v := range entries[i].Fields {
			if count[v.Text]++; v.Text != "" && count[v.Text] == 2 {
				t.Errorf("a token of entry %d stands there twice", entries[i].ID)
			}
		}
	}
	t.Logf("%d entries, %d messages, %d known to be written, %d read by processes",
		len(entries), len(history), len(wrote), len(read))
}
