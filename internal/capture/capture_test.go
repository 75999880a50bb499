package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

var start = time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)

// segment is one of TCP, from the client or from the server, whose text begins behind so many bytes of its side.
type segment struct {
	server bool
	at     int
	text   string
	syn    bool
	fin    bool
	rst    bool
}

// wire is a network that is recorded.
type wire struct {
	tb      testing.TB
	v6      bool
	vlan    uint16
	port    uint16 // of the client
	host    byte   // of the client in its network, if that is not 20
	first   uint32 // number of the first byte, if that is not 1000
	packets [][]byte
}

func (w *wire) send(all ...segment) {
	for _, s := range all {
		mac := [2]net.HardwareAddr{{2, 0, 0, 0, 0, max(w.host, 20)}, {2, 0, 0, 0, 0, 2}}
		ip4, ip6 := [2]net.IP{{192, 168, 1, max(w.host, 20)}, {192, 168, 1, 1}}, [2]net.IP{net.ParseIP("fd00::20"), net.ParseIP("fd00::1")}
		ports := [2]layers.TCPPort{layers.TCPPort(50_000 + w.port), 3000}
		from, to := 0, 1
		if s.server {
			from, to = 1, 0
		}
		tcp := &layers.TCP{
			SrcPort: ports[from], DstPort: ports[to], Seq: w.number() + uint32(s.at), ACK: !s.syn || s.server, SYN: s.syn, FIN: s.fin,
			RST: s.rst, Window: 1000,
		}
		if s.syn {
			tcp.Seq--
		}
		ether := &layers.Ethernet{SrcMAC: mac[from], DstMAC: mac[to], EthernetType: layers.EthernetTypeIPv4}
		above := []gopacket.SerializableLayer{ether}
		kind := layers.EthernetTypeIPv4
		var network gopacket.SerializableLayer
		if w.v6 {
			ip := &layers.IPv6{Version: 6, NextHeader: layers.IPProtocolTCP, HopLimit: 64, SrcIP: ip6[from], DstIP: ip6[to]}
			network, kind = ip, layers.EthernetTypeIPv6
			_ = tcp.SetNetworkLayerForChecksum(ip)
		} else {
			ip := &layers.IPv4{Version: 4, IHL: 5, Protocol: layers.IPProtocolTCP, TTL: 64, SrcIP: ip4[from], DstIP: ip4[to]}
			network = ip
			_ = tcp.SetNetworkLayerForChecksum(ip)
		}
		ether.EthernetType = kind
		if w.vlan > 0 {
			ether.EthernetType = layers.EthernetTypeDot1Q
			above = append(above, &layers.Dot1Q{VLANIdentifier: w.vlan, Type: kind})
		}
		b := gopacket.NewSerializeBuffer()
		err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append(above, network, tcp, gopacket.Payload(s.text))...)
		if err != nil {
			w.tb.Fatal(err)
		}
		w.packets = append(w.packets, bytes.Clone(b.Bytes()))
	}
}

func (w *wire) number() uint32 {
	if w.first == 0 {
		return 1000
	}
	return w.first
}

// talk sends a request and its answer, in one segment each, over a connection that begins and ends.
func (w *wire) talk(request, answer string) {
	w.port++
	w.send(segment{syn: true}, segment{syn: true, server: true}, segment{text: request}, segment{text: answer, server: true},
		segment{fin: true, at: len(request)}, segment{fin: true, server: true, at: len(answer)})
}

func (w *wire) pcap(snap int) []byte {
	var b bytes.Buffer
	f := pcapgo.NewWriter(&b)
	if err := f.WriteFileHeader(uint32(snap), layers.LinkTypeEthernet); err != nil {
		w.tb.Fatal(err)
	}
	for i, p := range w.packets {
		info := gopacket.CaptureInfo{Timestamp: start.Add(time.Duration(i) * time.Second), Length: len(p), CaptureLength: min(len(p), snap)}
		if err := f.WritePacket(info, p[:info.CaptureLength]); err != nil {
			w.tb.Fatal(err)
		}
	}
	return b.Bytes()
}

func (w *wire) pcapng() []byte {
	var b bytes.Buffer
	f, err := pcapgo.NewNgWriter(&b, layers.LinkTypeEthernet)
	for i, p := range w.packets {
		if err == nil {
			info := gopacket.CaptureInfo{Timestamp: start.Add(time.Duration(i) * time.Second), Length: len(p), CaptureLength: len(p)}
			err = f.WritePacket(info, p)
		}
	}
	if err == nil {
		err = f.Flush()
	}
	if err != nil {
		w.tb.Fatal(err)
	}
	return b.Bytes()
}

