package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/web"
)

// defaultClass is where a class is served unless told otherwise: at this machine's address in its network.
const defaultClass = ":3000"

// maxSeats is how many cards are printed at most.
const maxSeats = 200

type classOptions struct {
	web.ClassOptions
	keep   string
	noOpen bool
}

func (a *app) classCommand() *cobra.Command {
	var o classOptions
	cmd := &cobra.Command{
		Use:   "class",
		Short: "Teach a class: phones join by a QR code, and the projector shows each message three times",
		Long: `class starts, on the teacher's laptop, all that a lesson needs: a relay, a room, a page for phones and one for the projector.
Phones in the same network scan the code, choose a name and talk: nothing is installed, and the keys stay in the phones. The projector
shows each message in the room, on the Wi-Fi (the request to the byte) and in the cloud (the row that everybody downloads, its tokens
taken apart on touch). Switches there show what padding hides, what a wrong key opens, what a relay can lie about, how plain texts
differ from signed records, how long 15 seconds between two updates are for a class, and that whoever serves a page can read what is
opened in it.

The code has the key. It stands behind the # of the address, which browsers send to nobody; but whoever serves the page, or sits on
its plain http, could serve one that reads it. --tls serves https with a certificate made for the lesson, which browsers warn of;
compare its SHA-256. --tls-cert and --tls-key name a certificate that they know.

The first line on standard output is "listening on http://HOST:PORT", the second the address of the projector's page. It has a token
that turns the switches: it is the teacher's only. Without --listen it serves this machine's address in its network, port 3000.

When it ends (Ctrl-C), the relay and all that was posted are gone, unless --keep names a file for the feed. --seats N adds a page of
cards to be printed, which hold for this lesson.`,
		Example: `  fernpost class
  fernpost class --seats 30
  fernpost class --keep lesson.csv && fernpost eavesdrop --csv lesson.csv
  fernpost class --listen 192.168.1.20:3000 --tls`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.class(cmd.Context(), &o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Listen, "listen", defaultClass, "serve on `HOST:PORT`; port 0 picks one")
	flags.StringVar(&o.Address, "address", "", "the `URL` by which phones reach this machine (default: the one that it listens on)")
	flags.StringVar(&o.Name, "name", "class", "call the room `NAME`")
	flags.IntVar(&o.Seats, "seats", 0, "make a page of `N` cards to be printed")
	flags.StringVar(&o.keep, "keep", "", "write the feed to `FILE` at the end")
	flags.BoolVar(&o.TLS, "tls", false, "serve https, with a certificate made for the lesson")
	flags.StringVar(&o.TLSCert, "tls-cert", "", "serve HTTPS with the certificate chain in `FILE` (PEM)")
	flags.StringVar(&o.TLSKey, "tls-key", "", "the certificate's key in `FILE` (PEM)")
	flags.BoolVar(&o.noOpen, "no-open", false, "only print the address of the projector's page")
	notASetting(flags.Lookup("listen"))
	return cmd
}

func (o *classOptions) check() error {
	switch {
	case o.Seats < 0 || o.Seats > maxSeats:
		return usagef("--seats %d: want 0 to %d", o.Seats, maxSeats)
	case (o.TLSCert == "") != (o.TLSKey == ""):
		return usagef("--tls-cert and --tls-key go together")
	}
	if o.keep == "" {
		return nil
	}
	return cmp.Or(newFile("keep", o.keep), newFile("keep", secondFeed(o.keep))) // they lie in one folder
}

// secondFeed is the file of a second room's feed, beside the first one's.
func secondFeed(name string) string {
	end := filepath.Ext(name)
	return strings.TrimSuffix(name, end) + "-texts" + end
}

// class holds a lesson until it is stopped.
func (a *app) class(ctx context.Context, o *classOptions) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	o.Log = slog.New(slog.NewTextHandler(a.stderr, nil))
	c, err := web.StartClass(ctx, o.ClassOptions)
	if err != nil {
		return hint(err, "--listen HOST:PORT takes another address or port")
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, a.keepFeeds(ending, c, o.keep), c.Close(ending))
	}()
	if err := a.announceClass(c, o); err != nil {
		return err
	}
	if a.stdoutTerminal && !o.noOpen {
		defer a.openBrowser(c.TeacherURL())()
	}
	select {
	case err := <-c.Failed():
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done(): // that is how a lesson ends
		return nil
	}
}

// announceClass says how to go on.
func (a *app) announceClass(c *web.Class, o *classOptions) error {
	base, _, _ := strings.Cut(c.TeacherURL(), "/class#")
	lines := []string{"listening on " + base, "projector    " + c.TeacherURL()}
	if url := c.SeatsURL(); url != "" {
		lines = append(lines, "seat cards   "+url)
	}
	lines = append(lines, "phones       "+c.JoinLink())
	if err := a.showClassCode(c, lines); err != nil {
		return err
	}
	if err := a.printLines(strings.Join(lines, "\n") + "\n"); err != nil {
		return err
	}
	if sum := c.Certificate(); sum != "" {
		a.say("SHA-256 of the certificate: %s", sum)
	}
	if c.Loopback() {
		a.say("note: only this machine can connect: it is in no network, or --listen says so")
	}
	left := ""
	if o.keep != "" {
		left = " but " + o.keep
	}
	a.say("Ctrl-C ends the lesson: then nothing of it is left%s", left)
	return nil
}

// showClassCode draws the code in a terminal, above these lines, which have to fit below it.
func (a *app) showClassCode(c *web.Class, lines []string) error {
	if !a.stdoutTerminal {
		return nil
	}
	code, err := c.Code()
	if err != nil {
		return err
	}
	below := 4 // lines that are said besides
	for _, line := range lines {
		below += len(line)/max(a.width, 1) + 1
	}
	return a.showCode(code, "let phones scan it from the projector's page", below)
}

// keepFeeds writes what was posted into files, a second room's beside the first one's.
func (a *app) keepFeeds(ctx context.Context, c *web.Class, name string) error {
	if name == "" {
		return nil
	}
	feeds, err := c.EndLies(ctx)
	if err != nil {
		return err
	}
	if len(feeds) == 0 {
		a.say("nothing was posted, so that there is no feed to keep")
	}
	for i, feed := range feeds {
		to := name
		if i > 0 {
			to = secondFeed(name)
		}
		write := func(w io.Writer) error { return feed.Write(ctx, w) }
		failed := writeNew("keep", to, 0o644, write)
		if failed != nil { // what the lesson was is gone after this
			dir, err := os.MkdirTemp("", "fernpost-feed-")
			if err == nil {
				to = filepath.Join(dir, filepath.Base(to))
				err = writeNew("keep", to, 0o644, write)
			}
			if err != nil {
				return errors.Join(failed, err)
			}
			a.report(failed)
		}
		a.say("the feed of %s is in %s", feed.Name, to)
	}
	return nil
}
