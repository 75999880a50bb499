package httpapi

import (
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // not every system has the zones, and a slim container has none
)

// zoneCache remembers zones by name: reading one costs a file each time. Only names that exist are kept, so it is
// bounded by how many there are.
type zoneCache struct{ byName sync.Map }

var zones zoneCache

// find returns a zone by its IANA name, and nil, which means UTC, for one that does not exist (contract section 3.3).
func (c *zoneCache) find(name string) *time.Location {
	if found, ok := c.byName.Load(name); ok {
		return found.(*time.Location)
	}
	// "Local" is where the relay stands, which is nobody's business.
	if strings.EqualFold(name, "local") {
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	c.byName.Store(name, zone)
	return zone
}
