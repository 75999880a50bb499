package main

import (
	"encoding/binary"
	"unsafe"
)

// The buffer is what the page writes into, and the answer stays until the next call.
var (
	theCore        = &core{}
	buffer, answer []byte
)

// room makes room for so many bytes and returns where they stand.
//
//go:wasmexport buffer
func makeBuffer(n int32) unsafe.Pointer {
	buffer = make([]byte, n+1)
	return unsafe.Pointer(&buffer[0])
}

// call takes a message of so many bytes and an attachment of the bytes behind it, both in the buffer. Where it points stand, in
// four bytes each, the lowest first, the length of the answer and of what is attached to it, and then these.
//
//go:wasmexport call
func call(message, attached int32) unsafe.Pointer {
	text, more := theCore.call(buffer[:message], buffer[message:message+attached])
	buffer = nil
	answer = binary.LittleEndian.AppendUint32(make([]byte, 0, 8+len(text)+len(more)), uint32(len(text)))
	answer = append(append(binary.LittleEndian.AppendUint32(answer, uint32(len(more))), text...), more...)
	return unsafe.Pointer(&answer[0])
}
