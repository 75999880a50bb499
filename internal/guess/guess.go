// Package guess tries passphrases on a feed that was saved: those of a word list, as people change words, and those of a mask. It
// shows how long a passphrase lasts, by what it takes to find it, and opens nothing but the file that it is given.
package guess

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/token"
)

// Target is what passphrases are tried on.
type Target struct {
	// Tokens are some of the feed's. A few of them do: a passphrase that opens one is found.
	Tokens []token.Token
	// Profiles are the ways from a passphrase to a key that are tried, in this order.
	Profiles []passphrase.Profile
	// Salt and Name are the room's, for profiles that want them.
	Salt [passphrase.RoomSaltSize]byte
	Name string
}

// Candidates are the passphrases to try: the words of a list, changed by each of the rules, or those of a mask.
type Candidates struct {
	// Words is a list with a word a line, nil for a mask. Words of more than 1,024 bytes are left out.
	Words io.Reader
	// Rules are applied to each word; none is the word as it is.
	Rules []Rule
	Mask  Mask
}

// Found is a passphrase that opens a token.
type Found struct {
	Passphrase string
	Profile    passphrase.Profile
}

// Progress says how far a search has come.
type Progress struct {
	// Tried counts candidates, those of an earlier session included; Of is how many there are, 0 if that is not known.
	Tried, Of uint64
	// PerSecond is how many were tried in a second, since this search began.
	PerSecond float64
	// Left is how long the rest takes at that rate; 0 if it is not known.
	Left time.Duration
}

// Options say how to search.
type Options struct {
	// Skip is how many candidates were tried before.
	Skip uint64
	// Of is how many candidates there are, 0 if that is not known.
	Of uint64
	// Workers is how many are tried at a time, 0 for one on each processor.
	Workers int
	// Progress is told a few times a second, and at the end; it may be nil.
	Progress func(Progress)
}

// Result is what came of a search.
type Result struct {
	Progress

	// Found is nil if none of the candidates opens a token.
	Found *Found
	// TooLong counts words that were left out.
	TooLong uint64
	// Elapsed is how long the search took.
	Elapsed time.Duration
}

// batchOf is how many candidates a worker takes at a time: one by one, handing them out would cost more than a hash, and of what
// takes a tenth of a second each many would be tried twice by whoever goes on with a session.
func batchOf(profiles []passphrase.Profile) int {
	for _, p := range profiles {
		if p.KDF == passphrase.KDFArgon2id || p.KDF == passphrase.KDFPBKDF2 {
			return 4
		}
	}
	return 512
}

// work is a batch: the candidates from number first on.
type work struct {
	first      uint64
	candidates []string
}

