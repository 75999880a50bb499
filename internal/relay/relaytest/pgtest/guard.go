package pgtest

import (
	"fmt"
	"io"
	"os/exec"
)

// guardScript waits until nobody holds its standard input any more, and then ends all servers below a directory and
// removes it. A server that was paused has to go on to end.
const guardScript = `
trap '' HUP INT QUIT TERM
read -r never
for lock in "$0"/*/data/postmaster.pid; do
	[ -f "$lock" ] && read -r pid <"$lock" && kill -CONT "$pid" && kill -QUIT "$pid"
done
tries=0
while ls "$0"/*/data/postmaster.pid && [ $tries -lt 100 ]; do
	tries=$((tries + 1))
	sleep 0.1
done
rm -rf "$0"
`

// guard starts a process that cleans up when the test binary has ended, even if that was killed. A server of [Shared]
// has no other end.
func guard(dir string) (io.Closer, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, dir)
	cmd.Dir = "/"
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting what cleans up after PostgreSQL: %w", err)
	}
	return stdin, nil
}
