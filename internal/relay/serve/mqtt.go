package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/fernpost/fernpost/internal/mqtt"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/metrics"
	"github.com/fernpost/fernpost/internal/relay/mqttapi"
)

// mqttPath is where MQTT is served as WebSocket (contract section 10.1).
const mqttPath = "/mqtt"

// serveMQTT begins to accept on the MQTT address.
func (r *Running) serveMQTT(clients *guard.Clients, m *metrics.Metrics, cert *certificate) {
	m.Gauge("fernpost_relay_mqtt_connections", func() float64 { return float64(r.mqtt.Connections()) })
	m.Gauge("fernpost_relay_mqtt_dropped_total", func() float64 { return float64(r.mqtt.Dropped()) })
	accepting := clients.Listen(r.mqttListener)
	if cert != nil {
		accepting = tls.NewListener(accepting, cert.mqttConfig())
	}
	go func() {
		if err := r.mqtt.Serve(accepting); !errors.Is(err, net.ErrClosed) {
			r.log.Error("serving MQTT ended", "err", err)
		}
	}()
}

// withMQTT serves MQTT as WebSocket beside the API. It bypasses the workers, since a connection lasts.
func withMQTT(api http.Handler, door *mqttapi.Door, clients *guard.Clients) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == mqttPath && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			from := httpapi.SenderOf(r, clients)
			door.ServeWebSocket(w, r, mqtt.Origin{
				Remote: netip.AddrPortFrom(from.Address, 0).String(), Told: from.Told, Proxied: from.Proxied,
			})
			return
		}
		api.ServeHTTP(w, r)
	})
}

// MQTTURL is the address of MQTT, empty without it.
func (r *Running) MQTTURL() string {
	if r.mqttListener == nil {
		return ""
	}
	scheme := "mqtt://"
	if r.encrypted {
		scheme = "mqtts://"
	}
	return scheme + guard.Reachable(r.mqttListener.Addr())[0]
}

// stopMQTT ends MQTT; what is being stored has until the end of ctx to be acknowledged.
func (r *Running) stopMQTT(ctx context.Context) error {
	if r.mqtt == nil {
		return nil
	}
	err := r.mqttListener.Close()
	if late := r.mqtt.Shutdown(ctx); late != nil {
		err = errors.Join(err, fmt.Errorf("finishing what was published: %w", late))
	}
	return err
}
