package httpapi

import (
	"path"
	"strings"
	"time"
	_ "time/tzdata" // not every system has the zones, and a slim container has none

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// maxZones is how many zones are kept: all names that are in use at one relay, and no more than some megabytes.
	maxZones = 256
	// maxZoneName is how long the name of a zone may be, in bytes. The longest that IANA has is 30 ("right/" before it makes 38).
	maxZoneName = 64
)

// zoneCache remembers zones by name: reading one costs a file each time. What was used longest ago is dropped, as a system that takes
// no account of case has more spellings of a zone than anybody counts.
type zoneCache struct {
	byName *lru.Cache[string, *time.Location]
}

var zones = newZoneCache()

func newZoneCache() *zoneCache {
	c, err := lru.New[string, *time.Location](maxZones)
	if err != nil {
		panic(err) // not reached: maxZones is positive
	}
	return &zoneCache{c}
}

// find returns a zone by its IANA name, and nil, which means UTC, for one that does not exist (contract section 3.3).
func (c *zoneCache) find(name string) *time.Location {
	if found, ok := c.byName.Get(name); ok {
		return found
	}
	// "Local" is where the relay stands, which is nobody's business.
	if !isZoneName(name) || strings.EqualFold(name, "local") {
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	c.byName.Add(name, zone)
	return zone
}

// isZoneName reports whether a zone may have that name. It becomes the name of a file, so "Europe//Berlin" and "Europe/./Berlin" would
// be Berlin as well, and whoever writes it so would have it read and kept each time.
func isZoneName(name string) bool {
	if name == "" || len(name) > maxZoneName || path.Clean(name) != name {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '_', c == '+', c == '-':
		default:
			return false
		}
	}
	return true
}
