package guard

import (
	"net"
	"strings"
	"testing"
)

// A typing error in --listen came back in the words of a library: "listen tcp: address 8080: missing port in address".
func TestAnAddressThatIsNoneIsToldInWords(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, says := range map[string]string{
		"8080": "the port is lacking", "localhost": "the port is lacking", "[::1]": "the port is lacking",
		"::1:8080": "stands in brackets", "http://127.0.0.1:8080": "that is a URL",
		"127.0.0.1:99999": `"99999" is no port`, "127.0.0.1:-1": `"-1" is no port`, "127.0.0.1:80a0": `"80a0" is no port`,
		taken.Addr().String(): "another program listens there already",
	} {
		_, err := net.Listen("tcp", address)
		if err == nil {
			t.Fatalf("%s can be listened on", address)
		}
		if got := ListenError(address, err).Error(); !strings.Contains(got, says) || strings.Contains(got, "listen tcp") {
			t.Errorf("%s: %s", address, got)
		}
	}
}
