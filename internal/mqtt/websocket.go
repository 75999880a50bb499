package mqtt

import (
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// ServeWebSocket serves MQTT over WebSocket to a client that comes from somewhere, maybe through a proxy. Pages of any origin may connect: what a client may do depends on what it shows in
// MQTT, and a browser adds nothing to that.
func (b *Broker) ServeWebSocket(w http.ResponseWriter, r *http.Request, from Origin) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{"mqtt", "mqttv3.1"},
		InsecureSkipVerify: true,
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return // the client was told
	}
	// The request's context ends with its handler, the connection with its client.
	b.serveConn(&webSocketConn{websocket.NetConn(context.Background(), c, websocket.MessageBinary), c}, from)
}

// webSocketConn closes at once: the library's own Close would wait for the client's answer first.
type webSocketConn struct {
	net.Conn
	socket *websocket.Conn
}

// Close is part of [net.Conn].
func (c *webSocketConn) Close() error {
	err := c.socket.CloseNow()
	_ = c.Conn.Close() // ends its timers; that it is closed already is no error
	return err
}
