// Package web serves the pages in which people talk: to a class, whose phones join by a QR code and keep their keys themselves, and to
// one person, for the rooms of this device. Beside what is said they show what others see of it, which package outside knows
// without a key.
package web
