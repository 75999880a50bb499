package serve_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/mqtt"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/testenv/nodered"
)

// TestMQTTOfNpm: a device written with npm's mqtt, over TCP, TLS and WebSocket.
func TestMQTTOfNpm(t *testing.T) {
	_, node := testenv.NodeModules(t)
	eachWay(t, func(t *testing.T, at *url.URL, cafile string, device mqtt.Credentials, channel int64) {
		cmd := testenv.Command(t, node, "testdata/mqtt_peer.mjs", at.String(), cafile,
			device.ClientID, device.Password, strconv.FormatInt(channel, 10))
		out, err := cmd.CombinedOutput()
		topic := fmt.Sprintf("channels/%d/subscribe/fields/field1", channel)
		want := fmt.Sprintf("granted [0]\n%[1]s npm-0 \n%[1]s npm-1 \n%[1]s npm-2 \n", topic)
		if err != nil || string(out) != want {
			t.Errorf("it says %q, %v; want %q", out, err, want)
		}
	})
}

// TestNodeRED: the MQTT nodes of Node-RED, one that publishes what its flow gets and one that hands on what comes.
func TestNodeRED(t *testing.T) {
	r, admin := startMQTT(t, serve.Options{})
	defer r.Close()
	c := &relay.Channel{Owner: relay.LocalAccountID}
	c.ID, c.Keys = 4711123, keysOf("WRITE", "READ")
	if err := admin.CreateChannel(t.Context(), c, 0); err != nil {
		t.Fatal(err)
	}
	device := newDevice(t, admin, c.ID)
	broker, err := url.Parse(r.MQTTURL())
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan string, 10)
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) { came <- readAll(t, q.Body) }))
	defer sink.Close()

	red := nodered.Start(t)
	type flow = map[string]any
	nodered.Deploy(t, red, []flow{
		{"id": "tab", "type": "tab", "label": "sensor"},
		{
			"id": "broker", "type": "mqtt-broker", "broker": broker.Hostname(), "port": broker.Port(), "clientid": device.ClientID,
			"protocolVersion": "4", "keepalive": "60", "cleansession": true, "autoConnect": true,
			"credentials": flow{"user": device.Username, "password": device.Password},
		},
		{
			"id": "in", "type": "mqtt in", "z": "tab", "broker": "broker", "topic": fmt.Sprintf("channels/%d/subscribe/fields/+", c.ID),
			"qos": "2", "datatype": "utf8", "wires": [][]string{{"name"}},
		},
		{
			"id": "name", "type": "function", "z": "tab", "outputs": 1, "wires": [][]string{{"sink"}},
			"func": `msg.payload = msg.topic + " " + msg.payload; return msg;`,
		},
		{"id": "sink", "type": "http request", "z": "tab", "method": "POST", "ret": "txt", "url": sink.URL, "wires": [][]string{{}}},
		{"id": "door", "type": "http in", "z": "tab", "url": "/sensor", "method": "post", "wires": [][]string{{"out", "answer"}}},
		{
			"id": "out", "type": "mqtt out", "z": "tab", "broker": "broker", "topic": fmt.Sprintf("channels/%d/publish", c.ID),
			"qos": "1", "retain": "true", "wires": [][]string{},
		},
		{"id": "answer", "type": "http response", "z": "tab", "wires": [][]string{}},
	})
	testenv.Await(t, "Node-RED's connection", func() bool {
		return strings.Contains(getFrom(t, r, "", "/metrics"), "fernpost_relay_mqtt_connections 1\n")
	})
	// The connection is there before the subscription is; so values follow until one is heard.
	var heard []string
	testenv.Await(t, "an entry at Node-RED", func() bool {
		answer, err := http.Post(red+"/sensor", "text/plain", strings.NewReader("field1=21.5&field2=on"))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		for {
			s, ok := received(came)
			if !ok {
				return len(heard) > 1
			}
			heard = append(heard, s)
		}
	})
	topic := fmt.Sprintf("channels/%d/subscribe/fields/", c.ID)
	for _, want := range []string{topic + "field1 21.5", topic + "field2 on"} {
		if !slices.Contains(heard, want) {
			t.Errorf("it heard %q, not %q", heard, want)
		}
	}
}
