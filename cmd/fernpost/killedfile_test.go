package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// A file that was being written when the program was killed stood there by half, under the name that was to be that of the whole one.
func TestAKilledProgramLeavesNoHalfFile(t *testing.T) {
	d := newDevice(t, relaytest.New(t))
	key := find(t, d.must("identity", "show"), `(?m)^(fp1_[A-Za-z0-9_-]{91})$`)
	dir := t.TempDir()
	name := filepath.Join(dir, "report.sealed")
	cmd := d.command("identity", "seal", "--to", key, "-", "--out", name)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	testenv.Await(t, "a part of the file", func() bool {
		parts, _ := filepath.Glob(filepath.Join(dir, ".*.part"))
		if len(parts) != 1 {
			return false
		}
		info, err := os.Stat(parts[0])
		return err == nil && info.Size() > 0
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it was not killed")
	}
	if _, err := os.Lstat(name); !os.IsNotExist(err) {
		t.Errorf("after the kill the file is there: %v", err)
	}
	again := d.command("identity", "seal", "--to", key, "-", "--out", name)
	again.Stdin = strings.NewReader("all of it")
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("once more: %v\n%s", err, out)
	}
	if _, err := os.Lstat(name); err != nil {
		t.Errorf("in the end: %v", err)
	}
}
