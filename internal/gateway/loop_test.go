package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	access "github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/testenv"
)

// TestLeadsBack: a cloud that is the gateway itself would be asked to take what it has sent, by whatever name or address it is called:
// one of no interface, of another one, a machine's name.
func TestLeadsBack(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	self := NewSelf()
	for _, listen := range []string{"127.0.0.1:0", ":0"} {
		g, err := Start(t.Context(), Options{Listen: listen, Home: t.TempDir(), Self: self})
		if err != nil {
			t.Fatal(err)
		}
		r := &running{Running: g}
		port := g.listener.Addr().(*net.TCPAddr).Port
		clouds := map[string]bool{
			fmt.Sprintf("http://127.0.0.1:%d", port):      true,
			fmt.Sprintf("http://localhost:%d/x", port):    true,
			fmt.Sprintf("https://127.0.0.1:%d/", port):    true,
			fmt.Sprintf("http://0.0.0.0:%d", port):        true,
			fmt.Sprintf("http://127.0.0.1:%d", port+1):    false,
			"http://127.0.0.1":                            false,
			fmt.Sprintf("http://nobody.invalid:%d", port): false,
			"http://[::1": false,
			other.URL:     false,
		}
		if listen == ":0" {
			clouds[fmt.Sprintf("http://[::]:%d", port)] = canIPv6()
			clouds[g.URL()] = true
			if name, err := os.Hostname(); err == nil {
				if _, err := net.LookupHost(name); err == nil {
					clouds[fmt.Sprintf("http://%s:%d", name, port)] = true
				}
			}
		}
		for cloud, want := range clouds {
			err := self.leadsBack(t.Context(), []string{"https://192.0.2.7", cloud}, g.listener.Addr())
			if _, loops := errors.AsType[*LoopError](err); loops != want {
				t.Errorf("a gateway at %v with the cloud %s: %v", g.listener.Addr(), cloud, err)
			}
			if err := NewSelf().leadsBack(t.Context(), []string{cloud}, g.listener.Addr()); err != nil {
				t.Errorf("another gateway's relay is refused: %v", err)
			}
		}
		r.stop(t)
	}
}

func canIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	return err == nil && l.Close() == nil
}

// TestStartRefusesALoop: nothing is left behind by a start that was refused.
func TestStartRefusesALoop(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	home := t.TempDir()
	engine := newEngine(home, access.Access{Timeout: testenv.Patience})
	if err := engine.Add(model.Room{
		Name: "lab", Relay: "http://0.0.0.0:" + port, Channel: 1, Fields: []int{1}, Interval: "0s", Profile: "fernpost",
		Keys: []model.Secret{model.Secret(fernet.GenerateKey().Reveal())},
	}); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Options{Listen: address, Home: home, Engine: engine, Pace: testPace})
	if _, loops := errors.AsType[*LoopError](err); !loops {
		t.Fatalf("a gateway whose relay is itself starts: %v", err)
	}
	g, err := Start(t.Context(), Options{Listen: address, Home: home, rooms: newRooms(t)})
	if err != nil {
		t.Fatal(err)
	}
	(&running{Running: g}).stop(t)
}

// TestMind: all that a gateway answers says whose answer it is, the refusals too, and only to itself.
func TestMind(t *testing.T) {
	self := NewSelf()
	g, err := Start(t.Context(), Options{Listen: "127.0.0.1:0", Home: t.TempDir(), rooms: newRooms(t), Self: self})
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Running: g}
	defer r.stop(t)
	for _, host := range []string{"", "evil.example"} {
		for _, path := range []string{"/healthz", "/channels/7/feeds.csv?results=0", "/update?api_key=x", "/nothing", "/encrypt"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if host != "" {
				request.Host = host
			}
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if err := answer.Body.Close(); err != nil {
				t.Error(err)
			}
			loop, loops := errors.AsType[*LoopError](self.Mind(answer))
			if !loops || loop.Cloud != g.URL() || NewSelf().Mind(answer) != nil || (Self{}).Mind(answer) != nil {
				t.Errorf("%s of %q: %v", path, host, answer.Header)
			}
		}
	}
}
