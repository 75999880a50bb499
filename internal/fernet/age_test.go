package fernet

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/token"
)

func TestCheckAge(t *testing.T) {
	const noon = 1_700_000_000
	tests := []struct {
		name   string
		sealed uint64
		ttl    time.Duration
		now    time.Time
		want   error
	}{
		{"just sealed", noon, time.Minute, time.Unix(noon, 0), nil},
		{"as old as allowed", noon, time.Minute, time.Unix(noon+60, 0), nil},
		{"the fraction of now is dropped", noon, time.Minute, time.Unix(noon+60, 999_999_999), nil},
		{"a second too old", noon, time.Minute, time.Unix(noon+61, 0), ErrExpired},
		{"a fraction of the TTL is rounded up", noon, 1500 * time.Millisecond, time.Unix(noon+2, 0), nil},
		{"and no more", noon, 1500 * time.Millisecond, time.Unix(noon+3, 0), ErrExpired},
		{"TTL 0, same second", noon, 0, time.Unix(noon, 500), nil},
		{"TTL 0, next second", noon, 0, time.Unix(noon+1, 0), ErrExpired},
		{"TTL 0 does not admit the future", noon, 0, time.Unix(noon-61, 0), ErrFromTheFuture},
		{"60 s ahead", noon, time.Minute, time.Unix(noon-60, 0), nil},
		{"61 s ahead", noon, time.Minute, time.Unix(noon-61, 0), ErrFromTheFuture},
		{"a negative TTL, not far enough ahead", noon, -5 * time.Second, time.Unix(noon-4, 0), ErrExpired},
		{"a negative TTL, ahead", noon, -5 * time.Second, time.Unix(noon-5, 0), nil},
		{"a negative fraction of a second", noon, -500 * time.Millisecond, time.Unix(noon, 0), nil},

		{"sealed in 1970", 0, time.Minute, time.Unix(noon, 0), ErrExpired},
		{"sealed in 1970, read in 1970", 0, time.Minute, time.Unix(60, 0), nil},
		{"the last second", math.MaxUint64, math.MaxInt64, time.Unix(noon, 0), ErrFromTheFuture},
		{"the last second of signed numbers", math.MaxInt64, math.MaxInt64, time.Unix(noon, 0), ErrFromTheFuture},
		{"the first beyond signed numbers", math.MaxInt64 + 1, time.Minute, time.Unix(noon, 0), ErrFromTheFuture},
		{"the longest TTL", 0, math.MaxInt64, time.Unix(noon, 0), nil},
		{"the longest TTL is over", 0, math.MaxInt64, time.Unix(10_000_000_000, 0), ErrExpired},
		{"the most negative TTL", noon, math.MinInt64, time.Unix(noon, 0), ErrExpired},
		{"read before 1970", 0, time.Minute, time.Unix(-60, 0), nil},
		{"read long before 1970", 0, time.Minute, time.Unix(-61, 0), ErrFromTheFuture},
		{"the last second, read before 1970", math.MaxUint64, time.Minute, time.Unix(-61, 0), ErrFromTheFuture},
		{"read at the zero time", noon, time.Minute, time.Time{}, ErrFromTheFuture},
	}
	k := key(1, 2)
	r := ring(t, k)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o, err := r.Open(sealAt(k, test.sealed, [token.IVSize]byte{}, []byte("hello")))
			if err != nil {
				t.Fatal(err)
			}
			if err := o.CheckAge(test.ttl, test.now); !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("sealed %d, TTL %v, now %v: %v, want %v", test.sealed, test.ttl, test.now, err, test.want)
			}
		})
	}
}

func TestAgeErrors(t *testing.T) {
	k := key(1, 2)
	o, err := ring(t, k).Open(sealAt(k, 499162801, [token.IVSize]byte{}, nil))
	if err != nil {
		t.Fatal(err)
	}
	now := o.SealedAt.Add(90 * time.Second)
	err = o.CheckAge(time.Minute, now)
	if e, ok := errors.AsType[*ExpiredError](err); !ok || *e != (ExpiredError{o.SealedAt, now, time.Minute}) {
		t.Errorf("CheckAge = %#v, want an ExpiredError with its values", err)
	}
	want := "token expired: sealed at 1985-10-26T08:20:01Z, more than 1m0s before 1985-10-26T08:21:31Z"
	if got := err.Error(); got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	now = o.SealedAt.Add(-time.Hour)
	err = o.CheckAge(time.Minute, now)
	if e, ok := errors.AsType[*FutureError](err); !ok || *e != (FutureError{o.SealedAt, now}) {
		t.Errorf("CheckAge = %#v, want a FutureError with its values", err)
	}
	want = "token from the future: sealed at 1985-10-26T08:20:01Z, more than 1m0s after 1985-10-26T07:20:01Z"
	if got := err.Error(); got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if errors.Is(err, ErrExpired) || errors.Is(err, ErrNoKey) {
		t.Errorf("%v matches another refusal", err)
	}
}
