package replay

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"time"

	"github.com/fernpost/fernpost/internal/screen"
)

var (
	//go:embed page.html
	source string
	//go:embed page.js
	script string
	//go:embed page.css
	style string

	page = template.Must(template.New("replay").Parse(source))
)

// MostOnPage is how many entries a page has at most: a browser lays them all out at once.
const MostOnPage = 5000

// Page is what a page says besides the steps.
type Page struct {
	// Of names the feed: a file or a channel. It may be a stranger's text.
	Of string
	// At is when the page was made.
	At time.Time
	// Keyed says that a key was given, so that there is a column of what is said.
	Keyed bool
	// Speed is how many times faster than it happened it is played at first.
	Speed float64
}

type row struct {
	Step

	Milliseconds int64
	Later        string
}

// Write writes steps as one page that asks the network for nothing. Its only script is named by its hash in the page's policy, so that
// nothing that stands in a feed could run, and without scripts all entries are shown.
func Write(w io.Writer, steps []Step, p Page) error {
	data := struct {
		Of, At, ScriptHash, StyleHash string
		Script                        template.JS
		Style                         template.CSS
		Keyed                         bool
		Speed                         float64
		Rows                          []row
		Longest                       int64
	}{
		Of: screen.Line(p.Of), At: p.At.UTC().Format("2 January 2006, 15:04 UTC"), ScriptHash: hash(script), StyleHash: hash(style),
		Script: template.JS(script), Style: template.CSS(style), Keyed: p.Keyed, Speed: p.Speed, Longest: LongestWait.Milliseconds(),
	}
	for i := range steps {
		r := row{Step: steps[i]}
		if !steps[i].Posted.IsZero() {
			r.Milliseconds = steps[i].Posted.UnixMilli()
		}
		if i > 0 {
			r.Later = Later(&steps[i-1], &steps[i])
		}
		data.Rows = append(data.Rows, r)
	}
	return page.Execute(w, data)
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
