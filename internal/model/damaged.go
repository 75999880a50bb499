package model

import "fmt"

// DamagedError says that a file with keys cannot be read.
type DamagedError struct {
	Path string
	// Room is the room that the file is of; "" if it is of the device.
	Room string
}

func (e *DamagedError) Error() string { return fmt.Sprintf("%s is damaged", e.Path) }
