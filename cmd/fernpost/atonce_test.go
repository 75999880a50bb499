package main

import (
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// Four first commands of a new device at once made two identities, and one of them was lost.
func TestFirstSendsAtOnceSignWithOneIdentity(t *testing.T) {
	t.Parallel()
	ana := newDevice(t, relaytest.New(t, relaytest.InMemory()))
	ana.must("init", "lab", "--profile", "custom:kdf=sha256,form=records")
	var work sync.WaitGroup
	for i := range 4 {
		send := ana.command("send", "--queue", strconv.Itoa(i))
		work.Go(func() {
			if out, err := send.CombinedOutput(); err != nil {
				t.Errorf("send: %v\n%s", err, out)
			}
		})
	}
	work.Wait()
	ana.must("outbox", "--retry")
	var numbers []string
	keys := map[string]bool{}
	for _, m := range regexp.MustCompile(`"key":"(\w+)","standing":"\w+","number":(\d+)`).FindAllStringSubmatch(ana.must("recv", "--json"), -1) {
		keys[m[1]] = true
		numbers = append(numbers, m[2])
	}
	slices.Sort(numbers)
	if d := cmp.Diff([]string{"1", "2", "3", "4"}, numbers); d != "" || len(keys) != 1 {
		t.Errorf("%d keys, numbers %s", len(keys), d)
	}
}
