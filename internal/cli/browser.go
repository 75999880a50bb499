package cli

import (
	"fmt"
	"html"
	"os"
	"os/exec"
	"runtime"

	"github.com/fernpost/fernpost/internal/scratch"
)

// openBrowser opens a page in the user's browser, if there is one, until done is called. Its address has a token, and every list of
// processes shows what a program was started with: so the browser is given a file that only this user reads, and that leads there.
func (a *app) openBrowser(url string) (done func()) {
	dir, err := scratch.New("open")
	if err != nil {
		return a.noBrowser(err)
	}
	done = func() { _ = dir.Remove() } // what is left of it leads nowhere
	leads := dir.Join("open.html")
	to := html.EscapeString(url)
	page := fmt.Sprintf("<!doctype html>\n<meta charset=\"utf-8\">\n<title>fernpost</title>\n"+
		"<meta http-equiv=\"refresh\" content=\"0; url=%s\">\n<a href=\"%s\">fernpost</a>\n", to, to)
	if err := os.WriteFile(leads, []byte(page), 0o600); err != nil {
		done()
		return a.noBrowser(err)
	}
	program, args := "xdg-open", []string{leads}
	switch runtime.GOOS {
	case "darwin":
		program = "open"
	case "windows":
		program, args = "rundll32", []string{"url.dll,FileProtocolHandler", leads}
	}
	cmd := exec.Command(program, args...)
	if err := cmd.Start(); err != nil {
		done()
		return a.noBrowser(err)
	}
	go func() { _ = cmd.Wait() }() // whether a window has come up nobody can tell
	return done
}

func (a *app) noBrowser(err error) func() {
	a.say("open that address in a browser: none could be started (%v)", err)
	return func() {}
}
