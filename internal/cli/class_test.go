package cli

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/web"
)

// A feed that was to be kept was lost at the end of the lesson where its file could not be written.
func TestAFeedThatIsToBeKeptIsNotLost(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	keep := filepath.Join(dir, "lesson.csv")
	second := filepath.Join(dir, "lesson-texts.csv")
	if err := os.WriteFile(second, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{keep, filepath.Join(dir, "none", "lesson.csv"), filepath.Join(second, "lesson.csv")} {
		o := classOptions{keep: bad}
		if err := o.check(); exitCode(err) != exitUsage {
			t.Errorf("%s is taken: %v", bad, err)
		}
	}
	c, err := web.StartClass(t.Context(), web.ClassOptions{Listen: "127.0.0.1:0", Name: "class"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	i, err := invite.Parse(c.JoinLink())
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"api_key": {i.WriteKey}, "field1": {"hello"}}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.Relay+"/update", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	reply, err := http.DefaultClient.Do(q)
	if err = errors.Join(err, reply.Body.Close()); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	a := &app{stderr: &said, getenv: func(string) string { return "" }}
	if err := a.keepFeeds(t.Context(), c, second); err != nil { // it has come to be there meanwhile
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "fernpost-feed-*", "lesson-texts.csv"))
	if err != nil || len(found) != 1 || !strings.Contains(said.String(), found[0]) {
		t.Fatalf("the feed is in %v, %v; said is %q", found, err, said.String())
	}
	if text, err := os.ReadFile(found[0]); err != nil || !strings.Contains(string(text), "hello") {
		t.Errorf("the feed holds %q, %v", text, err)
	}
}

// The token of a page stood on a command line, which every list of processes shows.
func TestABrowserIsStartedWithoutTheToken(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("another program opens pages here")
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	noted := filepath.Join(dir, "noted")
	script := "#!/bin/sh\nstat -c %a \"$1\" > " + noted + ".new\necho \"$1\" >> " + noted + ".new\ncat \"$1\" >> " + noted + ".new\nmv " + noted + ".new " + noted + "\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	const address = "http://127.0.0.1:3000/class#TOKEN"
	done := (&app{}).openBrowser(address)
	var lines []string
	testenv.Await(t, "the browser has read its page", func() bool {
		text, err := os.ReadFile(noted)
		lines = strings.SplitN(string(text), "\n", 3)
		return err == nil
	})
	if lines[0] != "600" || strings.Contains(lines[1], "TOKEN") || !strings.Contains(lines[2], address) {
		t.Errorf("it was started with %q", lines)
	}
	done()
	if _, err := os.Stat(lines[1]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the page is left: %v", err)
	}
}

// The code pushed the addresses out of a terminal of 24 lines.
func TestTheAddressesOfAClassStayInSight(t *testing.T) {
	c, err := web.StartClass(t.Context(), web.ClassOptions{Listen: "127.0.0.1:0", Name: "class", Seats: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	for _, size := range []struct {
		width, height int
		code          bool
	}{{80, 24, false}, {80, 30, false}, {100, 50, true}} {
		var out, said strings.Builder
		a := &app{
			stdout: &out, stderr: &said, stdoutTerminal: true, width: size.width, height: size.height,
			getenv: func(string) string { return "" },
		}
		if err := a.announceClass(c, &classOptions{}); err != nil {
			t.Fatal(err)
		}
		shown := strings.Count(out.String(), "\n")
		for line := range strings.Lines(out.String() + said.String()) {
			shown += max(len([]rune(line))-2, 0) / size.width
		}
		code, below, _ := strings.Cut(out.String(), "listening on ")
		addresses := strings.Contains(below, c.TeacherURL()) && strings.Contains(below, c.JoinLink())
		if (code != "") != size.code || !addresses {
			t.Errorf("%d by %d: %q", size.width, size.height, out.String())
		}
		if shown += strings.Count(said.String(), "\n"); shown >= size.height {
			t.Errorf("%d by %d: %d lines", size.width, size.height, shown)
		}
	}
}
