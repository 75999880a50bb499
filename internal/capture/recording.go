package capture

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

const (
	// mostOverhead is how many bytes of a recording may come without a packet.
	mostOverhead = 16 << 20
	// mostInterfaces is how many bytes of a section may describe interfaces, which are kept.
	mostInterfaces = 1 << 20
)

// packets are those of a recording, in either format.
type packets struct {
	from *limited
	old  *pcapgo.Reader
	ng   *pcapgo.NgReader
}

func open(from io.Reader) (*packets, error) {
	head := bufio.NewReader(from)
	if magic, err := head.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		// Here and not in the library: what comes out of it is to be counted.
		unzipped, err := gzip.NewReader(head)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		head = bufio.NewReader(unzipped)
	}
	magic, err := head.Peek(4)
	if err != nil {
		return nil, ErrFormat
	}
	p := &packets{from: &limited{from: head, left: mostOverhead}}
	if binary.LittleEndian.Uint32(magic) == blockSection {
		p.ng, err = pcapgo.NewNgReader(&blocks{from: p.from}, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
	} else {
		p.old, err = pcapgo.NewReader(p.from)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return p, nil
}

func (p *packets) next() (data []byte, info gopacket.CaptureInfo, link layers.LinkType, err error) {
	if p.old != nil {
		data, info, err = p.old.ReadPacketData()
		link = p.old.LinkType()
	} else {
		if data, info, err = p.ng.ReadPacketData(); err == nil && len(info.AncillaryData) > 0 {
			link, _ = info.AncillaryData[0].(layers.LinkType)
		}
	}
	if err == nil {
		p.from.left = mostOverhead
	}
	return data, info, link, err
}

// limited ends a file that goes on and on without a packet.
type limited struct {
	from io.Reader
	left int64
}

var errOverhead = fmt.Errorf("%d MiB one after the other are no packets", mostOverhead>>20)

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errOverhead
	}
	n, err := l.from.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// The types of blocks of a pcapng file that matter here (IETF draft-ietf-opsawg-pcapng, section 4).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockOldPacket = 2
	blockSimple    = 3
	blockPacket    = 6
)

// blocks are those of a pcapng file that have to do with packets. Names, secrets and statistics are left out: the library keeps them
// as long as it reads, however many there are.
type blocks struct {
	from       io.Reader
	bigEndian  bool
	interfaces int64  // bytes of a section that describe them
	head       []byte // of the block under way, that is still to be handed on
	left       int64  // of its body
	raw        bool   // what follows is no block
}

func (b *blocks) Read(p []byte) (n int, err error) {
	for len(b.head) == 0 && b.left == 0 && !b.raw {
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	switch {
	case len(b.head) > 0:
		n = copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	case b.raw:
		return b.from.Read(p)
	}
	n, err = b.from.Read(p[:min(int64(len(p)), b.left)])
	if b.left -= int64(n); errors.Is(err, io.EOF) && b.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next reads the head of a block, and skips over one that is not wanted.
func (b *blocks) next() error {
	head := make([]byte, 12)
	if _, err := io.ReadFull(b.from, head[:8]); err != nil {
		return err
	}
	head = head[:8]
	if binary.LittleEndian.Uint32(head) == blockSection { // it reads the same in both directions
		if _, err := io.ReadFull(b.from, head[8:12]); err != nil {
			return noEnd(err)
		}
		head = head[:12]
		b.bigEndian, b.interfaces = bytes.Equal(head[8:], []byte{0x1a, 0x2b, 0x3c, 0x4d}), 0
	}
	number := binary.LittleEndian.Uint32
	if b.bigEndian {
		number = binary.BigEndian.Uint32
	}
	size := int64(number(head[4:]))
	if size < int64(len(head)) { // the library says what is wrong with it
		b.head, b.raw = head, true
		return nil
	}
	switch number(head) {
	case blockInterface:
		if b.interfaces += size; b.interfaces > mostInterfaces {
			return fmt.Errorf("more than %d MiB of it describe interfaces", mostInterfaces>>20)
		}
	case blockSection, blockOldPacket, blockSimple, blockPacket:
	default:
		_, err := io.CopyN(io.Discard, b.from, size-int64(len(head)))
		return noEnd(err)
	}
	b.head, b.left = head, size-int64(len(head))
	return nil
}

// noEnd says of a file that ends where it must not that it is cut.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
