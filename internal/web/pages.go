package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// What the pages consist of. They run no foreign script, and whatever others have written gets into them as text only.

//go:embed static
var static embed.FS

//go:embed core/core.wasm.gz
var core []byte

// policy is the Content-Security-Policy of every page and file; workerPolicy is that of the worker's own file, the only one that
// may compile WebAssembly.
const (
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types fernpost"
	workerPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; base-uri 'none'; " +
		"form-action 'none'; frame-ancestors 'none'"
)

// media are the types of the files that pages load.
var media = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	".html": "text/html; charset=utf-8", ".wasm": "application/wasm",
}

// file is something that is served as it stands.
type file struct {
	media, policy, tag string
	packed             []byte // by gzip
	// unpacked is for who takes no gzip: the same bytes for all, as a copy for each would be memory for strangers to fill.
	unpacked func() []byte
}

// newFile packs what is served. Whoever has it already asks by its hash, and gets a few bytes.
func newFile(name string, text []byte) *file {
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is one that there is
	_, _ = w.Write(text)                                       // into memory
	_ = w.Close()
	return packedFile(name, packed.Bytes())
}

func packedFile(name string, packed []byte) *file {
	sum := sha256.Sum256(packed)
	f := &file{media: media[path.Ext(name)], policy: policy, packed: packed, unpacked: sync.OnceValue(func() []byte { return unpack(packed) })}
	f.tag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	if path.Base(name) == "worker.js" {
		f.policy = workerPolicy
	}
	return f
}

func unpack(packed []byte) []byte {
	in, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(err) // unreachable: it was packed here
	}
	text, err := io.ReadAll(in)
	if err != nil {
		panic(err)
	}
	return text
}

// setPageHeaders writes what all that a browser loads has.
func setPageHeaders(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache") // ask each time whether it has changed
}

// ServeHTTP is part of [http.Handler].
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	setPageHeaders(h, f.policy)
	h.Set("Content-Type", f.media)
	h.Set("ETag", f.tag)
	h.Set("Vary", "Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Del("ETag") // which names the packed bytes
		http.ServeContent(w, r, "", noTime, bytes.NewReader(f.unpacked()))
		return
	}
	h.Set("Content-Encoding", "gzip")
	http.ServeContent(w, r, "", noTime, bytes.NewReader(f.packed))
}

// files are all that pages load, by their path. They are packed when the first page is asked for.
var files = sync.OnceValue(func() map[string]*file {
	all := map[string]*file{"/static/core.wasm": packedFile("core.wasm", core)}
	err := fs.WalkDir(static, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) == ".html" {
			return err
		}
		text, err := static.ReadFile(name)
		all["/"+name] = newFile(name, text)
		return err
	})
	if err != nil {
		panic(err) // they are embedded
	}
	return all
})

// serveStatic serves the files.
func serveStatic(w http.ResponseWriter, r *http.Request) {
	if f := files()[r.URL.Path]; f != nil {
		f.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.ParseFS(static, "static/*.html"))
})

// pageData is what a page is made of.
type pageData struct {
	Title  string
	Script string
	// Imports are what Script imports, and what that imports, without .js: the browser need not read it to know.
	Imports []string
	// Steals adds the script of a page that steals the key.
	Steals bool
}

var importing = regexp.MustCompile(`(?:from |import\()'\./(\w+)\.js'`)

// imports adds to what is known what a script imports, and what that imports.
func imports(script string, known []string) []string {
	text, err := static.ReadFile("static/" + script)
	if err != nil {
		panic(err) // it is embedded
	}
	for _, found := range importing.FindAllSubmatch(text, -1) {
		if name := string(found[1]); !slices.Contains(known, name) {
			known = imports(name+".js", append(known, name))
		}
	}
	return known
}

// newPage makes a page of the template of that name.
func newPage(name string, data pageData) *file {
	var text bytes.Buffer
	data.Imports = imports(data.Script, nil)
	if err := templates().ExecuteTemplate(&text, name, data); err != nil {
		panic(err) // a mistake in a template of ours
	}
	return newFile(name+".html", text.Bytes())
}

// phonePages are the page for phones as it should be, and one that steals.
var phonePages = sync.OnceValue(func() map[bool]*file {
	all := map[bool]*file{}
	for _, steals := range []bool{false, true} {
		all[steals] = newPage("phone", pageData{
			Title: "Class", Script: "phone.js", Steals: steals,
		})
	}
	return all
})
