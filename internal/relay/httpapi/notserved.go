package httpapi

import "github.com/fernpost/fernpost/internal/thingspeak"

// notServedHere are parts of the service that this relay does not have, by their addresses. Whoever asks for one is told so,
// instead of being left to look for a mistake of their own.
func notServedHere() map[string][]string {
	return map[string][]string{
		"TalkBack":       {"/talkbacks", "/talkbacks/{rest...}", "/apps/talkbacks", "/apps/talkbacks/{rest...}"},
		"ThingTweet":     {"/apps/thingtweet", "/apps/thingtweet/{rest...}"},
		"ThingHTTP":      {"/apps/thinghttp", "/apps/thinghttp/{rest...}"},
		"charts":         {"/channels/{id}/charts", "/channels/{id}/charts/{rest...}", "/charts/{rest...}"},
		"maps":           {"/channels/{id}/maps", "/channels/{id}/maps/{rest...}"},
		"plugins":        {"/plugins", "/plugins/{rest...}"},
		"image channels": {"/channels/{id}/images", "/channels/{id}/images/{rest...}"},
		"alerts":         {"/alerts", "/alerts/{rest...}"},
	}
}

// notServed says that a part of the service is left out.
func notServed(what string) string { return "This relay has no " + what + "." }

// refuse answers for a part that is left out. Of an address without an extension the service's table shows a bare code, in which
// the part has no name: those are answered as JSON.
func refuse(what string) handler {
	return func(q *request) (*reply, error) {
		if q.format == formatNone {
			q.format = formatJSON
		}
		return nil, &refusal{code: thingspeak.CodeNotFound, hint: notServed(what)}
	}
}
