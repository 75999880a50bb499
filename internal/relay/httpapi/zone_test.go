package httpapi

import (
	"fmt"
	"strings"
	"testing"
)

// A name with a slash more was another name and the same file: whoever went on counting slashes filled the memory.
func TestSpellingsOfAZoneFillNothing(t *testing.T) {
	c := newZoneCache()
	for _, name := range []string{"Europe/Berlin", "UTC", "Etc/GMT+3", "America/Argentina/ComodRivadavia", "America/Port-au-Prince"} {
		if zone := c.find(name); zone == nil || zone.String() != name || c.find(name) != zone {
			t.Errorf("%s is %v, and another one when it is asked for again", name, zone)
		}
	}
	kept := c.byName.Len()
	for _, name := range []string{
		"Europe//Berlin", "Europe/./Berlin", "./Europe/Berlin", "Europe/Berlin/", "Europe" + strings.Repeat("/", 1000) + "Berlin",
		"Europe/../Europe/Berlin", "/Europe/Berlin", "Europe\\Berlin", "Europe/Berlin ", "Europe/Berlin\x00", "Local", "local", "", ".",
	} {
		if zone := c.find(name); zone != nil {
			t.Errorf("%q is %v", name, zone)
		}
	}
	if n := c.byName.Len(); n != kept {
		t.Errorf("%d zones are kept, of %d names", n, kept)
	}
	for i := range 2 * maxZones {
		c.byName.Add(fmt.Sprint(i), nil)
	}
	if n := c.byName.Len(); n != maxZones {
		t.Errorf("%d zones are kept, the most is %d", n, maxZones)
	}
}
