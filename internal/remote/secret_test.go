package remote_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/remote"
)

func TestSecretShowsAFingerprintOnly(t *testing.T) {
	secret := remote.Secret(writeKey)
	options := remote.Options{WriteKey: secret, ReadKey: readKey, UserKey: userKey}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", secret)
		fmt.Fprintf(&out, verb+"\n", options)
		fmt.Fprintf(&out, verb+"\n", &options)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", secret, "options", options)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", secret, "keys", []remote.Secret{secret})
	if err := json.NewEncoder(&out).Encode(map[string]any{"a": secret, "b": &secret}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{writeKey, readKey, userKey} {
		if strings.Contains(out.String(), key) || strings.Contains(out.String(), fmt.Sprintf("%x", key)) {
			t.Errorf("%s shows in:\n%s", key, out.String())
		}
	}
	if secret.String() == remote.Secret(readKey).String() || remote.Secret("").String() != "no key" {
		t.Errorf("fingerprints: %v, %v, %v", secret, remote.Secret(readKey), remote.Secret(""))
	}
}
