package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/fernpost/fernpost/internal/testenv"
)

// machine runs the core as it is in the tree, which browsers run.
type machine struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

var compiling struct {
	sync.Mutex

	machine *machine
}

// newMachine compiles the core, once for all tests.
func newMachine(t testing.TB) *machine {
	t.Helper()
	testenv.Unwatched(t)
	compiling.Lock()
	defer compiling.Unlock()
	if compiling.machine != nil {
		return compiling.machine
	}
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		t.Fatal(err)
	}
	module, err := r.CompileModule(ctx, built(t))
	if err != nil {
		t.Fatal(err)
	}
	compiling.machine = &machine{r, module}
	return compiling.machine
}

// instance is a core in a machine.
type instance struct {
	t      testing.TB
	module api.Module
	said   *bytes.Buffer
}

// fresh starts a core. Its clock is that of the test.
func (m *machine) fresh(t testing.TB) caller {
	t.Helper()
	return m.freshAt(t, 0)
}

// freshAt starts a core whose clock is ahead.
func (m *machine) freshAt(t testing.TB, ahead time.Duration) caller {
	t.Helper()
	said := &bytes.Buffer{}
	began := time.Now()
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").WithStderr(said).WithRandSource(rand.Reader).
		WithWalltime(func() (int64, int32) { now := time.Now().Add(ahead); return now.Unix(), int32(now.Nanosecond()) }, 1).
		WithNanotime(func() int64 { return int64(time.Since(began)) + 1 }, 1).
		WithNanosleep(func(ns int64) { time.Sleep(time.Duration(ns)) })
	module, err := m.runtime.InstantiateModule(context.Background(), m.module, config)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	t.Cleanup(func() { _ = module.Close(context.Background()) })
	return &instance{t: t, module: module, said: said}
}

// call implements caller.
func (i *instance) call(message, attached []byte) (answer, more []byte) {
	i.t.Helper()
	ctx := context.Background()
	in := slices.Concat(message, attached)
	at, err := i.module.ExportedFunction("buffer").Call(ctx, uint64(len(in)))
	if err != nil || !i.module.Memory().Write(uint32(at[0]), in) {
		i.t.Fatalf("%v: %s", err, i.said)
	}
	out, err := i.module.ExportedFunction("call").Call(ctx, uint64(len(message)), uint64(len(attached)))
	if err != nil {
		i.t.Fatalf("%v: %s", err, i.said)
	}
	head, _ := i.module.Memory().Read(uint32(out[0]), 8)
	n, m := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
	body, ok := i.module.Memory().Read(uint32(out[0])+8, n+m)
	if !ok {
		i.t.Fatal("the answer stands beyond the memory")
	}
	body = bytes.Clone(body)
	return body[:n:n], body[n:]
}

// What the core does in this process it does as WebAssembly, too.
func TestTwoPagesTalkAsWebAssembly(t *testing.T) {
	m := newMachine(t)
	synctest.Test(t, func(t *testing.T) { testTwoPagesTalk(t, func() caller { return m.fresh(t) }) })
}

// A page may end between any two calls: here at some of the points of [TestAPageThatEndsAnywhereLosesNothing].
func TestAPageThatEndsLosesNothingAsWebAssembly(t *testing.T) {
	m := newMachine(t)
	for _, n := range []int{3, 7, 16} {
		synctest.Test(t, func(t *testing.T) { testKilled(t, func() caller { return m.fresh(t) }, n) })
	}
}
