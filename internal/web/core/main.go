// Command core is what a page in a browser runs of fernpost, as WebAssembly: the keys, the rules of one room, and what is kept of
// it. It is a WASI reactor, of which nothing waits and nothing calls back.
//
// A page calls it with a message in JSON, and bytes behind that. The answer says what the page must do: which rows to keep, before
// all else, which events to show, which requests to make of the relay, whether to listen to its stream, and when to call again. What
// came of a request goes into the next call. So the page only fetches and keeps, and whatever dies between two calls is filled again
// from the rows: see type reply. Keys never leave the page that holds them.
//
// Reading and posting are coroutines that stand still between two calls, each with a conversation of its own over one store, as
// two processes have over one archive.
//
// What it is built with stands in build.txt.
package main

func main() {}
