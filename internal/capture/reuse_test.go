package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// TestAPortThatIsUsedAgain: where a connection did not end, or its end is not in the recording, the requests of the next one with the
// same port were lost, and bytes by the billion were said to be lacking.
func TestAPortThatIsUsedAgain(t *testing.T) {
	opens := []segment{{syn: true}, {syn: true, server: true}}
	says := []segment{{text: update}, {text: stored, server: true}}
	fin, answerFIN := segment{fin: true, at: len(update)}, segment{fin: true, server: true, at: len(stored)}
	for name, c := range map[string]struct {
		all     []segment
		numbers []uint32
	}{
		"both end":                {slices.Concat(opens, says, []segment{fin, answerFIN, {at: len(update) + 1}}), []uint32{1000, 1000, 9}},
		"reset":                   {slices.Concat(opens, says, []segment{{rst: true, at: len(update)}}), []uint32{1000, 77, 1 << 31}},
		"reset somewhere":         {slices.Concat(opens, says, []segment{{rst: true, at: 7000}}), []uint32{1000, 1000, 3_000_000_000}},
		"one end only":            {slices.Concat(opens, says, []segment{answerFIN}), []uint32{1000, 1000, 5}},
		"no end":                  {slices.Concat(opens, says), []uint32{6509, 6509, 500_000, 100, 1<<31 + 5, 77, 1<<32 - 20}},
		"no answer":               {slices.Concat(opens, says[:1]), []uint32{6509, 6509, 500_000}},
		"no beginning and no end": {says, []uint32{1000, 1 << 30, 1 << 31, 5}},
		"a false beginning":       {slices.Concat(opens, []segment{{syn: true, at: 1 << 30}}, says), []uint32{1000}},
		"again behind the end":    {slices.Concat(opens, says, []segment{fin, answerFIN}, says), []uint32{1000, 1000}},
		"all twice":               {slices.Concat(opens, opens, says, says, []segment{fin, fin, answerFIN, answerFIN}), []uint32{1000, 50_000, 1000}},
		"an answer to SYN, late":  {slices.Concat(opens, says[:1], opens[1:], says[1:]), []uint32{1000, 1000}},
	} {
		w := &wire{tb: t}
		for _, w.first = range c.numbers {
			w.send(c.all...)
		}
		want := updateLine
		if name == "no answer" {
			want = strings.Replace(updateLine, "e17 200", "e0 0", 1)
		}
		connections := len(c.numbers)
		if name == "a false beginning" { // what was there before it goes on as a third one
			connections = 3
		}
		got, s := readAll(t, w.pcap(65535))
		if d := cmp.Diff(slices.Repeat([]string{want}, len(c.numbers)), got); d != "" || s.Lost != 0 || s.Connections != connections {
			t.Errorf("%s: %+v\n%s", name, s, d)
		}
	}
}

// TestMoreConnectionsThanAreFollowed: who opens thousands of connections does not have a request lost that is under way meanwhile.
func TestMoreConnectionsThanAreFollowed(t *testing.T) {
	slow, many := &wire{tb: t, host: 77}, &wire{tb: t}
	slow.send(segment{syn: true}, segment{text: update[:50]})
	for range mostConnections + 100 {
		many.port++
		many.send(segment{syn: true})
	}
	half := len(many.packets) - 150 // less than two minutes before all are too many
	slow.packets = append(slow.packets, many.packets[:half]...)
	slow.send(segment{text: update[50:60], at: 50})
	slow.packets = append(slow.packets, many.packets[half:]...)
	slow.send(segment{text: update[60:], at: 60}, segment{server: true, text: stored})
	got, s := readAll(t, slow.pcap(65535))
	if d := cmp.Diff([]string{strings.Replace(updateLine, ".20", ".77", 1)}, got); d != "" || s.Lost != 0 {
		t.Errorf("%+v %s", s, d)
	}
}

// TestBodiesWithoutEnd: thousands of connections whose messages do not end filled the memory.
func TestBodiesWithoutEnd(t *testing.T) {
	const n = 2200
	told, most := 0, 0
	var s Summary
	r := newReader(&s, func(x *Exchange) error {
		told++
		if len(x.Keys) != 1 || !x.Cut {
			t.Errorf("%+v", x)
		}
		return nil
	})
	body := strings.Repeat("x", 60_000)
	for i := range n {
		w := &wire{tb: t, port: uint16(i)}
		text := "POST /update?key=K HTTP/1.1\r\nContent-Length: 900000\r\n\r\n"
		w.send(segment{text: text + body}, segment{at: len(text + body), text: body})
		for _, p := range w.packets {
			r.packet(p, gopacket.CaptureInfo{Timestamp: start, Length: len(p), CaptureLength: len(p)}, layers.LinkTypeEthernet)
			r.bound(start)
			most = max(most, r.held)
		}
	}
	r.assembler.FlushAll()
	if told != n || r.open != 0 || r.held != 0 || most < mostHeld/2 || most > mostHeld {
		t.Errorf("%d told, %d open, %d held, at most %d", told, r.open, r.held, most)
	}
}

