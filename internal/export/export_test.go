package export

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
)

const pass = "maple orbit velvet thunder pickle canyon"

// content is one with everything in it; the second room has more keys than an invitation has place for.
func content() *handover.Content {
	ana, bo := record.NewIdentity([32]byte{1}), record.NewIdentity([32]byte{2})
	lab := invite.Invitation{
		Relay: "http://127.0.0.1:3000", NoPage: true, Channel: 1234567, Fields: []int{1, 2}, Interval: 15 * time.Second,
		Profile: passphrase.Fernpost(), Name: "lab", Keys: []fernet.Key{fernet.NewKey([32]byte{7, 31: 7})}, WriteKey: "0PMVFFL3L2JQQ9M7",
		Inviter: ana.Public(),
	}
	old := lab
	old.Name, old.Keys = "old", nil
	for i := range invite.MaxKeys + 3 {
		old.Keys = append(old.Keys, fernet.NewKey([32]byte{8, byte(i), 31: 8}))
	}
	return &handover.Content{
		Identity: ana, Nickname: "ana maria", Lost: []record.PublicKey{record.NewIdentity([32]byte{3}).Public()},
		Rooms: []handover.Room{
			{Invitation: lab, Compared: []record.PublicKey{bo.Public()}, Last: 3, LastHash: record.ShortHash{9}},
			{Invitation: old, Identity: bo},
		},
	}
}

