package keyring

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	library "github.com/zalando/go-keyring"

	"github.com/fernpost/fernpost/internal/model"
)

// answerTime is how long the system's keyring may take. One that is locked waits for its user, maybe for ever.
const answerTime = 2 * time.Second

// service is what the entries in the system's keyring are called; the user of each is a key's id.
const service = "fernpost"

// sealingKeySize is the length of a key that seals files, in bytes: AES-256.
const sealingKeySize = 32

// vault is what the system's keyring does.
type vault interface {
	// Get returns [library.ErrNotFound] if there is no such entry.
	Get(service, user string) (string, error)
	Set(service, user, value string) error
	Delete(service, user string) error
}

// system asks the system's keyring for keys that seal files, and is never held up by it.
type system struct {
	vault vault
	busy  chan struct{} // holds one value while the keyring is asked

	mu    sync.Mutex        // guards what follows
	since time.Time         // when the keyring was asked; zero while it is not
	keys  map[string][]byte // those that it has told, by id
}

func newSystem(v vault) *system {
	return &system{vault: v, busy: make(chan struct{}, 1), keys: map[string][]byte{}}
}

// ofProcess is the keyring of who runs this process. What it has told once is not asked again, since each command opens
// the directory of rooms many times.
var ofProcess = newSystem(libraryVault{})

// ask lets work ask the keyring, one at a time, and gives it up when its time is over. Work then runs on with a context
// that has ended. While one hangs nobody else waits.
func (s *system) ask(work func(context.Context) error) error {
	silent := fmt.Errorf("%w: it has not answered within %v, and may be locked", model.ErrKeyringAway, answerTime)
	if s.hangs() {
		return silent
	}
	select {
	case s.busy <- struct{}{}:
	case <-time.After(answerTime):
		return silent
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	s.asks(time.Now())
	done := make(chan error, 1)
	go func() {
		defer func() {
			if recover() != nil { // the library trusts what the keyring says
				done <- errors.New("it says something that nobody expects")
			}
			s.asks(time.Time{})
			<-s.busy
		}()
		done <- work(ctx)
	}()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, model.ErrKeyringLacks) {
			err = fmt.Errorf("%w: %v", model.ErrKeyringAway, err) // a socket that is not there is no file that is not there
		}
		return err
	case <-ctx.Done():
		return silent
	}
}

func (s *system) asks(since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = since
}

// hangs reports whether whoever asks has been given up.
func (s *system) hangs() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.since.IsZero() && time.Since(s.since) >= answerTime
}

// key returns the key with this id.
func (s *system) key(id string) ([]byte, error) {
	if key := s.told(id); key != nil {
		return key, nil
	}
	err := s.fetch(id)
	return s.told(id), err
}

// fetch asks for the key with this id, whether it is known or not.
func (s *system) fetch(id string) error {
	return s.ask(func(context.Context) error { return s.get(id) })
}

func (s *system) told(id string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[id]
}

func (s *system) get(id string) error {
	text, err := s.vault.Get(service, id)
	if errors.Is(err, library.ErrNotFound) {
		return model.ErrKeyringLacks
	}
	if err != nil && strings.HasPrefix(err.Error(), "failed to unlock") {
		return errors.New("it is locked")
	}
	if err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != sealingKeySize || keyID(key) != id {
		return fmt.Errorf("%w: what it has in that place is another one", model.ErrKeyringLacks)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[id] = key
	return nil
}

// makeKey puts a new key into the keyring, and returns its id once the keyring has given it back.
func (s *system) makeKey() (id string, err error) {
	key := make([]byte, sealingKeySize)
	rand.Read(key)
	id = keyID(key)
	return id, s.ask(func(ctx context.Context) error {
		// A keyring that is locked hangs here, where nothing of it was changed.
		if err := s.get(id); !errors.Is(err, model.ErrKeyringLacks) {
			return err
		}
		if err := s.vault.Set(service, id, base64.StdEncoding.EncodeToString(key)); err != nil {
			return err
		}
		if ctx.Err() != nil { // nobody waits for it any more
			return s.vault.Delete(service, id)
		}
		return s.get(id) // a user who was asked and said no is no error of Set
	})
}

// keyID is what a key that seals files is called, which tells nothing about it.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("fernpost/v1 sealing key\x00"), key...))
	return hex.EncodeToString(sum[:8])
}

// libraryVault is the keyring that this system has.
type libraryVault struct{}

func (libraryVault) Get(service, user string) (string, error) {
	if err := noBus(); err != nil {
		return "", err
	}
	return library.Get(service, user)
}

func (libraryVault) Set(service, user, value string) error { return library.Set(service, user, value) }
func (libraryVault) Delete(service, user string) error     { return library.Delete(service, user) }

// noBus says that no D-Bus session runs, through which the keyring is asked on most systems. The library would start one,
// which nobody ends.
func noBus() error {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return nil
	}
	if address := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" && address != "autolaunch:" {
		return nil
	}
	for _, name := range []string{"bus", "dbus-session"} {
		if _, err := os.Stat(filepath.Join("/run/user", strconv.Itoa(os.Getuid()), name)); err == nil {
			return nil
		}
	}
	return errors.New("there is none, as no D-Bus session runs")
}
