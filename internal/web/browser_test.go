package web

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/testenv"
)

// In a browser: the pages as people use them. FERNPOST_SCREENSHOTS names a directory for pictures of what was seen.

// browse runs a script of testdata/browser on what it is told.
func browse(t *testing.T, script string, about map[string]any) string {
	t.Helper()
	_, node := testenv.NodeModules(t)
	chromium := testenv.Chromium(t)
	text, err := json.Marshal(about)
	if err != nil {
		t.Fatal(err)
	}
	cmd := testenv.Command(t, node, filepath.Join("testdata", "browser", script), string(text))
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "SCREENSHOTS="+os.Getenv("FERNPOST_SCREENSHOTS"))
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, said.String())
	}
	return said.String()
}

// TestOwnRoomsInABrowser: the page of one's own rooms.
func TestOwnRoomsInABrowser(t *testing.T) {
	testenv.Unwatched(t)
	r, _ := startRooms(t)
	browse(t, "rooms.mjs", map[string]any{"url": r.URL()})
}