// TestMorePacketsThanOverhead: what stands around each packet was taken for something else than packets, and recordings of more than a
// million of them ended there.
func TestMorePacketsThanOverhead(t *testing.T) {
	w := &wire{tb: t}
	w.talk(update, stored)
	w.send(segment{at: len(update)})
	small := w.packets[6]
	size := binary.LittleEndian.AppendUint32(nil, uint32(len(small)))
	for name, c := range map[string]struct{ begin, record []byte }{
		"pcap":   {w.pcap(65535), slices.Concat(make([]byte, 8), size, size, small)},
		"pcapng": {w.pcapng(), lastBlock(w.pcapng())},
	} {
		n := mostOverhead/(len(c.record)-len(small)) + 1
		p, err := open(io.MultiReader(bytes.NewReader(c.begin), bytes.NewReader(bytes.Repeat(c.record, n))))
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for ; err == nil; got++ {
			_, _, _, err = p.next()
		}
		if got--; got != 7+n || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %d of %d packets: %v", name, got, 7+n, err)
		}
	}
}

// lastBlock is that of a pcapng file.
func lastBlock(file []byte) []byte {
	size := binary.LittleEndian.Uint32(file[len(file)-4:])
	return file[len(file)-int(size):]
}

// TestAnswersSayWhatKeysAreWorth: what a refused request says was learnt as if it were true.
func TestAnswersSayWhatKeysAreWorth(t *testing.T) {
	reply := func(status int, body string) string {
		return fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
	}
	const read = "GET /channels/42/feeds.json?api_key=K HTTP/1.1\r\nHost: x\r\n\r\n"
	negative := strings.Replace(update, "&field1", "&channel_id=-5&field1", 1)
	for _, c := range []struct {
		request, answer string
		want            Outcome
		channel, entry  int64
	}{
		{update, stored, Taken, 0, 17},
		{update, reply(200, "0"), Refused, 0, 0},
		{update, reply(400, "0"), Refused, 0, 0},
		{update, reply(429, ""), Refused, 0, 0},
		{update, reply(200, "-9223372036854775808"), "", 0, 0},
		{update, reply(200, "welcome"), "", 0, 0},
		{update, reply(200, `{"entry_id":-4,"channel_id":-4}`), "", 0, 0},
		{update, "", "", 0, 0},
		{update, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1", "", 0, 0},
		{negative, stored, Taken, 0, 17},
		{strings.Replace(negative, "-5", "x7", 1), stored, Taken, 0, 17},
		{strings.Replace(negative, "-5", "99999999999999999999", 1), stored, Taken, 0, 17},
		{read, reply(200, "{}"), Taken, 42, 0},
		{read, reply(400, `"-1"`), Refused, 42, 0},
		{read, reply(200, `-1`), Refused, 42, 0},
		{read, reply(302, ``), "", 42, 0},
	} {
		w := &wire{tb: t}
		w.talk(c.request, c.answer)
		var got []*Exchange
		if _, err := Read(bytes.NewReader(w.pcap(65535)), func(x *Exchange) error { got = append(got, x); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].Outcome != c.want || got[0].Channel != c.channel || got[0].Entry != c.entry {
			t.Errorf("%q %q: %+v", c.request, c.answer, got)
		}
	}
}

// TestWhatIsCutIsShownAsFarAsItGoes: a request of which the recording lacks the end was not told, and its key neither.
func TestWhatIsCutIsShownAsFarAsItGoes(t *testing.T) {
	form := "POST /update HTTP/1.1\r\nHost: x\r\nX-THINGSPEAKAPIKEY: HEADERKEY\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
		"Content-Length: 100\r\n\r\n"
	long := "GET /update?api_key=WRITEKEY12345678&field1=" + strings.Repeat("x", 2*mostHead)
	for request, want := range map[string]string{
		update[:8]:                               "",
		"GET /update?api_key=WRITEK":             "GET /update f[]",
		"GET /update?api_key=WRITEKEY&field1=gA": "GET /update f[] write=WRITEKEY",
		"GET /update?api_key=WRITEKEY HTT":       "GET /update f[] write=WRITEKEY",
		update[:len(update)-20]:                  "GET /update f[1 3] write=WRITEKEY12345678",
		form:                                     "POST /update f[] write=HEADERKEY",
		form[:80]:                                "POST /update f[] write=HEADERKEY",
		form + "field1=abc&api_key=HALFAKE":      "POST /update f[1] write=HEADERKEY",
		long:                                     "GET /update f[] write=WRITEKEY12345678",
		"GET /update?api_key=K HTTP/1.1\r\nno head\r\n\r\n": "GET /update f[] write=K",
	} {
		for _, end := range []bool{true, false} {
			w := &wire{tb: t, port: 1}
			w.send(segment{syn: true}, segment{syn: true, server: true})
			for at := 0; at < len(request); at += 1000 {
				w.send(segment{at: at, text: request[at:min(at+1000, len(request))]})
			}
			w.send(segment{server: true, text: stored})
			if end {
				w.send(segment{fin: true, at: len(request) + 90}, segment{fin: true, server: true, at: len(stored)})
			}
			var got []*Exchange
			s, err := Read(bytes.NewReader(w.pcap(65535)), func(x *Exchange) error { got = append(got, x); return nil })
			switch {
			case err != nil:
				t.Fatal(err)
			case want == "":
				if len(got) > 0 {
					t.Errorf("%.50q: %q", request, got[0].line())
				}
			case len(got) != 1 || !got[0].Cut || s.Others != 0:
				t.Errorf("%.50q: %d requests, %+v", request, len(got), s)
			default:
				text := strings.Replace(want, " f[", " ch0 e17 200 f[", 1)
				if d := cmp.Diff("192.168.1.20 "+text, got[0].line()); d != "" {
					t.Errorf("%.50q: %s", request, d)
				}
			}
		}
	}
}

// TestNoKeyIsMadeOfTwoPieces: what stands on both sides of a hole in a body is not read as one text.
func TestNoKeyIsMadeOfTwoPieces(t *testing.T) {
	body := "field1=x&api_key=ONEHALF" + strings.Repeat("x", 50) + "OTHERHALF&field2=y"
	request := fmt.Sprintf("POST /update HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	hole := strings.Index(request, "xxxx")
	w := &wire{tb: t}
	w.send(segment{syn: true}, segment{syn: true, server: true}, segment{text: request[:hole]}, segment{at: hole + 50, text: request[hole+50:]},
		segment{server: true, text: stored})
	got, s := readAll(t, w.pcap(65535))
	if d := cmp.Diff([]string{"192.168.1.20 POST /update ch0 e17 200 f[1]"}, got); d != "" || s.Lost != 50 {
		t.Errorf("%+v %s", s, d)
	}
}

// TestPacketsThatAreCutShort: of a recording that keeps 100 bytes of each packet, what stands in these is told.
func TestPacketsThatAreCutShort(t *testing.T) {
	w := &wire{tb: t}
	w.talk(update, stored)
	w.talk(strings.Replace(update, "WRITEKEY", "OTHERKEY", 1), stored)
	got, s := readAll(t, w.pcap(100))
	slices.Sort(got)
	want := strings.Replace(updateLine, "[1 3]", "[]", 1)
	if d := cmp.Diff([]string{strings.Replace(want, "WRITEKEY", "OTHERKEY", 1), want}, got); d != "" || s.Packets != 12 {
		t.Errorf("%+v %s", s, d)
	}
}

// TestKeysWithoutEnd: a request with thousands of keys had all of them told.
func TestKeysWithoutEnd(t *testing.T) {
	var body strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&body, "key=K%05d&", i)
	}
	w := &wire{tb: t}
	w.send(segment{syn: true}, segment{syn: true, server: true})
	request := fmt.Sprintf("POST /update HTTP/1.1\r\nContent-Length: %d\r\nHost: x\r\n\r\n%s", body.Len(), body.String())
	for at := 0; at < len(request); at += 1400 {
		w.send(segment{at: at, text: request[at:min(at+1400, len(request))]})
	}
	n := 0
	if _, err := Read(bytes.NewReader(w.pcap(65535)), func(x *Exchange) error {
		if n++; len(x.Keys) != MostKeys || x.MoreKeys != 3000-MostKeys {
			t.Errorf("%d keys and %d more", len(x.Keys), x.MoreKeys)
		}
		return nil
	}); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestKindsOfNetworks: requests are read from whatever frames they came in, and what cannot be read is said to be what it is.
func TestKindsOfNetworks(t *testing.T) {
	w := &wire{tb: t}
	w.talk(update, stored)
	six := &wire{tb: t, v6: true}
	six.talk(update, stored)
	ether := 14
	frames := func(before []byte) (all [][]byte) {
		for _, p := range w.packets {
			all = append(all, slices.Concat(before, p[ether:]))
		}
		return all
	}
	plain := layers.LinkTypeEthernet
	macs := w.packets[0][:12]
	snap := []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}
	frame80211 := func(flags byte) []byte {
		return slices.Concat([]byte{8, 1 | flags, 0, 0}, macs[:6], macs[6:], macs[:6], []byte{0, 0})
	}
	for name, c := range map[string]struct {
		link   layers.LinkType
		frames [][]byte
		want   Summary
		told   int
	}{
		"802.1Q":       {plain, frames(slices.Concat(macs, []byte{0x81, 0, 0, 7, 8, 0})), Summary{}, 1},
		"802.3":        {plain, frames802(frames, macs, nil, snap), Summary{}, 1},
		"802.3 tagged": {plain, frames802(frames, macs, []byte{0x81, 0, 0, 7}, snap), Summary{}, 1},
		"two tags":     {plain, frames(slices.Concat(macs, []byte{0x88, 0xa8, 0, 9, 0x81, 0, 0, 7, 8, 0})), Summary{}, 1},
		"raw":          {layers.LinkTypeRaw, frames(nil), Summary{}, 1},
		"cooked":       {layers.LinkTypeLinuxSLL, frames(slices.Concat([]byte{0, 0, 0, 1, 0, 6}, macs[:6], []byte{0, 0, 8, 0})), Summary{}, 1},
		"loopback":     {layers.LinkTypeNull, frames([]byte{2, 0, 0, 0}), Summary{}, 1},
		"802.11":       {layers.LinkTypeIEEE802_11, frames(slices.Concat(frame80211(0), snap)), Summary{}, 1},
		"802.11, WPA":  {layers.LinkTypeIEEE802_11, frames(slices.Concat(frame80211(0x40), snap)), Summary{Unread: 6, Sealed: 6}, 0},
		"unknown":      {layers.LinkType(275), frames(nil), Summary{Unread: 6, Foreign: 6}, 0},
		"far unknown":  {layers.LinkType(60_000), frames(nil), Summary{Unread: 6, Foreign: 6}, 0},
		"fragments":    {plain, fragments(w.packets, 20), Summary{Unread: 2, Fragments: 2}, 0},
	} {
		var b bytes.Buffer
		f := pcapgo.NewWriter(&b)
		if err := f.WriteFileHeader(65535, c.link); err != nil {
			t.Fatal(err)
		}
		for _, p := range c.frames {
			if err := f.WritePacket(gopacket.CaptureInfo{Timestamp: start, Length: len(p), CaptureLength: len(p)}, p); err != nil {
				t.Fatal(err)
			}
		}
		got, s := readAll(t, b.Bytes())
		seen := Summary{Unread: s.Unread, Fragments: s.Fragments, Sealed: s.Sealed, Foreign: s.Foreign}
		if len(got) != c.told || seen != c.want {
			t.Errorf("%s: %q %+v", name, got, s)
		}
	}
}

// frames802 are frames that have their length where others have their type.
func frames802(frames func([]byte) [][]byte, macs, tag, snap []byte) (all [][]byte) {
	for _, p := range frames(nil) {
		length := binary.BigEndian.AppendUint16(nil, uint16(len(snap)+len(p)))
		all = append(all, slices.Concat(macs, tag, length, snap, p))
	}
	return all
}

// fragments cuts the packet of a request in two, behind so many bytes.
func fragments(packets [][]byte, at int) (all [][]byte) {
	const ether, ip = 14, 20
	for i, p := range packets {
		if i != 2 {
			all = append(all, p)
			continue
		}
		at = at / 8 * 8
		one, other := bytes.Clone(p[:ether+ip+at]), slices.Concat(p[:ether+ip], p[ether+ip+at:])
		binary.BigEndian.PutUint16(one[ether+2:], uint16(len(one)-ether))
		binary.BigEndian.PutUint16(other[ether+2:], uint16(len(other)-ether))
		binary.BigEndian.PutUint16(one[ether+6:], 0x2000)
		binary.BigEndian.PutUint16(other[ether+6:], uint16(at/8))
		all = append(all, one, other)
	}
	return all
}
