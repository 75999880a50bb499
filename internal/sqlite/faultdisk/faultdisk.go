// Package faultdisk is a disk for tests of what keeps its data in SQLite: it fails when it is told to, and knows what of
// its files would be left if the power went. There is one for Linux only.
package faultdisk
