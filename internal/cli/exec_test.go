package cli

import (
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// FuzzMessageFor: whatever a message says of itself, what a command is told of it is one line without what a terminal obeys, and the name
// of a file leads nowhere else.
func FuzzMessageFor(f *testing.F) {
	f.Add("ana", "../../.profile", "content", "text\x1b[2J")
	f.Add("a\nFERNPOST_PASSPHRASE=x", "/etc/passwd", "", "\x00")
	f.Add("", "..", "\x9b31m", strings.Repeat("ü", 300))
	f.Fuzz(func(t *testing.T, name, file, content, text string) {
		signed := func(b record.Body) *model.Item {
			m := &record.Message{Record: record.Record{Number: 7, Body: b}, Name: name}
			return &model.Item{Record: m, Posted: time.Unix(1, 0)}
		}
		for _, tt := range []struct {
			it   *model.Item
			want string
		}{
			{signed(record.Text(text)), text},
			{signed(record.File{Name: file, Media: name, Content: []byte(content)}), content},
			{&model.Item{Unsigned: &model.Message{Kind: model.KindText, Text: text, Entry: 3}}, text},
		} {
			in, env := messageFor(tt.it)
			if got, err := io.ReadAll(in); err != nil || string(got) != tt.want {
				t.Errorf("a command reads %q, %v; want %q", got, err, tt.want)
			}
			for _, v := range env {
				name, value, _ := strings.Cut(v, "=")
				if !strings.HasPrefix(name, "FERNPOST_MESSAGE_") || strings.ContainsFunc(value, unicode.IsControl) {
					t.Errorf("it is told %q", v)
				}
				if name == "FERNPOST_MESSAGE_FILE" && (strings.ContainsAny(value, "/\\") || strings.HasPrefix(value, ".") || strings.HasPrefix(value, "-")) {
					t.Errorf("the file is called %q", value)
				}
			}
		}
	})
}