func sealed(t *testing.T, c *handover.Content) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Seal(&b, pass, c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(r io.Reader, pass string) (*handover.Content, error) {
	f, err := Read(r)
	if err != nil {
		return nil, err
	}
	return f.Open(pass)
}

func textOf(t testing.TB, c *handover.Content) string {
	t.Helper()
	text, err := c.Text()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhatIsSealedIsOpened(t *testing.T) {
	file := sealed(t, content())
	got, err := open(bytes.NewReader(file), "  maple orbit  velvet thunder pickle canyon\n")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(textOf(t, content()), textOf(t, got)); d != "" {
		t.Error(d)
	}
	if r := got.Rooms[1]; len(r.Keys) != invite.MaxKeys+3 || !r.Keys[34].Equal(fernet.NewKey([32]byte{8, 34, 31: 8})) {
		t.Errorf("the second room comes with %d keys", len(r.Keys))
	}
	for name, c := range map[string]struct {
		file []byte
		pass string
		want error
	}{
		"another passphrase":     {file, "maple orbit velvet thunder pickle canoe", handover.ErrPassphrase},
		"no passphrase":          {file, " ", handover.ErrPassphrase},
		"the last byte is off":   {file[:len(file)-1], pass, handover.ErrAltered},
		"only the header":        {file[:bytes.Index(file, []byte("\n---"))+60], pass, handover.ErrAltered},
		"half of the first line": {file[:40], pass, handover.ErrAltered},
		"something behind":       {append(bytes.Clone(file), 'x'), pass, handover.ErrAltered},
		"nothing":                {nil, pass, handover.ErrNoExport},
		"another file":           {[]byte("Dear all, the lecture is at ten."), pass, handover.ErrNoExport},
	} {
		if _, err := open(bytes.NewReader(c.file), c.pass); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	bad := bytes.Clone(file)
	bad[len(bad)-20] ^= 1
	if _, err := open(bytes.NewReader(bad), pass); !errors.Is(err, handover.ErrAltered) {
		t.Errorf("of an altered file: %v", err)
	}
}

// The program age opens what is written here, and what it has sealed again is read.
func TestTheFileIsAnAgeFile(t *testing.T) {
	id, err := age.NewScryptIdentity(pass)
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(sealed(t, content())), id)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil || string(text) != textOf(t, content()) {
		t.Errorf("age reads %q, %v", text, err)
	}
	if _, err := open(bytes.NewReader(foreign(t, 18, string(text))), pass); err != nil {
		t.Errorf("sealed by age: %v", err)
	}
}

// foreign is a file that somebody else has sealed.
func foreign(t *testing.T, factor int, text string) []byte {
	t.Helper()
	to, err := age.NewScryptRecipient(pass)
	if err != nil {
		t.Fatal(err)
	}
	to.SetWorkFactor(factor)
	return encrypt(t, text, to)
}

func encrypt(t *testing.T, text string, to age.Recipient) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A file decides how much memory and time the passphrase takes, and how much there is to read: both are bounded before.
func TestWhatAFileMayAskForIsBounded(t *testing.T) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	costly := bytes.Replace(foreign(t, 10, "fernpost export 1\nend\n"), []byte(" 10\n"), []byte(" 30\n"), 1)
	for name, c := range map[string]struct {
		file io.Reader
		want error
	}{
		"2^30 of work":      {bytes.NewReader(costly), handover.ErrTooCostly},
		"work that is none": {strings.NewReader("age-encryption.org/v1\n-> scrypt AAAA x\n"), handover.ErrAltered},
		"no end":            {endless{}, handover.ErrTooLarge},
		"too much inside":   {bytes.NewReader(foreign(t, 10, strings.Repeat("x", handover.MaxSize+1))), handover.ErrTooLarge},
		"another recipient": {bytes.NewReader(encrypt(t, "fernpost export 1\nend\n", key.Recipient())), handover.ErrNoExport},
		"another content":   {bytes.NewReader(foreign(t, 10, "dear all")), handover.ErrNoExport},
		"a newer version":   {bytes.NewReader(foreign(t, 10, "fernpost export 3\nwhatever\n")), handover.ErrNewer},
		"an unknown line":   {bytes.NewReader(foreign(t, 10, "fernpost export 1\nbirthday 3\nend\n")), handover.ErrAltered},
		// It was kept, and from then on nothing was read on that device.
		"an identity of zeros": {
			bytes.NewReader(foreign(t, 10, "fernpost export 1\nidentity "+strings.Repeat("0", 64)+"\nend\n")), handover.ErrAltered,
		},
		"no end of the list": {bytes.NewReader(foreign(t, 10, "fernpost export 1\n")), handover.ErrAltered},
	} {
		if _, err := open(c.file, pass); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// With a key of zeros everybody reads a room and forges its tokens: one was taken over, and sealed what was written next.
func TestAnImpossibleKeyIsRefusedInWords(t *testing.T) {
	signing, encrypting := [32]byte{31: 1}, [32]byte{0: 1}
	for name, c := range map[string]struct {
		change func(*handover.Room)
		says   string
	}{
		"zeros":          {func(r *handover.Room) { r.Keys[0] = fernet.NewKey([32]byte{}) }, "key 1 of room old is a key of zeros"},
		"no signing":     {func(r *handover.Room) { r.Keys[1] = fernet.NewKey(signing) }, "key 2 of room old is a key of zeros"},
		"no encryption":  {func(r *handover.Room) { r.Keys[33] = fernet.NewKey(encrypting) }, "key 34 of room old is a key of zeros"},
		"one key twice":  {func(r *handover.Room) { r.Keys[34] = r.Keys[2] }, "key 35 of room old is one that stands there twice"},
		"anybody's word": {func(r *handover.Room) { r.Inviter = [32]byte{1} }, "somebody in room old: "},
	} {
		all := content()
		c.change(&all.Rooms[1])
		if err := Seal(io.Discard, pass, all); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: written, or not in words: %v", name, err)
		}
		got, err := handover.Parse([]byte(textOf(t, all)))
		if got != nil || !errors.Is(err, handover.ErrImpossible) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: read, or not in words: %v", name, err)
		}
	}
}

// A room without a key would come back as one whose passphrase has to be asked for.
func TestARoomIsWrittenWholeOrNotAtAll(t *testing.T) {
	for name, change := range map[string]func(*handover.Content){
		"no key":          func(c *handover.Content) { c.Rooms[0].Keys = nil },
		"no channel":      func(c *handover.Content) { c.Rooms[0].Channel = 0 },
		"a foreign relay": func(c *handover.Content) { c.Rooms[0].Relay = "gopher://relay" },
		"no nickname":     func(c *handover.Content) { c.Nickname = "a\nb" },
	} {
		c := content()
		change(c)
		if err := Seal(io.Discard, pass, c); err == nil {
			t.Errorf("%s: it was written", name)
		}
	}
}

// FuzzParse: what is inside of a file is read in one form, and written again it is the same to the byte.
func FuzzParse(f *testing.F) {
	f.Add([]byte(textOf(f, content())))
	f.Add([]byte(textOf(f, &handover.Content{})))
	f.Add([]byte("fernpost export 2\n"))
	f.Add([]byte("fernpost export 1\nkey x\nnumber 1\nsigns 00\ncompared\nend\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := handover.Parse(text)
		if err != nil {
			return
		}
		if again := textOf(t, c); again != string(text) {
			t.Errorf("%q is read, and written as %q", text, again)
		}
		for i := range c.Rooms {
			if len(c.Rooms[i].Keys) == 0 {
				t.Errorf("a room without a key: %q", text)
			}
			for _, k := range c.Rooms[i].Keys {
				if k.Check() != nil {
					t.Errorf("a room with a key of zeros: %q", text)
				}
			}
		}
	})
}
