package keyring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/filelock"
)

// Files in the directory that are no room's.
const (
	lockFile = ".lock"
	// newFile is what a file is written as before it takes its place. Whoever has the lock writes it.
	newFile = ".new"
	// defaultFile holds the name of the room that is meant where none is named.
	defaultFile = ".default"
)

// lockTimeout bounds how long a command waits for another one that changes the keyring, which takes milliseconds.
const lockTimeout = 10 * time.Second

// locked runs work while no other process changes the keyring.
func (k *Keyring) locked(work func() error) error {
	f, err := k.root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("locking the keyring: %w", err)
	}
	defer filelock.Release(f)
	ctx, cancel := context.WithTimeoutCause(context.Background(), lockTimeout,
		errors.New("another fernpost has been changing it for ten seconds"))
	defer cancel()
	if err := filelock.Wait(ctx, f); err != nil {
		return fmt.Errorf("locking the keyring: %w", err)
	}
	return work()
}

// write writes a file, under the lock, as it is.
func (k *Keyring) write(name string, content any) error {
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	return k.writeFile(name, append(text, '\n'))
}

// keepSecret writes a file with keys, under the lock, as they are to be kept.
func (k *Keyring) keepSecret(name string, content any) error {
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	h, err := k.home()
	if err != nil {
		return err
	}
	return k.writeSecret(h, name, append(text, '\n'))
}

// writeFile writes a file, under the lock. It is on disk, and under its name, when writeFile returns nil.
func (k *Keyring) writeFile(name string, text []byte) error {
	if len(text) > maxFile {
		return tooLarge(int64(len(text)))
	}
	f, err := k.root.OpenFile(newFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	// Renamed before its content is on disk, the file could be empty after a power cut, and the old one gone.
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = k.root.Rename(newFile, name)
	}
	if err != nil {
		k.root.Remove(newFile)
		return err
	}
	return k.sync()
}

// sync waits until the names in the directory are on disk.
func (k *Keyring) sync() error {
	dir, err := k.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(diskfile.SyncDir(dir), dir.Close())
}

// halfWritten is what versions before the lock have written their files as.
var halfWritten = regexp.MustCompile(`^\.(.+\.json|\.identity)\.[0-9]+$`)

// sweep removes what processes that were killed have left half written: there are keys in it.
func (k *Keyring) sweep() error {
	files, err := k.files()
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(f string) bool { return f != newFile && !halfWritten.MatchString(f) })
	if len(files) == 0 {
		return nil
	}
	return k.locked(func() error {
		for _, f := range files {
			info, err := k.root.Lstat(f)
			if f != newFile && err == nil && time.Since(info.ModTime()) < time.Minute {
				continue // an older fernpost, which takes no lock, may be about to rename it
			}
			if err == nil {
				err = k.root.Remove(f)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}

// files returns the names in the directory.
func (k *Keyring) files() ([]string, error) {
	dir, err := k.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Readdirnames(-1)
}
