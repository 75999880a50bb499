// Package nodered runs a Node-RED for tests. It is linked into no program.
package nodered

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/fernpost/fernpost/internal/testenv"
)

// Start starts a Node-RED without flows, which ends with the test, and returns its address; without one the test ends as
// [testenv.Missing] says.
func Start(tb testing.TB) string {
	tb.Helper()
	modules, node := testenv.NodeModules(tb)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	settings := filepath.Join(dir, "settings.js")
	text := fmt.Sprintf(`module.exports = {uiHost: "127.0.0.1", uiPort: %d, credentialSecret: false, flowFile: "flows.json", telemetry: {enabled: false},
		editorTheme: {tours: false}, logging: {console: {level: "warn"}}};`, address.Port)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	cmd := testenv.Command(tb, node, filepath.Join(modules, "node-red", "red.js"), "--userDir", dir, "--settings", settings)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "HOME="+dir)
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if tb.Failed() {
			tb.Logf("Node-RED says:\n%s", out.String())
		}
	})
	red := "http://" + address.String()
	testenv.Await(tb, "Node-RED", func() bool {
		answer, err := http.Get(red + "/settings")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return red
}

// Deploy gives a Node-RED its flows.
func Deploy(tb testing.TB, red string, flows any) {
	tb.Helper()
	text, err := json.Marshal(flows)
	if err != nil {
		tb.Fatal(err)
	}
	answer, err := http.Post(red+"/flows", "application/json", bytes.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		tb.Fatalf("deploying: %s", answer.Status)
	}
}
