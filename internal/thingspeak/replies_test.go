package thingspeak

import (
	"errors"
	"math"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/invisible"
)

func TestParseUpdateReply(t *testing.T) {
	tests := []struct {
		body  string
		entry int64
	}{
		{"17", 17},
		{" 17\r\n", 17},
		{"\ufeff17", 17},
		{`"17"`, 17},
		{"9223372036854775807", math.MaxInt64},
		{string(AppendUpdateJSON(nil, 9, new(entry(17)), 0, nil)), 17},
		{`{"entry_id":"17"}`, 17},
	}
	for _, tt := range tests {
		if got, err := ParseUpdateReply([]byte(tt.body)); err != nil || got != tt.entry {
			t.Errorf("ParseUpdateReply(%q) = %d, %v, want %d", tt.body, got, err, tt.entry)
		}
	}
	for body, want := range map[string]error{
		"0": ErrNotStored, "00\n": ErrNotStored, `"0"`: ErrNotStored, "-1": ErrDenied, `"-1"`: ErrDenied,
		"": ErrEmptyReply, " \n": ErrEmptyReply, `""`: ErrEmptyReply,
		"error_auth_required": ErrDenied, string(AppendErrorJSON(nil, CodeAuthRequired, "")): ErrDenied,
	} {
		if got, err := ParseUpdateReply([]byte(body)); got != 0 || !errors.Is(err, want) {
			t.Errorf("ParseUpdateReply(%q) = %d, %v, want %v", body, got, err, want)
		}
	}
	for _, body := range []string{
		"9223372036854775808", "1e3", "+1", "-2", "17 18", "1.0", "null", "{}", `{"entry_id":0}`, `{"entry_id":17`, "OK",
		"[17]", "<p>17</p>", strings.Repeat("9", 1<<16), "\x1b[31m",
	} {
		got, err := ParseUpdateReply([]byte(body))
		if _, ok := errors.AsType[*NotDataError](err); !ok || got != 0 || len(err.Error()) > 500 {
			t.Errorf("ParseUpdateReply(%.20q) = %d, %v, want a *NotDataError", body, got, err)
		}
	}
	tooMany := AppendErrorJSON(nil, CodeTooManyRequests, "wait")
	if _, err := ParseUpdateReply(tooMany); errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "wait") {
		t.Errorf("ParseUpdateReply(%s) = %v", tooMany, err)
	}
}

func TestParseLastEntryID(t *testing.T) {
	for body, want := range map[string]int64{
		"17": 17, "17\n": 17, `"17"`: 17, "0": 0, "-1": 0, `"-1"`: 0, "null": 0, "": 0, "\n": 0, `""`: 0,
	} {
		if got, err := ParseLastEntryID([]byte(body)); err != nil || got != want {
			t.Errorf("ParseLastEntryID(%q) = %d, %v, want %d", body, got, err, want)
		}
	}
	for _, body := range []string{"-2", "nil", "9223372036854775808", "<html>", "{}", "17,18"} {
		got, err := ParseLastEntryID([]byte(body))
		if _, ok := errors.AsType[*NotDataError](err); !ok || got != 0 {
			t.Errorf("ParseLastEntryID(%q) = %d, %v, want a *NotDataError", body, got, err)
		}
	}
	if _, err := ParseLastEntryID([]byte("error_resource_not_found")); err == nil ||
		!strings.Contains(err.Error(), "error_resource_not_found") {
		t.Errorf("the code word: %v", err)
	}
}