// Search tries candidates until one opens a token, all were tried, or ctx ends. What it returns says in each case how far it came:
// everything before [Progress.Tried] was tried.
func Search(ctx context.Context, t *Target, from *Candidates, o Options) (Result, error) {
	if len(t.Tokens) == 0 || len(t.Profiles) == 0 {
		return Result{}, errors.New("there is nothing to try passphrases on")
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := search{target: t, o: o, begin: time.Now(), done: map[uint64]int{}, upTo: o.Skip}
	for i := range t.Tokens {
		s.tries = append(s.tries, newTry(&t.Tokens[i]))
	}
	todo := make(chan work, o.Workers)
	var workers sync.WaitGroup
	for range o.Workers {
		workers.Go(func() {
			for w := range todo {
				s.try(ctx, stop, w)
			}
		})
	}
	told := make(chan struct{})
	go s.tell(ctx, told)
	err := s.feed(ctx, from, todo)
	close(todo)
	workers.Wait()
	found := s.found.Load()
	if found == nil && err == nil {
		err = context.Cause(ctx)
	}
	stop()
	<-told
	return Result{Progress: s.progress(), Found: found, TooLong: s.tooLong, Elapsed: time.Since(s.begin)}, err
}

// search is a search that goes on.
type search struct {
	target  *Target
	tries   []try
	o       Options
	begin   time.Time
	found   atomic.Pointer[Found]
	count   atomic.Uint64 // candidates that were tried, also behind one that was not yet
	tooLong uint64

	mu   sync.Mutex     // guards what follows
	done map[uint64]int // batches that were tried behind one that was not, by the number of their first candidate
	upTo uint64         // all before it were tried
}

// try is a token in parts, since each is checked by the million.
type try struct{ signed, mac []byte }

func newTry(t *token.Token) try {
	raw := t.Bytes()
	return try{raw[:len(raw)-token.MACSize], raw[len(raw)-token.MACSize:]}
}

// opens reports whether a key's code is that of the token.
func (t *try) opens(key *[passphrase.KeySize]byte) bool {
	mac := hmac.New(sha256.New, key[:passphrase.KeySize/2])
	mac.Write(t.signed)
	var sum [sha256.Size]byte
	return bytes.Equal(mac.Sum(sum[:0]), t.mac)
}

// feed hands out candidates.
func (s *search) feed(ctx context.Context, from *Candidates, todo chan<- work) error {
	w, size := work{first: s.o.Skip}, batchOf(s.target.Profiles)
	number := uint64(0)
	hand := func() bool {
		select {
		case todo <- w:
			w = work{first: w.first + uint64(len(w.candidates))}
			return true
		case <-ctx.Done():
			return false
		}
	}
	take := func(candidate string) bool {
		if number++; number <= s.o.Skip {
			return true
		}
		w.candidates = append(w.candidates, candidate)
		return len(w.candidates) < size || hand()
	}
	if from.Words == nil {
		for number = s.o.Skip; number < from.Mask.Count(); {
			if !take(from.Mask.At(number)) {
				return nil
			}
		}
	} else if err := s.words(from, take); err != nil {
		return err
	}
	if len(w.candidates) > 0 {
		hand()
	}
	return nil
}

// words hands the candidates of a word list to take, until that wants no more.
func (s *search) words(from *Candidates, take func(string) bool) error {
	r := bufio.NewReaderSize(from.Words, 1<<16)
	long := false
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = true
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading the word list: %w", err)
		}
		word := strings.TrimRight(string(line), "\r\n")
		switch {
		case long || len(word) > longest:
			s.tooLong++
		case word == "":
		case len(from.Rules) == 0:
			if !take(word) {
				return nil
			}
		default:
			for _, rule := range from.Rules {
				if candidate, ok := rule.Apply(word); ok && candidate != "" && !take(candidate) {
					return nil
				}
			}
		}
		if long = false; err != nil {
			return nil
		}
	}
}

func (s *search) try(ctx context.Context, stop func(), w work) {
	for _, candidate := range w.candidates {
		if ctx.Err() != nil {
			return
		}
		for _, p := range s.target.Profiles {
			key, err := p.Derive(candidate, s.target.Salt, s.target.Name)
			if err != nil { // it is no passphrase of this profile
				continue
			}
			for i := range s.tries {
				if s.tries[i].opens(&key) && s.sure(key, &s.target.Tokens[i]) {
					s.found.CompareAndSwap(nil, &Found{candidate, p})
					stop()
					return
				}
			}
		}
		s.count.Add(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[w.first] = len(w.candidates)
	for n, ok := s.done[s.upTo]; ok; n, ok = s.done[s.upTo] {
		delete(s.done, s.upTo)
		s.upTo += uint64(n)
	}
}

// sure opens the token: its code proves the signing half of the key only.
func (s *search) sure(key [passphrase.KeySize]byte, t *token.Token) bool {
	ring, err := fernet.NewRing(fernet.NewKey(key))
	if err != nil {
		return false
	}
	_, err = ring.Open(t.String())
	return err == nil
}

func (s *search) progress() Progress {
	s.mu.Lock()
	p := Progress{Tried: s.upTo, Of: s.o.Of}
	s.mu.Unlock()
	count := s.count.Load()
	if elapsed := time.Since(s.begin).Seconds(); elapsed > 0 {
		p.PerSecond = float64(count) / elapsed
	}
	if tried := s.o.Skip + count; p.Of > tried && p.PerSecond > 0 {
		p.Left = time.Duration(min(float64(p.Of-tried)/p.PerSecond, 1e9) * float64(time.Second))
	}
	return p
}

func (s *search) tell(ctx context.Context, told chan<- struct{}) {
	defer close(told)
	if s.o.Progress == nil {
		return
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.o.Progress(s.progress())
		case <-ctx.Done():
			s.o.Progress(s.progress())
			return
		}
	}
}