func (x *Exchange) line() string {
	keys := make([]string, len(x.Keys))
	for i, k := range x.Keys {
		keys[i] = fmt.Sprintf("%s=%s", k.Use, k.Text)
	}
	return strings.Join(strings.Fields(fmt.Sprintf("%s %s %s ch%d e%d %d f%v %s", x.Client.Addr(), x.Method, x.Path, x.Channel, x.Entry, x.Status,
		x.Fields, strings.Join(keys, ","))), " ")
}

func readAll(tb testing.TB, recording []byte) (lines []string, s Summary) {
	tb.Helper()
	s, err := Read(bytes.NewReader(recording), func(x *Exchange) error {
		lines = append(lines, x.line())
		return nil
	})
	if err != nil {
		tb.Error(err)
	}
	return lines, s
}

const (
	update     = "GET /update?api_key=WRITEKEY12345678&field1=gAAA&field3=x HTTP/1.1\r\nHost: relay:3000\r\nUser-Agent: ESP8266\r\n\r\n"
	stored     = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n17"
	updateLine = "192.168.1.20 GET /update ch0 e17 200 f[1 3] write=WRITEKEY12345678"
)

// TestWhatIsAsked: the forms in which clients send their keys, and what the answers add.
func TestWhatIsAsked(t *testing.T) {
	form := "api_key=WRITEKEY12345678&field2=a+b"
	object := `{"write_api_key":"WRITEKEY12345678","updates":[{"delta_t":1,"field1":"x"},{"delta_t":1,"field5":"y"}]}`
	made := `{"id":4711123,"api_keys":[{"api_key":"AAAAAAAAAAAAAAAA","write_flag":true},{"api_key":"BBBBBBBBBBBBBBBB","write_flag":false}]}`
	for _, c := range []struct{ request, answer, want string }{
		{update, stored, updateLine},
		{"GET /update?key=WRITEKEY12345678&field1=12\r\n\r\n", "", "192.168.1.20 GET /update ch0 e0 0 f[1] write=WRITEKEY12345678"},
		{
			"POST /update.json HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " + fmt.Sprint(len(form)) + "\r\n\r\n" + form,
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10;x=y\r\n{\"channel_id\":42\r\n10\r\n,\"entry_id\":17 }\r\n0\r\n\r\n",
			"192.168.1.20 POST /update.json ch42 e17 200 f[2] write=WRITEKEY12345678",
		},
		{
			"POST /channels/42/bulk_update.json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + fmt.Sprint(len(object)) + "\r\n\r\n" + object,
			"HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{\"success\":true}", "192.168.1.20 POST /channels/42/bulk_update.json ch42 e0 202 f[1 5] write=WRITEKEY12345678",
		},
		{"\r\nGET /update?key=WRITEKEY12345678&field1=12 HTTP/1.0\n\n", "HTTP/1.0 200 OK\n\n17", "192.168.1.20 GET /update ch0 e17 200 f[1] write=WRITEKEY12345678"},
		{"GET /update?key=WRITEKEY12345678&field1=12\n\n", stored, "192.168.1.20 GET /update ch0 e17 200 f[1] write=WRITEKEY12345678"},
		{"POST /update HTTP/1.1\r\nHost: x\r\nX-THINGSPEAKAPIKEY: WRITEKEY12345678\r\n\r\n", "HTTP/1.1 400 Bad Request\r\nContent-Length: 1\r\n\r\n0", "192.168.1.20 POST /update ch0 e0 400 f[] write=WRITEKEY12345678"},
		{"GET /channels/42/feeds.csv?api_key=READKEY123456789 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n", "192.168.1.20 GET /channels/42/feeds.csv ch42 e0 304 f[] read=READKEY123456789"},
		{"HEAD /channels/42.json HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "192.168.1.20 HEAD /channels/42.json ch42 e0 200 f[]"},
		{
			"POST /channels.json?api_key=ACCOUNT HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n" + made, // until the end
			"192.168.1.20 POST /channels.json ch4711123 e0 200 f[] account=ACCOUNT,write=AAAAAAAAAAAAAAAA,read=BBBBBBBBBBBBBBBB",
		},
	} {
		w := &wire{tb: t}
		w.talk(c.request, c.answer)
		got, s := readAll(t, w.pcap(65535))
		if d := cmp.Diff([]string{c.want}, got); d != "" || s.Exchanges != 1 || s.Connections != 1 {
			t.Errorf("%q: %+v\n%s", c.request, s, d)
		}
	}
}

// TestHowItTravels: IPv6, VLAN, both formats, gzip, an end of file in the middle of a packet, a capture that begins in the middle of a
// connection, and segments out of order, twice and overlapping.
func TestHowItTravels(t *testing.T) {
	plain := &wire{tb: t}
	plain.talk(update, stored)
	six := &wire{tb: t, v6: true, vlan: 7}
	six.talk(update, stored)
	pieces := &wire{tb: t}
	var one, other []segment
	for i := 0; i < len(update); i += 7 {
		one = append(one, segment{at: i, text: update[i:min(i+9, len(update))]}) // each with the beginning of the next
	}
	slices.Reverse(one)
	for i := range stored {
		other = append(other, segment{server: true, at: i, text: stored[i : i+1]})
	}
	pieces.send(segment{syn: true}, segment{syn: true, server: true})
	pieces.send(append(one, one...)...)
	pieces.send(other...)
	middle := &wire{tb: t}
	middle.send(segment{at: 100, text: "the end of something\r\n"}, segment{server: true, at: 100, text: "9\r\n"},
		segment{at: 122, text: update}, segment{server: true, at: 103, text: stored})
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(plain.pcap(65535)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		recording []byte
		want      string
	}{
		"pcap":          {plain.pcap(65535), updateLine},
		"pcapng":        {plain.pcapng(), updateLine},
		"gzip":          {zipped.Bytes(), updateLine},
		"IPv6 in a LAN": {six.pcap(65535), strings.Replace(updateLine, "192.168.1.20", "fd00::20", 1)},
		"out of order":  {pieces.pcap(65535), updateLine},
		"in the middle": {middle.pcap(65535), updateLine},
		"cut":           {plain.pcap(65535)[:len(plain.pcap(65535))-20], updateLine},
	} {
		got, s := readAll(t, c.recording)
		if d := cmp.Diff([]string{c.want}, got); d != "" || s.Cut != (name == "cut") {
			t.Errorf("%s: %+v\n%s", name, s, d)
		}
	}
}

// TestLackingBytes: of a body that the recording lacks, and of packets that were cut short, what was there is told.
func TestLackingBytes(t *testing.T) {
	body := strings.Repeat("x", 5000)
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + body
	w := &wire{tb: t}
	w.send(segment{syn: true}, segment{syn: true, server: true}, segment{text: update + update}, segment{server: true, text: answer[:1000]},
		segment{server: true, at: 3000, text: answer[3000:] + stored}, segment{server: true, fin: true, at: len(answer + stored)})
	got, s := readAll(t, w.pcap(65535))
	want := []string{strings.Replace(updateLine, "e17", "e0", 1), updateLine}
	if d := cmp.Diff(want, got); d != "" || s.Lost != 2000 {
		t.Errorf("%+v\n%s", s, d)
	}
}

// TestOthers: what is encrypted, and what is no HTTP, is counted and not guessed at.
func TestOthers(t *testing.T) {
	w := &wire{tb: t}
	w.talk("\x16\x03\x01\x02\x00\x01\x00", "\x16\x03\x03")
	w.talk("\x10\x10\x00\x04MQTT\x04\x02", "\x20\x02\x00\x00")
	w.talk(update, stored)
	w.packets = append(w.packets, []byte("no packet"), nil)
	got, s := readAll(t, w.pcap(65535))
	want := Summary{Packets: 20, Unread: 2, Connections: 3, TLS: 1, Others: 1, Exchanges: 1, First: start, Last: start.Add(19 * time.Second)}
	if d := cmp.Diff(want, s); d != "" || len(got) != 1 {
		t.Errorf("%q %s", got, d)
	}
}

// TestNoRecording: what is none is refused, and what is damaged in its middle says where.
func TestNoRecording(t *testing.T) {
	for _, text := range []string{"", "abc", "created_at,entry_id,field1\n", "\x0a\x0d\x0d\x0a", "\x1f\x8b\x08\x00", strings.Repeat("\xd4\xc3\xb2\xa1", 1)} {
		if _, err := Read(strings.NewReader(text), nil); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", text, err)
		}
	}
	w := &wire{tb: t}
	w.talk(update, stored)
	recording := w.pcap(65535)
	n := 0
	damaged := append(bytes.Clone(recording), bytes.Repeat([]byte{0xff}, 40)...)
	_, err := Read(bytes.NewReader(damaged), func(*Exchange) error { n++; return nil })
	if err == nil || !strings.Contains(err.Error(), "behind 6 packets") || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	enough := errors.New("enough")
	if _, err := Read(bytes.NewReader(recording), func(*Exchange) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
}

// names is a recording that has names of hosts, and no end.
type names struct {
	head  io.Reader
	block []byte
	read  int64
}

func (n *names) Read(p []byte) (int, error) {
	got, err := n.head.Read(p)
	if n.read += int64(got); errors.Is(err, io.EOF) {
		n.head, err = bytes.NewReader(n.block), nil
	}
	return got, err
}

// TestNamesWithoutEnd: a file without end that has no packets ends, and does not fill the memory.
func TestNamesWithoutEnd(t *testing.T) {
	w := &wire{tb: t}
	block := binary.LittleEndian.AppendUint32(nil, 4)
	block = binary.LittleEndian.AppendUint32(block, 1<<16)
	record := append([]byte{1, 0, 12, 0, 1, 2, 3, 4}, "xxxxxx\x00\x00"...)
	body := bytes.Repeat(record, (1<<16-16)/len(record))
	body = append(body, make([]byte, 1<<16-12-len(body))...)
	block = binary.LittleEndian.AppendUint32(append(block, body...), 1<<16)
	n := &names{head: bytes.NewReader(w.pcapng()), block: block}
	if _, err := Read(n, nil); err == nil || !strings.Contains(err.Error(), "no packets") || n.read > 2*mostOverhead {
		t.Errorf("%d bytes: %v", n.read, err)
	}
}

// TestManyConnections: what is open at once is bounded, and requests of all are told, no more than are handed on.
func TestManyConnections(t *testing.T) {
	w := &wire{tb: t}
	const n = mostConnections + 100
	for range n {
		w.port++
		w.send(segment{syn: true}, segment{text: update})
	}
	got, s := readAll(t, w.pcap(65535))
	if len(got) != n || s.Exchanges != n {
		t.Errorf("%d, %+v", len(got), s)
	}
}

// FuzzRead: whatever a file says, it is read or refused.
func FuzzRead(f *testing.F) {
	w := &wire{tb: f}
	w.talk(update, stored)
	f.Add(w.pcap(65535))
	f.Add(w.pcapng())
	six := &wire{tb: f, v6: true, vlan: 7}
	six.talk("POST /update HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nkey\r\n0\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"+stored)
	f.Add(six.pcap(65535))
	f.Fuzz(func(t *testing.T, recording []byte) {
		_, _ = Read(bytes.NewReader(recording), func(x *Exchange) error {
			if x.Method == "" || len(x.Path) > longest || len(x.Agent) > longest || len(x.Keys) > MostKeys || x.Channel < 0 || x.Entry < 0 {
				t.Errorf("%+v", x)
			}
			return nil
		})
	})
}

// FuzzMessages: whatever the two ends of a connection say, in whatever pieces, comes to an end.
func FuzzMessages(f *testing.F) {
	f.Add(update+update, stored, 7)
	f.Add("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a\r\nkey\r\n0\r\nA: b\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nx", 1)
	f.Fuzz(func(t *testing.T, client, server string, size int) {
		size = max(size%2000, 1)
		w := &wire{tb: t}
		w.send(segment{syn: true}, segment{syn: true, server: true})
		for at := 0; at < max(len(client), len(server)) && at < 60*size; at += size {
			for _, side := range []bool{false, true} {
				text := client
				if side {
					text = server
				}
				if at < len(text) {
					w.send(segment{server: side, at: at, text: text[at:min(at+size, len(text))]})
				}
			}
		}
		readAll(t, w.pcap(65535))
	})
}

func BenchmarkRead(b *testing.B) {
	w := &wire{tb: b}
	for range 1000 {
		w.talk(update, stored)
	}
	recording := w.pcap(65535)
	b.SetBytes(int64(len(recording)))
	b.ReportAllocs()
	for b.Loop() {
		if got, _ := readAll(b, recording); len(got) != 1000 {
			b.Fatal(len(got))
		}
	}
}