func TestParseErrorBody(t *testing.T) {
	tests := []struct {
		name, body string
		want       ServiceError
		text       string
		denied     bool
	}{
		{"nothing", "", ServiceError{}, "the relay answered with an error and no reason", false},
		{
			"code word", "error_bad_request\n",
			ServiceError{Code: CodeBadRequest},
			"the relay answered error_bad_request", false,
		},
		{
			"refused key", "error_auth_required",
			ServiceError{Code: CodeAuthRequired},
			"the relay answered error_auth_required", true,
		},
		{"refused read", "-1", ServiceError{Message: "-1"}, `the relay answered with an error: "-1"`, true},
		{"refused read as JSON", `"-1"`, ServiceError{Message: `"-1"`}, `the relay answered with an error: "\"-1\""`, true},
		{"refused write", "0", ServiceError{Message: "0"}, `the relay answered with an error: "0"`, false},
		{
			"JSON", string(AppendErrorJSON(nil, CodeTooManyRequests, "wait\n15 s")),
			ServiceError{Code: CodeTooManyRequests, Message: "Too Many Requests", Details: "wait 15 s"},
			`the relay answered error_too_many_requests: "Too Many Requests": "wait 15 s"`, false,
		},
		{
			"JSON of the old server", `{"error":"Could not authenticate you."}`,
			ServiceError{Message: "Could not authenticate you."},
			`the relay answered with an error: "Could not authenticate you."`, false,
		},
		{
			"JSON with an unknown code", `{"status":418,"error":{"error_code":"error_teapot","message":7}}`,
			ServiceError{Message: "7"},
			`the relay answered with an error: "7"`, false,
		},
		{"other JSON", `{"a":1}`, ServiceError{Message: `{"a":1}`}, `the relay answered with an error: "{\"a\":1}"`, false},
		{
			"JSON error that is a list", `{"error":[1]}`,
			ServiceError{Message: `{"error":[1]}`},
			`the relay answered with an error: "{\"error\":[1]}"`, false,
		},
		{
			"XML", "<?xml version=\"1.0\"?>\n<error>\n  <error-code>error_auth_required</error-code>\n" +
				"  <message>Authorization Required</message>\n  <details>a &lt;key&gt;</details>\n</error>",
			ServiceError{Code: CodeAuthRequired, Message: "Authorization Required", Details: "a <key>"},
			`the relay answered error_auth_required: "Authorization Required": "a <key>"`, true,
		},
		{
			"XML of the old server", "<hash><status>404</status><error><error-code>error_resource_not_found</error-code>" +
				"<message>Resource Not Found</message></error></hash>",
			ServiceError{Code: CodeNotFound, Message: "Resource Not Found"},
			`the relay answered error_resource_not_found: "Resource Not Found"`, false,
		},
		{
			"page", "<!doctype html><title>502 Bad\nGateway</title><p>" + strings.Repeat("x", 9999),
			ServiceError{HTML: true, Message: "502 Bad Gateway"},
			`the relay answered with an HTML page: "502 Bad Gateway"`, false,
		},
		{"page without title", "<html>", ServiceError{HTML: true}, "the relay answered with an HTML page", false},
		{
			"page with an endless title", "<title>" + strings.Repeat("x", 9999),
			ServiceError{HTML: true},
			"the relay answered with an HTML page", false,
		},
		{
			"anything else", "no\x00pe\x1b]0;x\a \u202e\t ok\xff" + strings.Repeat("ü", 200),
			ServiceError{Message: "nope]0;x ok\ufffd" + strings.Repeat("ü", 93)},
			`the relay answered with an error: "nope]0;x ok�` + strings.Repeat("ü", 93) + `"`, false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ParseErrorBody([]byte(tt.body))
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Error() != tt.text {
				t.Errorf("Error() = %s, want %s", got.Error(), tt.text)
			}
			if errors.Is(got, ErrDenied) != tt.denied {
				t.Errorf("is ErrDenied: %t, want %t", !tt.denied, tt.denied)
			}
		})
	}
}

func TestErrorCodes(t *testing.T) {
	seen := map[ErrorCode]bool{}
	for _, row := range errorTable {
		if row.code.Status() != row.status || row.code.Message() != row.message {
			t.Errorf("%s: %d, %q", row.code, row.code.Status(), row.code.Message())
		}
		seen[row.code] = true
	}
	if len(seen) != len(errorTable) {
		t.Error("a code stands in the table twice")
	}
	if c := ErrorCode("error_x"); c.Status() != 0 || c.Message() != "" {
		t.Errorf("an unknown word has status %d and message %q", c.Status(), c.Message())
	}
}

func TestParseChannelID(t *testing.T) {
	for in, want := range map[string]int64{
		"9": 9, " 1234567\n": 1234567, "009": 9, "9223372036854775807": math.MaxInt64,
	} {
		if got, err := ParseChannelID(in); err != nil || got != want {
			t.Errorf("ParseChannelID(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", " ", "0", "-1", "+9", "9.0", "9a", "0x9", "९", "9223372036854775808", "9 9"} {
		if got, err := ParseChannelID(in); err == nil {
			t.Errorf("ParseChannelID(%q) = %d, want an error", in, got)
		}
	}
}

func FuzzReplies(f *testing.F) {
	for _, seed := range []string{
		"17", "0", "-1", `"-1"`, "null", "error_conflict", "<title>a</title>", "<error-code>error_conflict</error-code>",
		`{"entry_id":17}`, `{"error":{"error_code":"error_conflict","details":"x"}}`, "\ufeff 1\u2028\x1b\u202e\u3164",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if n, err := ParseUpdateReply(body); (n > 0) == (err != nil) {
			t.Fatalf("ParseUpdateReply(%q) = %d, %v", body, n, err)
		}
		if n, err := ParseLastEntryID(body); n < 0 || n > 0 && err != nil {
			t.Fatalf("ParseLastEntryID(%q) = %d, %v", body, n, err)
		}
		if id, err := ParseChannelID(string(body)); (id > 0) == (err != nil) {
			t.Fatalf("ParseChannelID(%q) = %d, %v", body, id, err)
		}
		e := ParseErrorBody(body)
		if e.Code != "" && e.Code.Status() == 0 {
			t.Fatalf("ParseErrorBody(%q) made up the code %q", body, e.Code)
		}
		for _, text := range []string{e.Message, e.Details, excerpt(body, 7)} {
			if len(text) > excerptBytes || !utf8.ValidString(text) || strings.ContainsFunc(text, notShown) ||
				strings.TrimSpace(text) != text || strings.Contains(text, "  ") {
				t.Fatalf("%q was kept as %q", body, text)
			}
		}
		if text := excerpt(body, 7); len(text) > 7 {
			t.Fatalf("7 bytes of %q are %q", body, text)
		}
	})
}

func notShown(r rune) bool { return !unicode.IsPrint(r) || invisible.Rune(r) }
