package messenger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
)

// earlierWatch is what an earlier version has kept of watching a room of texts, which had no archive then: how far its
// messages were printed.
type earlierWatch struct {
	Relay    string `json:"relay"`
	Channel  int64  `json:"channel"`
	Position struct {
		Last int64 `json:"last"`
	} `json:"position"`
	Rest *struct {
		Entries []exchange.Range `json:"entries"`
	} `json:"rest"`
}

func (e *Engine) watchedFile(settings model.Room) (string, error) {
	dir, err := e.o.Dir("state")
	return filepath.Join(dir, settings.FilesName()+".json"), err
}

// watched returns the entry up to which an earlier version has printed the messages of this room, and whether it did.
// What it kept and cannot be read is an error: nobody knows then what was printed.
func (r *Room) watched() (entry int64, ok bool, err error) {
	name, err := r.engine.watchedFile(r.settings)
	if err != nil {
		return 0, false, err
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	var w earlierWatch
	if err == nil {
		err = json.Unmarshal(b, &w)
	}
	if err != nil {
		return 0, false, fmt.Errorf("reading where the last watch ended: %s: %w", name, err)
	}
	entry = w.Position.Last
	if w.Rest != nil && len(w.Rest.Entries) > 0 {
		entry = min(entry, w.Rest.Entries[0].First-1)
	}
	return entry, w.Relay == r.settings.Relay && w.Channel == r.settings.Channel && entry >= 0, nil
}

// forgetWatched removes what [Room.watched] has read.
func (e *Engine) forgetWatched(settings model.Room) error {
	name, err := e.watchedFile(settings)
	if err == nil {
		err = os.Remove(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
