package relaycmd_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// credentials are what "device add --json" prints.
type credentials struct {
	ClientID string `json:"client_id"`
	Username string `json:"username"`
	Password string `json:"password"`
}

func TestDeviceCommands(t *testing.T) { onEachEngine(t, testDeviceCommands) }

func testDeviceCommands(t *testing.T, b *beside) {
	one, two := b.create(nil).ID, b.create(nil).ID
	out, _ := b.run(0, "device", "add", "--channel", fmt.Sprint(one), "--publish", "--json")
	var made credentials
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.ClientID != made.Username ||
		len(made.ClientID) != 23 || len(made.Password) != 24 {
		t.Fatalf("made %s: %v", out, err)
	}
	list := func(want string) {
		t.Helper()
		out, _ := b.run(0, "device", "list")
		since, _, _ := strings.Cut(strings.TrimPrefix(out, made.ClientID), "publish") // a run may last over midnight
		if strings.Join(strings.Fields(strings.Replace(out, since, " ", 1)), " ") != strings.TrimSpace(made.ClientID+" "+want) {
			t.Errorf("listed as %q, want %q", out, want)
		}
	}
	list(fmt.Sprintf("publish %d subscribe none", one))
	b.run(0, "device", "allow", made.ClientID, "--channel", fmt.Sprint(two), "--subscribe")
	list(fmt.Sprintf("publish %d subscribe %d", one, two))
	// It was said that it may do nothing with a channel that everybody may read.
	open := b.create(url.Values{"public_flag": {"true"}}).ID
	for id, public := range map[int64]bool{one: false, open: true} {
		if _, talk := b.run(0, "device", "allow", made.ClientID, "--channel", fmt.Sprint(id)); strings.Contains(talk, "public") != public {
			t.Errorf("channel %d, public %v: allowed with %q", id, public, talk)
		}
	}
	list(fmt.Sprintf("publish none subscribe %d", two))
	out, _ = b.run(0, "device", "renew", made.ClientID)
	if !strings.Contains(out, made.ClientID) || strings.Contains(out, made.Password) || strings.Count(out, "\n") != 3 {
		t.Errorf("renew prints %q", out)
	}
	out, _ = b.run(0, "device", "list", "--json")
	if strings.Contains(out, "password") || !strings.Contains(out, fmt.Sprintf(`"publish":[],"subscribe":[%d]`, two)) {
		t.Errorf("listed as %s", out)
	}
	for code, all := range map[int][][]string{
		1: {
			{"device", "add", "--channel", "1234567", "--publish"},
			{"device", "allow", "nobody", "--channel", fmt.Sprint(one), "--publish"},
			{"device", "renew", "nobody"},
			{"device", "remove", "nobody"},
		},
		2: {
			{"device", "add", "--publish"},
			{"device", "add", "--channel", fmt.Sprint(one)},
			{"device", "allow", made.ClientID},
			{"device", "add", "--channel", "x", "--publish"},
			{"device", "renew"},
		},
	} {
		for _, args := range all {
			b.run(code, args...)
		}
	}
	many := []string{"device", "add", "--publish"}
	for range 11 {
		many = append(many, "--channel", fmt.Sprint(b.create(nil).ID))
	}
	if _, talk := b.run(1, many...); !strings.Contains(talk, "at most 10 channels") {
		t.Errorf("eleven channels: %s", talk)
	}
	b.run(0, "device", "remove", made.ClientID)
	if out, _ := b.run(0, "device", "list"); out != "" {
		t.Errorf("the removed one is listed as %s", out)
	}
}
