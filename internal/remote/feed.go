package remote

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// openFeed asks for a feed and returns its answer of status 200.
func (c *Client) openFeed(ctx context.Context, q exchange.Query) (*reply, error) {
	path, err := c.at.Path(wire.FeedPath(q))
	if err != nil {
		return nil, err
	}
	call := wire.Call{Doing: c.at.Reading(), Path: path, Key: c.at.KeyToRead()}
	re, err := c.do(ctx, request{call, c.set.Budget})
	if err != nil {
		return nil, err
	}
	if re.Status != http.StatusOK {
		defer re.body.Close()
		return nil, c.at.StatusError(re.Reply)
	}
	return re, nil
}

// Raw copies a feed as the relay sends it, byte for byte, and returns how many bytes it wrote. What is not a feed is an
// error, and nothing of it is written. Errors of w are returned as they are.
func (c *Client) Raw(ctx context.Context, q exchange.Query, w io.Writer) (int64, error) {
	re, err := c.openFeed(ctx, q)
	if err != nil {
		return 0, err
	}
	defer re.body.Close()
	in := bufio.NewReaderSize(wire.Bounded(re), wire.MaxReply)
	// A feed's first line is far shorter than what is looked at, so a reader finds it there, or says what it found.
	beginning, _ := in.Peek(in.Size())
	if _, err := thingspeak.NewCSVReader(bytes.NewReader(beginning)).Header(); err != nil {
		return 0, c.at.FeedError(re.Reply, err)
	}
	n, err := in.WriteTo(writerOnly{w})
	if failed, ok := errors.AsType[writeError](err); ok {
		return n, failed.error
	}
	if err != nil {
		return n, c.at.FeedError(re.Reply, err)
	}
	return n, nil
}

// writerOnly marks the errors of a writer, to tell them from those of a reader, and shows no other method of it.
type writerOnly struct{ w io.Writer }

type writeError struct{ error }

func (w writerOnly) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		return n, writeError{err}
	}
	return n, nil
}
