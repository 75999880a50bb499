package screen

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestFileName(t *testing.T) {
	for in, want := range map[string]string{
		"report.pdf":                   "report.pdf",
		"../../etc/passwd":             "passwd",
		`C:\autoexec.bat`:              "autoexec.bat",
		".bashrc":                      "bashrc",
		"-rf":                          "rf",
		"":                             "file",
		"..":                           "file",
		"con":                          "filecon",
		"aux.tar.gz":                   "fileaux.tar.gz",
		"Lpt9 .txt":                    "fileLpt9 .txt",
		"com¹":                         "filecom¹",
		"console.log":                  "console.log",
		"a/b\\..\\c.txt":               "c.txt",
		"/":                            "file",
		"\x00\n\r\t":                   "file",
		"~root":                        "~root",
		"a\x1b[31m\u202egpj.exe":       "a[31mgpj.exe",
		"a<b>:c?.txt":                  "a_b__c_.txt",
		"\u3164":                       "file",
		"\u200d\u2800\u3164.\u3000":    "file",
		"re\u3164port\u2800.pdf":       "report.pdf",
		"a\u00a0b":                     "a b",
		"نامه\u200cها.txt":             "نامه\u200cها.txt",
		"❤\ufe0f.png":                  "❤\ufe0f.png",
		"trailing. .":                  "trailing",
		strings.Repeat("é", 200):       strings.Repeat("é", 40),
		"x." + strings.Repeat("y", 30): "x." + strings.Repeat("y", 30),
	} {
		base, ext := FileName(in)
		if got := base + ext; got != want {
			t.Errorf("FileName(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzFileName(f *testing.F) {
	f.Add("../../x.tar.gz")
	f.Fuzz(func(t *testing.T, name string) {
		base, ext := FileName(name)
		got := base + ext
		if strings.TrimFunc(got, blank) == "" || len(got) > 100 || strings.ContainsAny(got, "/\\\x00\n") || got[0] == '.' || !filepath.IsLocal(got) {
			t.Errorf("FileName(%q) = %q", name, got)
		}
	})
}
