package relaycmd

import (
	"runtime/debug"
	"sync"
)

// release is the version of a release, set when that is linked (examples/release/build.sh).
var release string

// Version is what the build says of itself. Finding out takes a while, so it is done once.
var Version = sync.OnceValue(func() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
})
